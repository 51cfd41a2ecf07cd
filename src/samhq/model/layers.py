"""Small layers that several parts of the network share. Knows nothing about prompts or pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeGuard, TypeVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from samhq.config import MAP_NORM_EPS

Kind = TypeVar("Kind", bound=nn.Module)
#: Layers of PyTorch whose output depends on input and weights alone.
_COMPUTING = {nn.Linear, nn.Conv2d, nn.ConvTranspose2d, nn.LayerNorm, nn.GELU, nn.Sequential, nn.Embedding}


def untouched(module: nn.Module, kind: type[Kind]) -> TypeGuard[Kind]:
    """Whether a module is exactly of this class and has no hooks, so that its weights may be used without a call.

    Adapters (LoRA), parametrizations and hooks change the result of a call, so such a module must be called.
    """
    hooks = (module._forward_hooks, module._forward_pre_hooks, module._backward_hooks, module._backward_pre_hooks)
    return type(module) is kind and not any(hooks) and "forward" not in vars(module)


def unwatched(module: nn.Module) -> bool:
    """Whether calling a module only computes: known layers throughout, without hooks, adapters or random numbers."""
    for inner in module.modules():
        known = type(inner) in _COMPUTING or type(inner).__module__.startswith("samhq.model.")
        if not known or not untouched(inner, type(inner)):
            return False
    return True


def folded(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> tuple[Float[Tensor, "C c k k"], Float[Tensor, " C"]]:
    """Weight and bias of one convolution that includes the normalisation, by running statistics, in float32."""
    mean, variance = norm.running_mean, norm.running_var
    assert mean is not None
    assert variance is not None
    scale = norm.weight.float() * (variance.float() + norm.eps).rsqrt()
    weight, bias = convolution.weight * scale[:, None, None, None], norm.bias - mean * scale
    return weight.to(convolution.weight.dtype), bias.to(convolution.weight.dtype)


class LayerNorm2d(nn.LayerNorm):
    """Normalises the channels of every pixel of a map [B,C,H,W] (biased variance)."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=MAP_NORM_EPS)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """The normalised map, channels last in memory."""
        x = F.layer_norm(x.permute(0, 2, 3, 1), self.normalized_shape, self.weight, self.bias, self.eps)
        return x.permute(0, 3, 1, 2)


class Upscaler(nn.Sequential):
    """Enlarges a map four times: two stride-2 transposed convolutions with LayerNorm2d and GELU between.

    A transposed convolution whose stride equals its kernel writes every output pixel once. So it is one matrix product
    of each pixel with the weights of its output pixels.
    """

    def __init__(self, dim: int, middle: int, out: int, last: nn.Module | None = None) -> None:
        layers: list[nn.Module] = [
            nn.ConvTranspose2d(dim, middle, kernel_size=2, stride=2),
            LayerNorm2d(middle),
            nn.GELU(),
            nn.ConvTranspose2d(middle, out, kernel_size=2, stride=2),
        ]
        super().__init__(*layers, *([last] if last else []))

    @property
    def folds(self) -> bool:
        """Whether the layers' numbers may be used without calling the layers."""
        kinds = (nn.ConvTranspose2d, LayerNorm2d, nn.GELU, nn.ConvTranspose2d, nn.GELU)
        return all(map(untouched, self, kinds))

    def forward(self, x: Float[Tensor, "B C h w"], added: Sequence[Tensor] = ()) -> Float[Tensor, "B c H W"]:
        """The enlarged map, channels last in memory.

        `added`, if given, are two maps to add right after the first and the second enlargement: [B,middle,2h,2w] and
        [B,out,4h,4w], or one row for all.
        """
        if not self.folds:
            return self._by_layers(x, added)
        height, width = x.shape[2:]
        return map_of_quarters(self.quarters(x, self.bases(added, height)), height, width)

    def quarters(self, x: Float[Tensor, "B C h w"], bases: Sequence[Tensor] = ()) -> Float[Tensor, "B L c"]:
        """The enlarged map's pixels in the order of enlargement: the 16 pixels of one input pixel are neighbours.

        `bases` are what `bases` returns, with a row for each map or one row for all. Only where the layers `folds`.
        """
        pixels, starts = x.permute(0, 2, 3, 1).flatten(1, 2), iter(bases)
        for layer in self:
            if isinstance(layer, nn.ConvTranspose2d):
                pixels = _quadruple(layer, pixels, next(starts, None))
            elif isinstance(layer, LayerNorm2d):
                pixels = nn.LayerNorm.forward(layer, pixels)
            else:
                pixels = torch.ops.aten.gelu_(pixels) if unrecorded(pixels) else layer(pixels)
        return pixels

    def bases(self, added: Sequence[Tensor], height: int) -> tuple[Float[Tensor, "B L c"], ...]:
        """The maps to add, in the order of enlargement of a map with `height` rows, each with its layer's bias."""
        layers = [layer for layer in self if isinstance(layer, nn.ConvTranspose2d)]
        return tuple(_base(layer, added_map, height) for layer, added_map in zip(layers, added, strict=False))

    def _by_layers(self, x: Float[Tensor, "B C h w"], added: Sequence[Tensor]) -> Float[Tensor, "B c H W"]:
        """The same result by calling each layer."""
        maps = iter(added)
        for place, layer in enumerate(self):
            x = layer(x)
            if place in (0, 3) and (finer := next(maps, None)) is not None:
                x = x + finer
        return x


def _quadruple(
    layer: nn.ConvTranspose2d, pixels: Float[Tensor, "B L C"], base: Float[Tensor, "#B L D"] | None
) -> Float[Tensor, "B M c"]:
    """The four output pixels of each pixel: upper left, upper right, lower left, lower right; one after another."""
    assert layer.bias is not None
    count, weight = pixels.shape[0], layer.weight.permute(0, 2, 3, 1).flatten(1)
    if base is None:
        wide = torch.addmm(layer.bias.repeat(4), pixels.flatten(0, 1), weight)
    else:
        wide = torch.baddbmm(base, pixels, weight.expand(count, -1, -1))
    return wide.view(count, 4 * pixels.shape[1], layer.out_channels)


def _base(layer: nn.ConvTranspose2d, added: Float[Tensor, "B c H W"], height: int) -> Float[Tensor, "B L D"]:
    """The start values of an enlargement: the layer's bias plus a map, 4 pixels of an input pixel side by side."""
    assert layer.bias is not None
    quarters = _by_quarters(added, height) + layer.bias
    return quarters.view(quarters.shape[0], quarters.shape[1] // 4, 4 * layer.out_channels)


def map_of_quarters(pixels: Float[Tensor, "B L c"], height: int, width: int) -> Float[Tensor, "B c H W"]:
    """The map, channels last in memory, whose pixels lie in the order of enlargement of `height` x `width` pixels."""
    # Axes: batch, input row and column, row and column of the quarter, row and column within the quarter, channels.
    parts = pixels.view(pixels.shape[0], height, width, 2, 2, 2, 2, pixels.shape[2]).permute(0, 1, 3, 5, 2, 4, 6, 7)
    return parts.reshape(pixels.shape[0], 4 * height, 4 * width, pixels.shape[2]).permute(0, 3, 1, 2)


def logits_of_quarters(logits: Float[Tensor, "P K L"], height: int, width: int) -> Float[Tensor, "P K H W"]:
    """As `map_of_quarters`, for masks that lie one after another."""
    parts = logits.view(*logits.shape[:2], height, width, 2, 2, 2, 2).permute(0, 1, 2, 4, 6, 3, 5, 7)
    return parts.reshape(*logits.shape[:2], 4 * height, 4 * width)


def _by_quarters(x: Float[Tensor, "B C H W"], height: int) -> Float[Tensor, "B L C"]:
    """Pixels in the order in which enlarging a map of `height` rows makes them: all of one input pixel together."""
    b, c, tall, wide = x.shape
    pixels = x.permute(0, 2, 3, 1)
    if tall == 2 * height:
        return pixels.reshape(b, height, 2, wide // 2, 2, c).transpose(2, 3).reshape(b, tall * wide, c)
    parts = pixels.reshape(b, height, 2, 2, wide // 4, 2, 2, c)
    return parts.permute(0, 1, 4, 2, 5, 3, 6, 7).reshape(b, tall * wide, c)


def neck(dim: int, out: int) -> nn.Sequential:
    """The last stage of encoders: 1x1 and 3x3 convolution to `out` channels, with LayerNorm2d after each."""
    return nn.Sequential(
        nn.Conv2d(dim, out, kernel_size=1, bias=False),
        LayerNorm2d(out),
        nn.Conv2d(out, out, kernel_size=3, padding=1, bias=False),
        LayerNorm2d(out),
    )


def unrecorded(x: Tensor) -> bool:
    """Whether work on a tensor may be split into pieces that stay in a CPU's cache.

    It may not if gradients, an exporter or a compiler record every operation.
    """
    return x.device.type == "cpu" and not recording()


def recording() -> bool:
    """Whether gradients, an exporter or a compiler record every operation."""
    traced = torch.jit.is_tracing() or torch.compiler.is_compiling()  # type: ignore[attr-defined, no-untyped-call]
    return traced or torch.is_grad_enabled()


def windows(
    x: Float[Tensor, "B H W C"], size: int, fill: Float[Tensor, " C"] | None = None
) -> tuple[Float[Tensor, "b size size C"], tuple[int, int]]:
    """Non-overlapping square windows, padded at the bottom and right, and the padded (H, W).

    The padding is zero, or the vector `fill`. It is not masked: it takes part in attention, as in the original
    models.
    """
    b, h, w, c = x.shape
    down, right = -h % size, -w % size
    padded = (h + down, w + right)
    if padded != (h, w) and unrecorded(x):
        return _filled_windows(x, size, 0.0 if fill is None else fill), padded
    if down or right:
        x = F.pad(x, (0, 0, 0, right, 0, down))
    rows, columns = padded[0] // size, padded[1] // size
    parts = x.view(b, rows, size, columns, size, c).transpose(2, 3)
    if fill is not None and right:
        parts[:, :, -1, :, size - right :] = fill
    if fill is not None and down:
        parts[:, -1, :, size - down :] = fill
    return parts.flatten(0, 2).contiguous(), padded


def _filled_windows(
    x: Float[Tensor, "B H W C"], size: int, fill: Float[Tensor, " C"] | float
) -> Float[Tensor, "b size size C"]:
    """Windows with padding. Only the last windows of each row and column are filled first; then each cell is copied."""
    rows, columns = _bands(x.shape[1], size), _bands(x.shape[2], size)
    parts = x.new_empty(x.shape[0], rows[-1].windows.stop, columns[-1].windows.stop, size, size, x.shape[3])
    parts[:, -1], parts[:, :, -1] = fill, fill
    by_row = parts.transpose(2, 3)
    for row in rows:
        for column in columns:
            block = by_row[:, row.windows, : row.size, column.windows, : column.size]
            block.copy_(x[:, row.cells, column.cells].reshape(block.shape))
    return parts.flatten(0, 2)


class _Band(NamedTuple):
    """Equal windows along one axis of a grid: their numbers, the cells they cover, and the cells of each."""

    windows: slice
    cells: slice
    size: int


def _bands(count: int, size: int) -> list[_Band]:
    """The whole windows, and the last one if it is not whole.

    >>> [(band.windows.stop, band.cells.stop, band.size) for band in _bands(5, 2)]
    [(2, 4, 2), (3, 5, 1)]
    """
    whole, remainder = divmod(count, size)
    bands = [_Band(slice(0, whole), slice(0, whole * size), size)] if whole else []
    return [*bands, _Band(slice(whole, whole + 1), slice(whole * size, count), remainder)] if remainder else bands


def unwindows(
    x: Float[Tensor, "b size size C"], padded_hw: tuple[int, int], hw: tuple[int, int]
) -> Float[Tensor, "B H W C"]:
    """The inverse of `windows`, without the padding."""
    size, c = x.shape[1], x.shape[-1]
    rows, columns = padded_hw[0] // size, padded_hw[1] // size
    x = x.view(-1, rows, columns, size, size, c).transpose(2, 3).reshape(-1, *padded_hw, c)
    return x[:, : hw[0], : hw[1]]
