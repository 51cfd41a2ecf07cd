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


def test_hidden_states_as_the_call_or_the_configuration_asks(folder: Path) -> None:
    own = SamHQVisionModel.from_pretrained(folder)
    asked = own(pixels(2), output_hidden_states=True)
    assert [state.shape for state in asked.hidden_states] == [(2, 4, 4, 32)] * 5
    values = own(pixels(2), output_hidden_states=True, return_dict=False)
    torch.testing.assert_close(values, asked.to_tuple())
    own.config.output_hidden_states = True
    torch.testing.assert_close(own(pixels(2)).hidden_states, asked.hidden_states)
    assert own(pixels(2), output_hidden_states=False).hidden_states is None
    with pytest.raises(ConfigError, match="output_attentions"):
        own(pixels(), output_attentions=True)


def test_gradients_of_hidden_states_can_be_kept(folder: Path) -> None:
    own = SamHQVisionModel.from_pretrained(folder)
    out = own(pixels(), output_hidden_states=True)
    for state in out.hidden_states:
        state.retain_grad()
    out.last_hidden_state.square().mean().backward()
    assert all(state.grad is not None and bool(state.grad.any()) for state in out.hidden_states)


def test_a_vision_model_has_an_embedding_of_patches_and_none_of_words(folder: Path) -> None:
    own = SamHQVisionModel.from_pretrained(folder)
    assert own.get_input_embeddings()(pixels()).shape == (1, 4, 4, 32)
    assert own.get_output_embeddings() is None
