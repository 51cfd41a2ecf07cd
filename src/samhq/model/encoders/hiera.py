"""Hiera, the encoder of SAM 2 and HQ-SAM 2: a vision transformer whose four stages halve the resolution.

Most blocks attend inside windows, a few over the whole grid; the first block of a stage pools its queries. It has no
relative positions and no class token. Knows nothing about prompts. `recognise` reads the encoder's numbers from its
tensors' shapes.

Source: Ryali et al., Hiera (arXiv 2306.00989); Ravi et al., SAM 2 (arXiv 2408.00714), section 4 and appendix D.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from samhq.config import HIERA_B, HIERA_L, HIERA_S, HIERA_T, MAP_NORM_EPS
from samhq.encoder_config import HieraConfig
from samhq.errors import CheckpointError
from samhq.model.encoders.tensor_shapes import Recognised, TensorShapes
from samhq.model.layers import unrecorded, untouched, unwindows, windows
from samhq.model.linear import MLP, linear
from samhq.model.sam2.neck import FpnNeck
from samhq.types import Encoded

#: Values of windows that go through a block together on a CPU (4 MB in float32).
PIECE = 1 << 20
_PUBLISHED = (HIERA_T, HIERA_S, HIERA_B, HIERA_L)


def max_pooled(x: Float[Tensor, "B H W C"]) -> Float[Tensor, "B h w C"]:
    """The largest value of each square of two by two cells.

    >>> max_pooled(torch.arange(8.0).view(1, 2, 4, 1)).flatten().tolist()
    [5.0, 7.0]
    """
    height, width = x.shape[1] // 2 * 2, x.shape[2] // 2 * 2
    rows = torch.maximum(x[:, 0:height:2], x[:, 1:height:2])
    return torch.maximum(rows[:, :, 0:width:2], rows[:, :, 1:width:2])


def bicubic(count: int, out: int, like: Tensor) -> Float[Tensor, "out count"]:
    """The weights with which bicubic interpolation computes each of `out` values from `count` values.

    Enlarging a map by products with them takes a tenth of the time of enlarging it as a picture.

    >>> bicubic(2, 2, torch.ones(1)).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    one_each = torch.eye(count, device=like.device)[None, :, :, None]
    return F.interpolate(one_each, (out, 1), mode="bicubic", align_corners=False)[0, :, :, 0].T.to(like.dtype)


class HieraAttention(nn.Module):
    """Multi-head self-attention over a grid or over its windows; `pool` halves the grid of the queries."""

    def __init__(self, dim: int, out: int, heads: int, *, pool: bool) -> None:
        super().__init__()
        self.heads, self.pool = heads, pool
        self.qkv = nn.Linear(dim, 3 * out)
        self.proj = nn.Linear(out, out)

    def forward(self, x: Float[Tensor, "B H W C"], window: int = 0) -> Float[Tensor, "B h w D"]:
        """The attended grid; the caller adds the residual.

        Windows are padded with zeros. All zeros have the same projection, so only real cells are projected. A
        projection that was replaced or has hooks gets whole windows.
        """
        height, width = x.shape[1:3]
        if not window:
            return linear(self.proj, self.attended(linear(self.qkv, x)))
        if untouched(self.qkv, nn.Linear):
            parts, padded = windows(linear(self.qkv, x), window, self.qkv(x.new_zeros(x.shape[3])))
        else:
            cells, padded = windows(x, window)
            parts = self.qkv(cells)
        out = self.attended(parts)
        if self.pool:
            padded, height, width = (padded[0] // 2, padded[1] // 2), height // 2, width // 2
        return linear(self.proj, unwindows(out, padded, (height, width)))

    def attended(self, qkv: Float[Tensor, "B H W D"]) -> Float[Tensor, "B h w C"]:
        """The attended values of projected grids, heads side by side."""
        q, k, v = qkv.chunk(3, dim=-1)
        if self.pool:
            q = max_pooled(q)
        out = F.scaled_dot_product_attention(self.heads_of(q), self.heads_of(k), self.heads_of(v))
        return out.transpose(1, 2).reshape(q.shape)

    def heads_of(self, x: Float[Tensor, "B h w C"]) -> Float[Tensor, "B n L c"]:
        """A grid's vectors, head by head."""
        return x.reshape(x.shape[0], -1, self.heads, x.shape[3] // self.heads).transpose(1, 2)


class HieraBlock(nn.Module):
    """A transformer block; `window` 0 attends over the whole grid, `pool` halves the grid."""

    def __init__(self, dim: int, out: int, heads: int, window: int, mlp_ratio: int, *, pool: bool) -> None:
        super().__init__()
        self.window, self.pool = window, pool
        self.norm1 = nn.LayerNorm(dim, eps=MAP_NORM_EPS)
        self.attn = HieraAttention(dim, out, heads, pool=pool)
        self.norm2 = nn.LayerNorm(out, eps=MAP_NORM_EPS)
        self.mlp = MLP(out, mlp_ratio * out, out, 2, act="gelu")
        self.proj = nn.Linear(dim, out) if dim != out else None

    def forward(self, x: Float[Tensor, "B H W C"]) -> Float[Tensor, "B h w D"]:
        """The next grid. If the width changes, the residual is the projected, normalised input, pooled."""
        normed = self.norm1(x)
        if self.proj is not None:
            x = linear(self.proj, normed)
        if self.pool:
            x = max_pooled(x)
        x = x + self.attn(normed, self.window)
        return x + self.mlp(self.norm2(x))


@dataclass(frozen=True)
class Cells:
    """A grid's cells, row by row or window by window. Blocks with windows of one size need no sorting between them.

    `values` is [B,H,W,C] if `size` is 0. Otherwise it is [b,size,size,C]: the windows of grids of `hw` cells. Attention
    does not depend on the order of cells, so a block over the whole grid takes either.
    """

    values: Float[Tensor, "B H W C"]
    size: int = 0
    hw: tuple[int, int] = (0, 0)

    def grid(self) -> Float[Tensor, "B H W C"]:
        """The cells row by row."""
        return unwindows(self.values, self.hw, self.hw) if self.size else self.values

    def by_window(self, size: int) -> Cells:
        """The cells window by window, for windows that need no padding."""
        if self.size == size:
            return self
        grid = self.grid()
        return Cells(windows(grid, size)[0], size, (grid.shape[1], grid.shape[2]))

    def through(self, block: nn.Module) -> Cells:
        """The cells after a block."""
        size, pool = getattr(block, "window", 0), getattr(block, "pool", True)
        height, width = self.hw if self.size else (self.values.shape[1], self.values.shape[2])
        if size and not (height % size or width % size or (pool and size % 2)):
            inner = self.by_window(size)
            hw = (height // 2, width // 2) if pool else (height, width)
            return Cells(by_pieces(block, inner.values), size // 2 if pool else size, hw)
        if self.size and not size and not pool:
            whole = block(self.values.view(-1, height, width, self.values.shape[3]))
            return Cells(whole.view(self.values.shape), self.size, self.hw)
        return Cells(block(self.grid()))


def by_pieces(block: nn.Module, x: Float[Tensor, "b size size C"]) -> Float[Tensor, "b s s D"]:
    """A block's output for windows, a few at a time: its inner tensors are many times as large as its input.

    If operations are recorded or the block has hooks, all windows are computed together.
    """
    windows_at_once = max(1, PIECE // x[0].numel())
    if windows_at_once >= len(x) or not (untouched(block, HieraBlock) and unrecorded(x)):
        return block(x)
    return torch.cat([block(piece) for piece in torch.split(x, windows_at_once)])


class HieraPatchEmbed(nn.Module):
    """One vector for each square of four by four pixels, computed from seven by seven."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, dim, kernel_size=7, stride=4, padding=3)

    def forward(self, x: Float[Tensor, "B 3 S S"]) -> Float[Tensor, "B h w C"]:
        """Patch vectors, channels last."""
        return self.proj(x).permute(0, 2, 3, 1)


class Hiera(nn.Module):
    """Normalised pixels [B,3,S,S] to the four stages' outputs [B,C,h,w], at strides 4, 8, 16 and 32."""

    def __init__(
        self,
        *,
        dim: int,
        heads: int,
        depths: Sequence[int],
        windows: Sequence[int],
        global_blocks: Sequence[int],
        background: int,
        window_positions: int,
        mlp_ratio: int,
    ) -> None:
        super().__init__()
        self.patch_embed = HieraPatchEmbed(dim)
        self.pos_embed = nn.Parameter(torch.zeros(1, dim, background, background))
        self.pos_embed_window = nn.Parameter(torch.zeros(1, dim, window_positions, window_positions))
        self.blocks, self.ends = nn.ModuleList(), []
        for stage, depth in enumerate(depths):
            out = dim * 2**stage
            for i in range(depth):
                pool = stage > 0 and i == 0
                # The first block of a stage still uses the grid and the windows of the stage before.
                window = windows[stage - 1] if pool else windows[stage]
                window = 0 if len(self.blocks) in global_blocks else window
                self.blocks.append(
                    HieraBlock(out // 2 if pool else out, out, heads * 2**stage, window, mlp_ratio, pool=pool)
                )
            self.ends.append(len(self.blocks) - 1)

    def positions(self, height: int, width: int) -> Float[Tensor, "1 h w C"]:
        """The positions to add to patches: the enlarged background plus one window, repeated."""
        grid, tile = self.pos_embed[0], self.pos_embed_window[0]
        rows, columns = bicubic(grid.shape[1], height, grid), bicubic(grid.shape[2], width, grid)
        size, channels = tile.shape[1], len(tile)
        background = (rows @ grid @ columns.T).view(channels, height // size, size, width // size, size)
        return (background + tile[:, None, :, None]).view(1, channels, height, width).permute(0, 2, 3, 1)

    def forward(self, pixels: Float[Tensor, "B 3 S S"]) -> list[Tensor]:
        """The stages' outputs, finest first."""
        x = self.patch_embed(pixels)
        cells = Cells(x + self.positions(*x.shape[1:3]))
        stages = []
        for number, block in enumerate(self.blocks):
            cells = cells.through(block)
            if number in self.ends:
                stages.append(cells.grid().permute(0, 3, 1, 2))
        return stages


class ImageEncoderHiera(nn.Module):
    """Normalised pixels [B,3,S,S] to features at stride 16, and the two finer maps of the neck."""

    def __init__(self, *, side: int, out: int, dim: int, **rest: Any) -> None:
        super().__init__()
        self.side = side
        self.trunk = Hiera(dim=dim, **rest)
        self.neck = FpnNeck([dim * 2**stage for stage in range(4)], out)

    def forward(self, pixels: Float[Tensor, "B 3 S S"]) -> Encoded:
        """Features [B,C,g,g], and as levels the maps [B,4g,4g,C] and [B,2g,2g,C]."""
        finest, finer, features = self.neck(self.trunk(pixels))
        return Encoded(features, (finest.permute(0, 2, 3, 1), finer.permute(0, 2, 3, 1)))


def keywords(row: HieraConfig) -> Mapping[str, Any]:
    """The encoder's arguments for a row; `patch` follows from the trunk's strides."""
    return {name: value for name, value in vars(row).items() if name != "patch"}


def recognise(shapes: TensorShapes, declared: Mapping[str, object]) -> Recognised:
    """The row for a Hiera with these tensors; heads, windows and global blocks do not show in them.

    Raises:
        CheckpointError: a tensor is missing, or the shapes do not fit a Hiera of four stages.
    """
    del declared
    at = "image_encoder.trunk"
    dim = shapes(f"{at}.patch_embed.proj.weight", 4)[0]
    blocks = shapes.count(f"{at}.blocks.")
    starts = [i for i in range(blocks) if f"{at}.blocks.{i}.proj.weight" in shapes.keys]
    if len(starts) != 3:
        raise CheckpointError(f"Expected three blocks that halve the grid, got {starts}. Load a Hiera of four stages.")
    depths = tuple(end - start for start, end in pairwise([0, *starts, blocks]))
    hidden = shapes(f"{at}.blocks.0.mlp.layers.0.weight", 2)[0]
    published = next((row for row in _PUBLISHED if (row.dim, row.depths) == (dim, depths)), None)
    like = published or HieraConfig(depths=depths, global_blocks=())
    encoder = replace(
        like,
        dim=dim,
        background=shapes(f"{at}.pos_embed", 4)[3],
        window_positions=shapes(f"{at}.pos_embed_window", 4)[3],
        mlp_ratio=hidden // dim,
    )
    return Recognised(
        encoder, None, ("side", "encoder.heads", "encoder.windows", "encoder.global_blocks", "encoder.patch")
    )
