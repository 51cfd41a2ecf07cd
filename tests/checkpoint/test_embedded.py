"""The weights that come with the package."""

from __future__ import annotations

import torch

from samhq.checkpoint.load import load_model, load_state
from samhq.checkpoint.starter import starter_path


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
