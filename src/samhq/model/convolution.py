"""Convolutions whose bias and activation are part of one pass where a CPU's library can do so.

PyTorch's own convolution on a CPU brings the map into oneDNN's order and back at every call, and padding and activation
each read and write the whole map once more. With channels last in memory oneDNN needs no other order, and it applies
the activation while a piece of the output is in the cache. Knows nothing about what the maps mean.

Source: PyTorch's `mkldnn::_convolution_pointwise`, which its own compiler uses; oneDNN's post-ops.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from samhq.device import autocasts
from samhq.model.layers import unrecorded, untouched
from samhq.model.linear import POST_OPS, Activation, activated, has_fused


def convolved(layer: nn.Module, x: Float[Tensor, "B c h w"], then: Activation = "none") -> Float[Tensor, "B C H W"]:
    """The output of a convolution after an activation. A layer that is not plain or has hooks is called."""
    if untouched(layer, nn.Conv2d) and layer.padding_mode == "zeros" and convolves_in_one_pass(x, layer.weight):
        padding = layer.padding
        if not isinstance(padding, str):
            steps = list(padding), list(layer.stride), list(layer.dilation)
            return _in_one_pass(x, layer.weight, layer.bias, steps, layer.groups, then)
    return activated(layer(x), then)


def convolve(
    x: Float[Tensor, "B c h w"],
    weight: Float[Tensor, "C d k k"],
    bias: Float[Tensor, " C"] | None,
    *,
    stride: int = 1,
    padding: tuple[int, int, int, int] = (0, 0, 0, 0),
    groups: int = 1,
    then: Activation = "none",
) -> Float[Tensor, "B C H W"]:
    """The map after a convolution and an activation. `padding` is zeros on the left, on the right, above and below.

    In one pass, with channels last in memory, where that is faster and operations are not recorded.
    """
    left, right, above, below = padding
    if right < left or below < above or not convolves_in_one_pass(x, weight):
        if (left, above) != (right, below):
            x, left, above = F.pad(x, padding), 0, 0
        return activated(F.conv2d(x, weight, bias, stride, (above, left), groups=groups), then)
    if (left, above) != (right, below):
        # Zeros before the kernel's first column and row: the pass pads both sides alike, and these taps change nothing.
        weight = F.pad(weight, (right - left, 0, below - above, 0))
    return _in_one_pass(x, weight, bias, ([below, right], [stride] * 2, [1, 1]), groups, then)


def convolves_in_one_pass(x: Tensor, weight: Tensor) -> bool:
    """Whether `convolve` is one pass."""
    plain = x.dtype == weight.dtype == torch.float32 and x.numel() > 0
    return plain and unrecorded(x) and has_fused() and not autocasts(x.device)


def _in_one_pass(
    x: Tensor, weight: Tensor, bias: Tensor | None, steps: tuple[list[int], ...], groups: int, then: Activation
) -> Tensor:
    """The map after a convolution and an activation; `steps` are padding, stride and dilation."""
    x = x.contiguous(memory_format=torch.channels_last)
    return torch.ops.mkldnn._convolution_pointwise(x, weight, bias, *steps, groups, *POST_OPS[then])
