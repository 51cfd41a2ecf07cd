"""Convolutions in one pass are the convolution, its padding and its activation one after the other."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from samhq.model.convolution import convolve, convolved, convolves_in_one_pass
from samhq.model.linear import has_fused

PLAIN = {"none": nn.Identity(), "relu": F.relu, "relu6": F.relu6, "gelu": F.gelu}


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return 3 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@settings(max_examples=60, deadline=None)
@given(
    kernel=st.integers(1, 5),
    stride=st.integers(1, 2),
    padding=st.tuples(st.integers(0, 2), st.integers(0, 3), st.integers(0, 2), st.integers(0, 3)),
    depthwise=st.booleans(),
    then=st.sampled_from(sorted(PLAIN)),
    size=st.tuples(st.integers(1, 2), st.integers(5, 12), st.integers(5, 12)),
    seed=st.integers(0, 99),
)
def test_one_pass_is_one_step_after_the_other(kernel, stride, padding, depthwise, then, size, seed) -> None:
    x, groups = noise(size[0], 6, *size[1:], seed=seed), 6 if depthwise else 1
    weight, bias = noise(6, 6 // groups, kernel, kernel, seed=seed + 1), noise(6, seed=seed + 2)
    expected = PLAIN[then](F.conv2d(F.pad(x, padding), weight, bias, stride, groups=groups))
    settings = {"stride": stride, "padding": padding, "groups": groups, "then": then}
    with torch.no_grad():
        got = convolve(x, weight, bias, **settings)
    torch.testing.assert_close(got, expected, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(convolve(x, weight.requires_grad_(), bias, **settings), expected, atol=1e-4, rtol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("then", sorted(PLAIN))
@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(4, 6, 3, padding=1),
        nn.Conv2d(4, 6, 1, bias=False),
        nn.Conv2d(4, 4, (5, 3), stride=(2, 1), padding=(2, 1), groups=4),
        nn.Conv2d(4, 6, 3, dilation=2, padding=2),
        nn.Conv2d(4, 6, 3, padding="same"),
        nn.Conv2d(4, 6, 3, padding=1, padding_mode="reflect"),
    ],
    ids=str,
)
def test_a_layer_gives_its_own_output(layer: nn.Conv2d, then: str) -> None:
    x = noise(2, 4, 9, 7)
    torch.testing.assert_close(convolved(layer, x, then), PLAIN[then](layer(x)), atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_hooks_and_replaced_layers_are_called() -> None:
    layer, x = nn.Conv2d(4, 6, 1), noise(1, 4, 5, 5)
    plain = layer(x)
    layer.register_forward_hook(lambda module, given, out: out + 1)
    torch.testing.assert_close(convolved(layer, x, "relu6"), F.relu6(plain + 1))
    assert torch.equal(convolved(nn.Identity(), x), x)


@torch.no_grad()
@pytest.mark.skipif(not has_fused(), reason="this PyTorch has no fused convolution")
def test_one_pass_is_for_float32_that_nothing_records() -> None:
    x, weight = noise(1, 4, 5, 5), noise(6, 4, 1, 1)
    assert convolves_in_one_pass(x, weight)
    assert not convolves_in_one_pass(x[:0], weight)
    assert not convolves_in_one_pass(x.bfloat16(), weight.bfloat16())
    with torch.autocast("cpu"):
        assert not convolves_in_one_pass(x, weight)
    with torch.enable_grad():
        assert not convolves_in_one_pass(x, weight)


@torch.no_grad()
@pytest.mark.skipif(not has_fused(), reason="this PyTorch has no fused convolution")
def test_the_result_has_channels_last_so_that_the_next_one_needs_no_other_order() -> None:
    got = convolve(noise(1, 4, 6, 8), noise(6, 4, 3, 3), None, padding=(1, 1, 1, 1))
    assert got.is_contiguous(memory_format=torch.channels_last)
