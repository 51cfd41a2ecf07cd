"""The vision models alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tests import tiny
from tests.compat.transformers.pictures import pixels

from samhq.compat.transformers import (
    SamConfig,
    SamHQModel,
    SamHQVisionModel,
    SamModel,
    SamVisionModel,
)
from samhq.errors import ConfigError


def test_vision_models(model: SamHQModel, folder: Path, sam: SamModel) -> None:
    own = SamHQVisionModel.from_pretrained(folder)
    out = own(pixels())
    features, early = model.get_image_embeddings(pixels())
    torch.testing.assert_close(out.last_hidden_state, features, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(out.intermediate_embeddings[0], early[0], atol=1e-5, rtol=1e-5)
    assert list(own.state_dict()) == [name for name in model.state_dict() if name.startswith("vision_encoder.")]
    plain = SamVisionModel(SamConfig.from_model_config(tiny.PLAIN).vision_config)
    assert list(plain(pixels())) == ["last_hidden_state"]
    with pytest.raises(ConfigError, match="pixel_values"):
        plain(torch.zeros(1, 3, 32, 32))
