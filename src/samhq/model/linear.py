"""Linear layers and stacks of them. Bias and activation are part of the matrix product where a CPU's library can do so.

`nn.Linear` on a CPU first copies its bias into every row of the output, then adds the product, and an activation reads
and writes all of it once more. oneDNN, which PyTorch carries, does everything while a piece of the output is in the
cache. Knows nothing about what the layers mean.

Source: PyTorch's `mkldnn::_linear_pointwise`, which its own compiler uses; oneDNN's post-ops.
"""

from __future__ import annotations

import platform
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from samhq.device import autocasts
from samhq.model.layers import unrecorded, untouched

Activation = Literal["none", "gelu", "relu", "relu6"]
#: For each activation oneDNN's name, numbers and algorithm.
POST_OPS: dict[Activation, tuple[str, list[float], str]] = {
    "none": ("none", [], "none"),
    "gelu": ("gelu", [], "none"),
    "relu": ("relu", [], "none"),
    "relu6": ("hardtanh", [0.0, 6.0], "none"),
}

_ACTIVATIONS: dict[Activation, Callable[[Tensor], Tensor]] = {
    "none": lambda x: x,
    "gelu": F.gelu,
    "relu": F.relu,
    "relu6": F.relu6,
}

#: The fused product pays with at least so many rows and at most so many inputs: with fewer rows sorting the weights
#: costs more than the copy of the bias, and with more inputs the copy is a small part of the time.
_FEWEST_ROWS, _MOST_INPUTS = 512, 512


@cache
def has_fused() -> bool:
    """Whether this PyTorch has the fused products, on a processor of the kind on which they were measured."""
    available = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    measured = platform.machine().lower() in ("x86_64", "amd64")
    names = ("_linear_pointwise", "_convolution_pointwise")
    return bool(available) and measured and all(hasattr(torch.ops.mkldnn, name) for name in names)


def linear(layer: nn.Module, x: Float[Tensor, "*B C"], then: Activation = "none") -> Float[Tensor, "*B D"]:
    """The layer's output after an activation. A layer that is not plain or has hooks is called."""
    if untouched(layer, nn.Linear):
        return affine(x, layer.weight, layer.bias, then)
    return activated(layer(x), then)


def pointwise(layer: nn.Module, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D H W"]:
    """The output of a 1x1 convolution; from a faster product, if there is one, with channels last in memory."""
    pixels = x.permute(0, 2, 3, 1)
    if untouched(layer, nn.Conv2d) and fuses(pixels, layer.weight):
        return affine(pixels, layer.weight.flatten(1), layer.bias).permute(0, 3, 1, 2)
    return layer(x)


def affine(
    x: Float[Tensor, "*B C"], weight: Float[Tensor, "D C"], bias: Float[Tensor, " D"] | None, then: Activation = "none"
) -> Float[Tensor, "*B D"]:
    """As `F.linear`, then the activation: in one pass where that is faster and operations are not recorded."""
    if fuses(x, weight):
        return torch.ops.mkldnn._linear_pointwise(x, weight, bias, *POST_OPS[then])
    return activated(F.linear(x, weight, bias), then)


def activated(x: Float[Tensor, "*B"], then: Activation) -> Float[Tensor, "*B"]:
    """The activation of each value."""
    return _ACTIVATIONS[then](x)


def fuses(x: Float[Tensor, "*B C"], weight: Tensor) -> bool:
    """Whether `affine` is one pass."""
    if x.shape[-1] > _MOST_INPUTS or x.numel() < _FEWEST_ROWS * x.shape[-1]:
        return False
    return unrecorded(x) and x.dtype == weight.dtype == torch.float32 and has_fused() and not autocasts(x.device)


class MLPBlock(nn.Module):
    """Two linear layers with an activation between: GELU in encoders, ReLU in the decoder's transformer."""

    def __init__(self, dim: int, mlp_dim: int, act: type[nn.Module] = nn.GELU) -> None:
        super().__init__()
        self.lin1 = nn.Linear(dim, mlp_dim)
        self.lin2 = nn.Linear(mlp_dim, dim)
        self.act = act()

    def forward(self, x: Float[Tensor, "*B C"]) -> Float[Tensor, "*B C"]:
        """The transformed tokens; the caller adds the residual."""
        return linear(self.lin2, self.act(linear(self.lin1, x)))


class MLP(nn.Module):
    """`depth` linear layers with `act` between them: the decoder's heads and hypernetworks, and SAM 2's blocks."""

    def __init__(self, dim: int, hidden: int, out: int, depth: int, act: Activation = "relu") -> None:
        super().__init__()
        self.act = act
        widths = [dim] + [hidden] * (depth - 1) + [out]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))

    def forward(self, x: Float[Tensor, "*B C"]) -> Float[Tensor, "*B O"]:
        """The last layer's output, without activation."""
        for layer in self.layers[:-1]:
            x = linear(layer, x, self.act)
        return linear(self.layers[-1], x)
