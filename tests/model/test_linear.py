from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from samhq.model.linear import MLP, MLPBlock, activated, affine, fuses, has_fused, linear, pointwise
from tests import tiny

ACTIVATIONS = ["none", "gelu", "relu", "relu6"]


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


def rows(count: int, channels: int = 24) -> torch.Tensor:
    return torch.randn(count, channels, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("then", ACTIVATIONS)
@pytest.mark.parametrize("count", [1, 511, 512, 700])
def test_the_product_is_the_layer_and_its_activation(then: str, count: int) -> None:
    layer, x = torch.nn.Linear(24, 40), rows(count)
    recorded = linear(layer, x, then)
    assert recorded.requires_grad
    plain = {"none": torch.nn.Identity(), "gelu": F.gelu, "relu": F.relu, "relu6": F.relu6}[then]
    torch.testing.assert_close(recorded, plain(layer(x)))
    with torch.no_grad():
        torch.testing.assert_close(linear(layer, x, then), recorded.detach())
        torch.testing.assert_close(affine(x, layer.weight, layer.bias, then), recorded.detach())


@torch.no_grad()
def test_without_a_bias_and_for_rows_that_do_not_lie_together() -> None:
    layer, x = torch.nn.Linear(24, 8, bias=False), rows(1024).view(32, 32, 24).transpose(0, 1)
    torch.testing.assert_close(linear(layer, x, "relu"), layer(x).relu())


@torch.no_grad()
@pytest.mark.skipif(not has_fused(), reason="this PyTorch has no fused product")
def test_fuses_many_rows_of_few_channels_in_float32_alone() -> None:
    weight = torch.zeros(8, 24)
    assert fuses(rows(512), weight)
    assert not fuses(rows(511), weight)
    assert not fuses(rows(512, 513), torch.zeros(8, 513))
    assert not fuses(rows(512).bfloat16(), weight.bfloat16())
    with torch.autocast("cpu"):
        assert not fuses(rows(512), weight)
    with torch.enable_grad():
        assert not fuses(rows(512), weight)


@torch.no_grad()
def test_hooks_and_replaced_layers_are_called() -> None:
    layer, x = torch.nn.Linear(24, 8), rows(600)
    layer.register_forward_hook(lambda module, given, out: out + 1)
    torch.testing.assert_close(linear(layer, x, "relu"), (F.linear(x, layer.weight, layer.bias) + 1).relu())
    assert torch.equal(linear(torch.nn.Identity(), x), x)


@torch.no_grad()
@pytest.mark.parametrize("side", [4, 30])
def test_a_pointwise_convolution_is_the_convolution(side: int) -> None:
    layer = torch.nn.Conv2d(24, 8, 1)
    x = torch.randn(2, 24, side, side, generator=torch.Generator().manual_seed(2))
    expected = layer(x)
    torch.testing.assert_close(pointwise(layer, x), expected)
    torch.testing.assert_close(pointwise(layer, x.to(memory_format=torch.channels_last)), expected)
    layer.register_forward_hook(lambda module, given, out: out + 1)
    torch.testing.assert_close(pointwise(layer, x), expected + 1)


def test_activations() -> None:
    assert activated(torch.tensor([-1.0, 2.0]), "relu").tolist() == [0, 2]
    assert activated(torch.tensor([-1.0, 2.0]), "none").tolist() == [-1, 2]
