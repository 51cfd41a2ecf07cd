"""Tiny random models as transformers would save them."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests import tiny

from samhq.checkpoint.save import save_model
from samhq.compat.transformers import (
    SamConfig,
    SamHQModel,
    SamHQProcessor,
    SamModel,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random SAM-HQ as transformers would have it."""
    place = tmp_path_factory.mktemp("hq")
    save_model(tiny.shared(tiny.HQ), place)
    return place


@pytest.fixture(scope="module")
def model(folder: Path) -> SamHQModel:
    return SamHQModel.from_pretrained(folder).requires_grad_(False)


@pytest.fixture(scope="module")
def processor(folder: Path) -> SamHQProcessor:
    return SamHQProcessor.from_pretrained(folder)


@pytest.fixture(scope="module")
def sam() -> SamModel:
    own = SamModel(SamConfig.from_model_config(tiny.PLAIN))
    own.sam.load_state_dict(tiny.shared(tiny.PLAIN).state_dict())
    return own.requires_grad_(False)
