"""Weights of convolutions for a GPU, tried on the CPU: the layout changes no result and no file."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from torch import nn

from samhq.checkpoint.load import load_model
from samhq.checkpoint.save import save_model
from samhq.config import ModelConfig
from samhq.model.weight_layout import laid_out
from samhq.types import Prompts
from tests import tiny

CUDA = torch.device("cuda")


def layouts(model: nn.Module) -> set[bool]:
    """Whether weights with several channels and a kernel are channels last."""
    weights = (module.weight for module in model.modules() if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)))
    return {weight.is_contiguous(memory_format=torch.channels_last) for weight in weights if min(weight.shape[1:]) > 1}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("config", tiny.ALL, ids=lambda config: config.name)
def test_results_stay_the_same(config: ModelConfig, dtype: torch.dtype) -> None:
    plain = copy.deepcopy(tiny.shared(config)).to(dtype)
    sam = laid_out(copy.deepcopy(plain), CUDA)
    assert (layouts(plain), layouts(sam)) == ({False}, {True})
    masks = torch.randn(2, 1, 4 * config.grid, 4 * config.grid, generator=torch.Generator().manual_seed(0))
    prompts = Prompts(torch.zeros(2, dtype=torch.int64), *tiny.points(config, [1, 2]), masks=masks)
    within = 1e-4 if dtype == torch.float32 else 0.1
    for recorded in (True, False):  # The two ways of many layers.
        with torch.set_grad_enabled(recorded):
            ours, expected = (one.decode(one.encode(tiny.pixels(config)), prompts) for one in (sam, plain))
        assert (ours.logits - expected.logits).abs().max() <= within * expected.logits.abs().max()


def test_gradients_stay_the_same() -> None:
    plain = tiny.model(tiny.HQ)
    sam = laid_out(copy.deepcopy(plain), CUDA)
    for one in (plain, sam):
        embedding = one.encode(tiny.pixels(tiny.HQ), keep_early=True)
        embedding.features.square().mean().backward()
    for (name, ours), expected in zip(sam.named_parameters(), plain.parameters(), strict=True):
        if expected.grad is not None:
            assert ours.grad is not None, name
            torch.testing.assert_close(ours.grad, expected.grad, rtol=1e-3, atol=1e-5)


def test_files_are_those_of_weights_as_they_came(tmp_path: Path) -> None:
    plain = tiny.shared(tiny.LIGHT)
    sam = laid_out(copy.deepcopy(plain), CUDA)
    contents = []
    for name, one in (("plain", plain), ("laid_out", sam)):
        file = tmp_path / f"{name}.safetensors"
        save_model(one, file)
        contents.append(file.read_bytes())
    assert contents[0] == contents[1]
    assert layouts(load_model(tmp_path / "laid_out.safetensors")) == {False}


def test_models_on_a_cpu_stay_as_they_are() -> None:
    assert layouts(tiny.model(tiny.LIGHT).to("cpu", torch.bfloat16)) == {False}
    kept = tiny.model(tiny.LIGHT).to(memory_format=torch.channels_last)
    assert layouts(kept.float()) == {True}
