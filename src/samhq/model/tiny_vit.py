"""TinyViT-5M, the encoder of Light HQ-SAM and MobileSAM: picture square in, embedding grid out.

Four stages: convolutions, then three of windowed attention with a learned bias for each absolute offset. The
bias is always read from its parameter; the original caches a copy that can be stale after loading.
Knows nothing about prompts.

Source: Wu et al., TinyViT (arXiv 2207.10666); Zhang et al., MobileSAM (arXiv 2306.14289).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from samhq.model.layers import neck, unwindows, windows


class ConvNorm(nn.Module):
    """A convolution without bias, then batch normalisation."""

    def __init__(self, inp: int, out: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.c = nn.Conv2d(inp, out, kernel, stride, padding=kernel // 2, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(out)

    def forward(self, x: Float[Tensor, "B c h w"]) -> Float[Tensor, "B C H W"]:
        """The normalised map."""
        return self.bn(self.c(x))


class PatchEmbed(nn.Module):
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
        return self.conv3(F.gelu(self.conv2(F.gelu(self.conv1(x)))))


class MBConv(Bottleneck):
    """An inverted residual: the activation follows the addition."""

    def __init__(self, dim: int, expand: int) -> None:
        super().__init__(dim, expand * dim, dim, 1)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """The next map."""
        return F.gelu(x + super().forward(x))


def offset_index(size: int, device: torch.device) -> Int64[Tensor, "L L"]:
    """Which of the `size * size` absolute offsets lies between each two cells of a window, row by row.

    >>> offset_index(2, torch.device("cpu"))[0].tolist()
    [0, 1, 2, 3]
    """
    steps = torch.arange(size, device=device)
    gap = (steps[:, None] - steps[None, :]).abs()
    return (gap[:, None, :, None] * size + gap[None, :, None, :]).reshape(size * size, size * size)


class Attention(nn.Module):
    """Multi-head attention inside a window; the norm comes first, so padding enters as the norm's bias.

    The rows of `qkv` are ordered head by head, [q|k|v] in each: unlike the plain ViT's.
    """

    def __init__(self, dim: int, heads: int, size: int, eps: float) -> None:
        super().__init__()
        self.heads, self.size = heads, size
        self.norm = nn.LayerNorm(dim, eps=eps)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)
        self.attention_biases = nn.Parameter(torch.zeros(heads, size * size))

    def forward(self, x: Float[Tensor, "b L C"]) -> Float[Tensor, "b L C"]:
        """The attended windows; the caller adds the residual."""
        b, length, _ = x.shape
        q, k, v = self.qkv(self.norm(x)).view(b, length, self.heads, -1).transpose(1, 2).chunk(3, dim=-1)
        bias = self.attention_biases[:, offset_index(self.size, x.device)]
        x = F.scaled_dot_product_attention(q, k, v, attn_mask=bias[None].to(q.dtype))
        return self.proj(x.transpose(1, 2).reshape(b, length, -1))


class Mlp(nn.Module):
    """Norm, two linear layers, GELU between."""

    def __init__(self, dim: int, hidden: int, eps: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim, eps=eps)
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, x: Float[Tensor, "*B C"]) -> Float[Tensor, "*B C"]:
        """The transformed tokens; the caller adds the residual."""
        return self.fc2(F.gelu(self.fc1(self.norm(x))))


class TinyViTBlock(nn.Module):
    """Windowed attention, a depth-wise 3x3 convolution (no residual, no activation), an MLP."""

    def __init__(self, dim: int, heads: int, window: int, mlp_ratio: int, eps: float) -> None:
        super().__init__()
        self.window = window
        self.attn = Attention(dim, heads, window, eps)
        self.mlp = Mlp(dim, mlp_ratio * dim, eps)
        self.local_conv = ConvNorm(dim, dim, 3, groups=dim)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """The next map. Windows are padded before the norm."""
        grid = x.permute(0, 2, 3, 1)
        hw = (grid.shape[1], grid.shape[2])
        y, padded = windows(grid, self.window)
        y = self.attn(y.flatten(1, 2)).view_as(y)
        grid = grid + unwindows(y, padded, hw)
        grid = self.local_conv(grid.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        return (grid + self.mlp(grid)).permute(0, 3, 1, 2)


class Stage(nn.Module):
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
        eps: float,
        out: int,
    ) -> None:
        super().__init__()
        self.side = side
        self.patch_embed = PatchEmbed(dims[0])
        self.layers = nn.ModuleList()
        for i, dim in enumerate(dims):
            if i == 0:
                blocks: list[nn.Module] = [MBConv(dim, expand) for _ in range(depths[0])]
            else:
                blocks = [TinyViTBlock(dim, heads[i], windows[i], mlp_ratio, eps) for _ in range(depths[i])]
            down = Bottleneck(dim, dims[i + 1], dims[i + 1], strides[i]) if i + 1 < len(dims) else None
            self.layers.append(Stage(blocks, down))
        # The classifier of the pre-training: in every published file, never applied.
        self.norm_head = nn.LayerNorm(dims[-1], eps=eps)
        self.head = nn.Linear(dims[-1], classes)
        self.neck = neck(dims[-1], out)

    def forward(self, pixels: Float[Tensor, "B 3 S S"]) -> tuple[Float[Tensor, "B C g g"], list[Tensor]]:
        """Features, and the second stage's down-sampled output as a list of one."""
        x = self.layers[1](self.layers[0](self.patch_embed(pixels)))
        early = x.permute(0, 2, 3, 1)
        for stage in self.layers[2:]:
            x = stage(x)
        return self.neck(x), [early]
