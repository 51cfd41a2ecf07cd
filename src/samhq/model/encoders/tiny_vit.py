"""TinyViT-5M, the encoder of Light HQ-SAM and MobileSAM: picture square in, embedding grid out.

Four stages: convolutions, then three of windowed attention with a learned bias for each absolute offset. The bias is
always read from its parameter; the original caches a copy that can be stale after loading. Knows nothing about prompts.

Source: Wu et al., TinyViT (arXiv 2207.10666); Zhang et al., MobileSAM (arXiv 2306.14289).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from samhq.config import TINY_VIT
from samhq.encoder_config import TinyViTConfig
from samhq.model.convolution import convolve
from samhq.model.encoders.tensor_shapes import Recognised, TensorShapes
from samhq.model.layers import folded, neck, unrecorded, untouched, unwindows, windows
from samhq.model.linear import Activation, activated, affine, linear
from samhq.types import Encoded

#: Most elements of the widest map of a strip of rows, so that strips stay in a CPU's cache (4 MB).
CACHE_BUDGET = 1 << 20


class ConvNorm(nn.Module):
    """A convolution without bias, then batch normalisation."""

    def __init__(self, inp: int, out: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.c = nn.Conv2d(inp, out, kernel, stride, padding=kernel // 2, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(out)

    def forward(
        self, x: Float[Tensor, "B c h w"], then: Activation = "none", *, pad_rows: bool = True
    ) -> Float[Tensor, "B C H W"]:
        """The normalised map after an activation. Without `pad_rows` the caller has added the rows above and below.

        Once its statistics are fixed, normalisation is merged into the convolution. The merged weights are computed at
        each call: they are few, and a stored copy could become stale.
        """
        if self.bn.training or not self.folds:
            return activated(self.bn(self.c(x)), then)
        weight, bias = folded(self.c, self.bn)
        if self.c.kernel_size == (1, 1):
            return affine(x.permute(0, 2, 3, 1), weight[:, :, 0, 0], bias, then).permute(0, 3, 1, 2)
        rows, columns = self.c.kernel_size[0] // 2 if pad_rows else 0, self.c.kernel_size[1] // 2
        padding, stride = (columns, columns, rows, rows), self.c.stride[0]
        return convolve(x, weight, bias, stride=stride, padding=padding, groups=self.c.groups, then=then)

    @property
    def folds(self) -> bool:
        """Whether the two layers are plain and without hooks, so that they may be computed as one."""
        return untouched(self.c, nn.Conv2d) and untouched(self.bn, nn.BatchNorm2d)


class TinyViTPatchEmbed(nn.Module):
    """Two stride-2 convolutions: a quarter of the side."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.seq = nn.Sequential(ConvNorm(3, dim // 2, 3, 2), nn.GELU(), ConvNorm(dim // 2, dim, 3, 2))

    def forward(self, x: Float[Tensor, "B 3 S S"]) -> Float[Tensor, "B C h w"]:
        """The first map."""
        return self.seq(x)


class Bottleneck(nn.Module):
    """1x1, 3x3 (depth-wise or strided) and 1x1 convolution, GELU after the first two."""

    def __init__(self, dim: int, middle: int, out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = ConvNorm(dim, middle)
        self.conv2 = ConvNorm(middle, middle, 3, stride, groups=middle)
        self.conv3 = ConvNorm(middle, out)

    def forward(self, x: Float[Tensor, "B c h w"]) -> Float[Tensor, "B C H W"]:
        """The transformed map: PatchMerging between stages."""
        layers = (self.conv1, self.conv2, self.conv3)
        whole = not all(untouched(layer, ConvNorm) and layer.folds for layer in layers)
        if whole or self.conv1.bn.training or not unrecorded(x):
            return self.end(x, self.conv3(self.conv2(self.conv1(x, "gelu"), "gelu")))
        return self._in_strips(x)

    def end(self, x: Float[Tensor, "B c h w"], y: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """The step after the third convolution."""
        del x
        return y

    def _in_strips(self, x: Float[Tensor, "B c h w"]) -> Float[Tensor, "B C H W"]:
        """The same, some rows at a time, so that the wide maps stay in the cache."""
        height, stride = x.shape[2], self.conv2.c.stride[0]
        step = max(8, CACHE_BUDGET // (x.shape[0] * x.shape[3] * self.conv1.c.out_channels * stride))
        strips = []
        for top in range(0, -(-height // stride), step):
            # Output rows top .. top + step need one more input row above and one below.
            first, last = top * stride - 1, min((top + step - 1) * stride + 2, height + 1)
            wide = self.conv1(x[:, :, max(0, first) : min(last, height)], "gelu")
            if first < 0 or last > height:
                wide = F.pad(wide, (0, 0, int(first < 0), int(last > height)))
            y = self.conv3(self.conv2(wide, "gelu", pad_rows=False))
            strips.append(self.end(x[:, :, top * stride : (top + step) * stride], y))
        return torch.cat(strips, 2)


class MBConv(Bottleneck):
    """An inverted residual: the activation follows the addition."""

    def __init__(self, dim: int, expand: int) -> None:
        super().__init__(dim, expand * dim, dim, 1)

    def end(self, x: Float[Tensor, "B C H W"], y: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """The next map."""
        return F.gelu(x + y)


def offset_index(size: int, device: torch.device) -> Int64[Tensor, "L L"]:
    """The number of the absolute offset (of `size * size`) between each two cells of a window, row by row.

    >>> offset_index(2, torch.device("cpu"))[0].tolist()
    [0, 1, 2, 3]
    """
    steps = torch.arange(size, device=device)
    gap = (steps[:, None] - steps[None, :]).abs()
    return (gap[:, None, :, None] * size + gap[None, :, None, :]).reshape(size * size, size * size)


class TinyViTAttention(nn.Module):
    """Multi-head attention inside a window; the norm comes first, so padding enters as the norm's bias.

    The rows of `qkv` are ordered head by head, [q|k|v] in each, unlike those of the plain ViT.
    """

    def __init__(self, dim: int, heads: int, size: int, eps: float) -> None:
        super().__init__()
        self.heads, self.size = heads, size
        self.norm = nn.LayerNorm(dim, eps=eps)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)
        self.attention_biases = nn.Parameter(torch.zeros(heads, size * size))

    def forward(self, x: Float[Tensor, "B H W C"]) -> Float[Tensor, "B H W C"]:
        """The attended grid; the caller adds the residual.

        The norm turns padding into its bias, so windows are padded with the projection of that one vector, and only
        real cells are projected. A norm or projection that was replaced or has hooks gets whole windows.
        """
        if untouched(self.qkv, nn.Linear) and untouched(self.norm, nn.LayerNorm):
            parts, padded = windows(linear(self.qkv, self.norm(x)), self.size, self.qkv(self.norm.bias))
        else:
            cells, padded = windows(x, self.size)
            parts = self.qkv(self.norm(cells))
        b = len(parts)
        q, k, v = parts.view(b, self.size**2, self.heads, -1).transpose(1, 2).chunk(3, dim=-1)
        bias = self.attention_biases[:, offset_index(self.size, x.device)]
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=bias[None].to(q.dtype)).transpose(1, 2)
        y = y.reshape(b, self.size, self.size, x.shape[3])
        return linear(self.proj, unwindows(y, padded, (x.shape[1], x.shape[2])))


class Mlp(nn.Module):
    """Norm and two linear layers with GELU between them."""

    def __init__(self, dim: int, hidden: int, eps: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim, eps=eps)
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, x: Float[Tensor, "*B C"]) -> Float[Tensor, "*B C"]:
        """The transformed tokens; the caller adds the residual."""
        return linear(self.fc2, linear(self.fc1, self.norm(x), "gelu"))


class TinyViTBlock(nn.Module):
    """Windowed attention, a depth-wise 3x3 convolution (no residual, no activation), an MLP."""

    def __init__(self, dim: int, heads: int, window: int, mlp_ratio: int, eps: float) -> None:
        super().__init__()
        self.attn = TinyViTAttention(dim, heads, window, eps)
        self.mlp = Mlp(dim, mlp_ratio * dim, eps)
        self.local_conv = ConvNorm(dim, dim, 3, groups=dim)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """The next map. Windows are padded before the norm."""
        grid = x.permute(0, 2, 3, 1)
        grid = grid + self.attn(grid)
        grid = self.local_conv(grid.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        return (grid + self.mlp(grid)).permute(0, 3, 1, 2)


class TinyViTStage(nn.Module):
    """Blocks at one resolution, then the down-sampling to the next stage, if any."""

    def __init__(self, blocks: list[nn.Module], downsample: nn.Module | None) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.downsample = downsample

    def forward(self, x: Float[Tensor, "B c h w"]) -> Float[Tensor, "B C H W"]:
        """The next stage's input."""
        for block in self.blocks:
            x = block(x)
        return x if self.downsample is None else self.downsample(x)


class TinyViT(nn.Module):
    """Normalised pixels [B,3,S,S] to features [B,out,g,g] and one early map [B,g,g,dims[2]]."""

    def __init__(
        self,
        *,
        side: int,
        dims: tuple[int, ...],
        depths: tuple[int, ...],
        heads: tuple[int, ...],
        windows: tuple[int, ...],
        strides: tuple[int, ...],
        mlp_ratio: int,
        expand: int,
        classes: int,
        norm_eps: float,
        out: int,
    ) -> None:
        super().__init__()
        self.side = side
        self.patch_embed = TinyViTPatchEmbed(dims[0])
        self.layers = nn.ModuleList()
        for i, dim in enumerate(dims):
            if i == 0:
                blocks: list[nn.Module] = [MBConv(dim, expand) for _ in range(depths[0])]
            else:
                blocks = [TinyViTBlock(dim, heads[i], windows[i], mlp_ratio, norm_eps) for _ in range(depths[i])]
            down = Bottleneck(dim, dims[i + 1], dims[i + 1], strides[i]) if i + 1 < len(dims) else None
            self.layers.append(TinyViTStage(blocks, down))
        # The classifier of the pre-training: in every published file, never used.
        self.norm_head = nn.LayerNorm(dims[-1], eps=norm_eps)
        self.head = nn.Linear(dims[-1], classes)
        self.neck = neck(dims[-1], out)

    def forward(self, pixels: Float[Tensor, "B 3 S S"]) -> Encoded:
        """Features, and the second stage's down-sampled output [B,g,g,dims[2]] as the only level."""
        x = self.layers[1](self.layers[0](self.patch_embed(pixels)))
        early = x.permute(0, 2, 3, 1)
        for stage in self.layers[2:]:
            x = stage(x)
        return Encoded(self.neck(x), (early,))


def keywords(row: TinyViTConfig) -> dict[str, Any]:
    """The arguments of the module: all fields of the row except `patch`, which follows from its stages."""
    return {name: value for name, value in vars(row).items() if name != "patch"}


def recognise(shapes: TensorShapes, declared: Mapping[str, object]) -> Recognised:
    """The row for a TinyViT with these tensors; they do not show the picture's side.

    Raises:
        CheckpointError: a tensor is missing, or the shapes do not fit a TinyViT.
    """
    at = "image_encoder.layers"
    stages = shapes.count(f"{at}.")
    dims = [shapes("image_encoder.patch_embed.seq.2.c.weight", 4)[0]]
    dims += [shapes(f"{at}.{i}.downsample.conv3.c.weight", 4)[0] for i in range(stages - 1)]
    biases = [shapes(f"{at}.{i}.blocks.0.attn.attention_biases", 2) for i in range(1, stages)]
    encoder = TinyViTConfig(
        dims=tuple(dims),
        depths=tuple(shapes.count(f"{at}.{i}.blocks.") for i in range(stages)),
        heads=(_first(declared, "heads"), *(heads for heads, _ in biases)),
        windows=(_first(declared, "windows"), *(round(area**0.5) for _, area in biases)),
        strides=TINY_VIT.strides,
        mlp_ratio=shapes(f"{at}.1.blocks.0.mlp.fc1.weight", 2)[0] // dims[1],
        expand=shapes(f"{at}.0.blocks.0.conv1.c.weight", 4)[0] // dims[0],
        classes=shapes("image_encoder.head.bias", 1, empty=True)[0],
    )
    return Recognised(encoder, None, ("side", "encoder.strides", "encoder.norm_eps", "encoder.patch"))


def _first(declared: Mapping[str, object], name: str) -> int:
    """A value for a TinyViT's first stage, which has no attention and so shows none."""
    default: int = vars(TINY_VIT)[name][0]
    match declared.get(f"encoder.{name}"):
        case [int(stated), *_]:
            return stated
    return default
