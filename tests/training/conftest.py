"""A run from scratch of a small model."""

from __future__ import annotations

import pytest
from tests.training.worlds import SMALL, from_scratch

from samhq.training import config as train_config
from samhq.training import start


@pytest.fixture
def scratch(tmp_path, monkeypatch):
    monkeypatch.setattr(start, "model_config", lambda name: SMALL)
    monkeypatch.setitem(train_config.MODELS, "small", SMALL)
    return from_scratch(tmp_path / "run")
