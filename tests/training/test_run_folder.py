from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from samhq.errors import ConfigError
from samhq.training.checkpoint import STATE
from samhq.training.config import TrainConfig
from samhq.training.run_folder import changed_fields, check_run_folder, check_same_kind


@pytest.fixture
def config(tmp_path: Path) -> TrainConfig:
    return TrainConfig(str(tmp_path), mode="hq", data="pictures")


@pytest.mark.parametrize(
    ("name", "resume", "allowed"),
    [
        (STATE, False, False),
        (STATE, True, True),
        ("log.jsonl", False, False),
        ("log.jsonl", True, True),
        ("best.safetensors", False, False),
        ("last.pth", True, False),
        ("notes.txt", False, True),
    ],
)
def test_a_folder_with_files_of_a_run_may_only_be_continued(
    config: TrainConfig, name: str, resume: bool, allowed: bool
) -> None:
    (config.folder / name).write_text("something")
    config = replace(config, resume=resume)
    if allowed:
        check_run_folder(config)
    else:
        with pytest.raises(ConfigError, match="Expected a folder without a run"):
            check_run_folder(config)


def test_empty_files_are_no_run(config: TrainConfig) -> None:
    (config.folder / "log.jsonl").touch()
    check_run_folder(config)


def test_a_run_of_another_kind_is_not_continued(config: TrainConfig) -> None:
    check_same_kind(config, config.to_dict())
    with pytest.raises(ConfigError, match="Expected optimiser='other'"):
        check_same_kind(config, config.to_dict() | {"optimiser": "other"})


def test_changes_name_both_values(config: TrainConfig) -> None:
    assert changed_fields(replace(config, resume=True), config.to_dict()) == ""
    assert changed_fields(replace(config, seed=5), config.to_dict()) == "seed=5 (was 0)"
