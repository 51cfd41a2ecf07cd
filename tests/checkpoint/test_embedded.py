"""The weights that come with the package."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from samhq.checkpoint.load import load_model, load_state, locate
from samhq.checkpoint.starter import starter_path
from samhq.errors import ConfigError


def test_the_starter_is_small_whole_and_says_what_it_is() -> None:
    assert starter_path().stat().st_size <= 24_000_000
    state, detection = load_state(starter_path())
    assert detection.config.name == "starter"
    assert detection.config.hq
    assert detection.dtype == torch.float16
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
