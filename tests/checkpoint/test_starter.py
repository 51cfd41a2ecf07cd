"""The weights that come with the package."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from samhq.checkpoint import starter
from samhq.checkpoint.load import load_model, load_state, locate
from samhq.checkpoint.save import save_model
from samhq.checkpoint.starter import starter_path
from samhq.errors import CheckpointError, ConfigError


def test_the_path_is_in_the_package_or_a_sentence(monkeypatch):
    monkeypatch.setattr(starter, "FILENAME", "py.typed")
    with pytest.raises(CheckpointError, match="sam_hq_vit_tiny"):
        starter.starter_path()


def test_the_file_lies_beside_the_code(monkeypatch, tmp_path):
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / starter.FILENAME).touch()
    monkeypatch.setattr(starter.resources, "files", lambda package: tmp_path)
    assert starter.starter_path() == tmp_path / "weights" / starter.FILENAME


def test_the_starter_is_small_whole_and_says_what_it_is() -> None:
    assert starter_path().stat().st_size <= 24_000_000
    state, detection = load_state(starter_path())
    assert detection.config.name == "starter"
    assert detection.config.hq
    assert detection.dtype == torch.float16
    assert detection.config.family == "samhq starter"
    assert detection.config.side == 512
    assert detection.config.defaults.refine_margin is not None
    assert all(value.isfinite().all() for value in state.values() if value.is_floating_point())
    sam = load_model()
    assert not sam.training
    assert sam.config == detection.config


def test_the_starter_can_be_named_unless_a_file_has_that_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert locate("starter") == starter_path()
    with pytest.raises(ConfigError, match="Did you mean 'starter'"):
        locate("start")
    (tmp_path / "starter").mkdir()
    assert locate("starter") == Path("starter")


def test_settings_found_later_hold_for_the_starter_and_for_what_is_saved_from_it(tmp_path: Path) -> None:
    expected = starter.TUNED["defaults.stability_score_thresh"]
    sam = load_model()
    assert sam.config.defaults.stability_score_thresh == expected
    save_model(sam, tmp_path / "copy.safetensors")
    assert load_model(tmp_path / "copy.safetensors").config.defaults == sam.config.defaults
    assert starter.tuned_settings(tmp_path / "copy.safetensors") == {}
