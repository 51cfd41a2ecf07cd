"""The class of a model and of its processor follows from the file, as in transformers."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tests import tiny

from samhq.checkpoint.save import save_model
from samhq.compat.transformers import (
    AutoModelForMaskGeneration,
    AutoProcessor,
    Sam2Model,
    Sam2Processor,
    Sam2VideoProcessor,
    SamHQModel,
    SamHQProcessor,
    SamModel,
    SamProcessor,
)
from samhq.config import ModelConfig
from samhq.errors import ConfigError

KINDS = [
    (tiny.PLAIN, SamModel, SamProcessor),
    (tiny.HQ, SamHQModel, SamHQProcessor),
    (tiny.SECOND_OF_TRANSFORMERS, Sam2Model, Sam2VideoProcessor),
    (tiny.SECOND_OF_TRANSFORMERS.replace(memory=None), Sam2Model, Sam2Processor),
]


@pytest.mark.parametrize("name", ["folder", "model.safetensors"])
@pytest.mark.parametrize(("config", "model", "processor"), KINDS)
def test_the_class_is_that_of_the_weights(
    config: ModelConfig, model: type, processor: type, name: str, tmp_path: Path
) -> None:
    save_model(tiny.shared(config), tmp_path / name)
    loaded = AutoModelForMaskGeneration.from_pretrained(tmp_path / name, dtype="float64", device_map="cpu")
    assert type(loaded) is model
    assert loaded.dtype is torch.float64
    assert type(AutoProcessor.from_pretrained(tmp_path / name)) is processor


@pytest.mark.parametrize(("config", "model", "processor"), KINDS[:2])
def test_transformers_own_choice_is_the_same(config: ModelConfig, model: type, processor: type, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    save_model(tiny.shared(config), tmp_path)
    theirs = transformers.AutoModelForMaskGeneration.from_pretrained(tmp_path)
    assert type(theirs).__name__ == model.__name__
    assert type(transformers.AutoProcessor.from_pretrained(tmp_path)).__name__ == processor.__name__
    theirs.save_pretrained(tmp_path / "theirs")
    assert type(AutoModelForMaskGeneration.from_pretrained(tmp_path / "theirs")) is model


def test_what_transformers_does_not_have_is_refused(tmp_path: Path) -> None:
    save_model(tiny.shared(tiny.LIGHT), tmp_path / "light.safetensors")
    with pytest.raises(ConfigError, match="transformers"):
        AutoModelForMaskGeneration.from_pretrained(tmp_path / "light.safetensors")
    with pytest.raises(ConfigError, match="Call from_pretrained"):
        AutoProcessor("facebook/sam-vit-base")
