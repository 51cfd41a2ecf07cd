from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from samhq.model.layers import MLP, LayerNorm2d, MLPBlock, Upscaler, neck, unwindows, windows
from tests import tiny


@torch.no_grad()
def test_layer_norm_2d_is_over_channels_with_biased_variance() -> None:
    norm = LayerNorm2d(5)
    tiny.fill(norm)
    x = 1e-3 * torch.randn(2, 5, 3, 4, generator=torch.Generator().manual_seed(0))
    centred = x - x.mean(1, keepdim=True)
    expected = centred / (centred.square().mean(1, keepdim=True) + 1e-6).sqrt()
    expected = expected * norm.weight[:, None, None] + norm.bias[:, None, None]
    torch.testing.assert_close(norm(x), expected)


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 5), st.integers(1, 2))
def test_windows_come_back(height: int, width: int, size: int, images: int) -> None:
    x = torch.randn(images, height, width, 2)
    parts, padded = windows(x, size)
    assert padded[0] % size == padded[1] % size == 0
    assert len(parts) == images * padded[0] * padded[1] // size**2
    assert parts.square().sum() == pytest.approx(x.square().sum().item(), rel=1e-5)  # padding is zero
    assert torch.equal(unwindows(parts, padded, (height, width)), x)


def test_windows_are_taken_row_by_row() -> None:
    x = torch.arange(16.0).view(1, 4, 4, 1)
    assert windows(x, 2)[0][1].flatten().tolist() == [2, 3, 6, 7]


@torch.no_grad()
def test_mlp_has_relu_between_and_none_at_the_end() -> None:
    mlp = MLP(4, 6, 3, depth=3)
    tiny.fill(mlp)
    x = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
    first, second, third = mlp.layers
    torch.testing.assert_close(mlp(x), third(second(first(x).clamp(min=0)).clamp(min=0)))
    assert (mlp(x) < 0).any()


@torch.no_grad()
def test_mlp_block_uses_the_exact_gelu() -> None:
    block = MLPBlock(4, 6)
    x = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
    hidden = block.lin1(x)
    torch.testing.assert_close(block(x), block.lin2(hidden * 0.5 * (1 + torch.erf(hidden / 2**0.5))))


@pytest.mark.parametrize("last", [None, torch.nn.GELU()])
def test_upscaler_is_four_times_as_large(last: torch.nn.Module | None) -> None:
    module = Upscaler(8, 4, 2, last)
    assert module(torch.zeros(1, 8, 3, 3)).shape == (1, 2, 12, 12)
    assert len(module) == (4 if last is None else 5)


@pytest.mark.parametrize("last", [None, torch.nn.GELU()])
def test_upscaler_is_its_layers_one_after_the_other(last: torch.nn.Module | None) -> None:
    module, x = Upscaler(8, 4, 2, last), torch.randn(2, 8, 3, 5, generator=torch.Generator().manual_seed(0))
    expected = x
    for layer in module:
        expected = layer(expected)
    torch.testing.assert_close(module(x), expected)


def test_neck_has_no_bias_in_its_convolutions() -> None:
    module = neck(8, 4)
    assert module[0].bias is None
    assert module[2].bias is None
    assert module(torch.zeros(1, 8, 3, 3)).shape == (1, 4, 3, 3)
