from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from samhq.model.layers import LayerNorm2d, Upscaler, neck, unwindows, windows
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


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 5), st.integers(1, 2), st.booleans())
def test_windows_made_in_one_pass_equal_recorded_ones(
    height: int, width: int, size: int, images: int, filled: bool
) -> None:
    x, fill = torch.randn(images, height, width, 3), torch.randn(3) if filled else None
    recorded, padded = windows(x, size, fill)
    with torch.no_grad():
        parts, same = windows(x, size, fill)
    assert same == padded
    assert torch.equal(parts, recorded)


def test_windows_are_taken_row_by_row() -> None:
    x = torch.arange(16.0).view(1, 4, 4, 1)
    assert windows(x, 2)[0][1].flatten().tolist() == [2, 3, 6, 7]


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
