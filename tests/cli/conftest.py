"""A tiny model's file and a picture to segment."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests import tiny
from tests.cli.segmenting import drawn

from samhq.checkpoint.save import save_model


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_model(tiny.shared(tiny.HQ), path)
    return path


@pytest.fixture
def cat(tmp_path: Path) -> Path:
    return drawn(tmp_path / "in" / "cat.png")
