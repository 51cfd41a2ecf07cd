"""The plain vision transformer of SAM, SAM-HQ and SlimSAM: picture square in, embedding grid out.

Most blocks attend inside windows, a few globally; both add decomposed relative positions to the attention logits. Knows
nothing about prompts. `recognise` reads the encoder's numbers from its tensors' shapes.

Source: Kirillov et al., Segment Anything (arXiv 2304.02643); Li et al., ViTDet (arXiv 2203.16527).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from samhq.config import SLIM_50, SLIM_77, VIT_B, VIT_H, VIT_L
from samhq.encoder_config import ViTConfig
from samhq.errors import CheckpointError
from samhq.model.encoders.tensor_shapes import Recognised, TensorShapes
from samhq.model.layers import neck, recording, unrecorded, untouched, unwindows, windows
from samhq.model.linear import MLPBlock
from samhq.types import Encoded

#: Attention logits have a bias for each head. Heads with up to this many logits are computed together (256 MB).
BIAS_BUDGET = 1 << 26
#: The same on a GPU: all heads of ViT-H's global attention to one picture (512 MB in bfloat16).
GPU_BIAS_BUDGET = 1 << 28
#: A GPU's fused attention copies a bias unless its rows begin at multiples of so many numbers.
_BIAS_ROWS = 8
#: On a CPU, windows, heads or queries with up to this many logits are computed together, so they fit its cache (16 MB).
CACHE_BUDGET = 1 << 22
_PUBLISHED = (VIT_B, VIT_L, VIT_H, SLIM_50, SLIM_77)


def relative_table(table: Float[Tensor, "L c"], size: int) -> Float[Tensor, "size size c"]:
    """Row `i - j + size - 1` of the table for query i and key j.

    A table of another length is first interpolated linearly to 2 * size - 1 rows.
    """
    length = 2 * size - 1
    if table.shape[0] != length:
        table = F.interpolate(table.float().T[None], size=length, mode="linear")[0].T.to(table.dtype)
    steps = torch.arange(size, device=table.device)
    return table[steps[:, None] - steps[None, :] + size - 1]


def slices(count: int, size: int) -> list[slice]:
    """Slices of length `size`, at least 1, that cover `count`.

    >>> slices(5, 3)
    [slice(0, 3, None), slice(3, 6, None)]
    """
    return [slice(start, start + max(1, size)) for start in range(0, count, max(1, size))]


class ViTAttention(nn.Module):
    """Multi-head self-attention over a grid, with relative positions of rows and columns.

    The relative term uses the queries before they are scaled.
    """

    def __init__(self, dim: int, heads: int, head_dim: int, size: int, qkv_bias: bool = True) -> None:
        super().__init__()
        self.heads, self.head_dim = heads, head_dim
        self.qkv = nn.Linear(dim, 3 * heads * head_dim, bias=qkv_bias)
        self.proj = nn.Linear(heads * head_dim, dim)
        self.rel_pos_h = nn.Parameter(torch.zeros(2 * size - 1, head_dim))
        self.rel_pos_w = nn.Parameter(torch.zeros(2 * size - 1, head_dim))

    def forward(self, x: Float[Tensor, "B H W C"], window: int = 0) -> Float[Tensor, "B H W C"]:
        """The attended grid, or grids of windows; the caller adds the residual.

        Windows are padded with zeros. All zeros have the same projection, so only real cells are projected. A
        projection that was replaced or has hooks gets whole windows.
        """
        if not window:
            return self.proj(self.attended(self.qkv(x)))
        if untouched(self.qkv, nn.Linear):
            parts, padded = windows(self.qkv(x), window, self.qkv(x.new_zeros(x.shape[3])))
        else:
            cells, padded = windows(x, window)
            parts = self.qkv(cells)
        return self.proj(unwindows(self.attended(parts), padded, (x.shape[1], x.shape[2])))

    def attended(self, qkv: Float[Tensor, "B H W D"]) -> Float[Tensor, "B H W C"]:
        """The attended values of projected grids, heads side by side."""
        b, h, w, _ = qkv.shape
        q, k, v = qkv.view(b, h * w, 3, self.heads, self.head_dim).permute(2, 0, 3, 1, 4)
        out = self._in_pieces(q, k, v, h, w) if unrecorded(qkv) else self._by_heads(q, k, v, h, w)
        return out.transpose(1, 2).reshape(b, h, w, -1)

    def _by_heads(self, q: Tensor, k: Tensor, v: Tensor, h: int, w: int) -> Float[Tensor, "B n L c"]:
        """Attention with the relative logits of as many heads at a time as the limit allows."""
        budget = BIAS_BUDGET if q.device.type == "cpu" else GPU_BIAS_BUDGET
        step = max(1, budget // (len(q) * (h * w) ** 2))
        parts = []
        for start in range(0, self.heads, step):
            some_heads = (slice(None), slice(start, start + step))
            bias = self.relative_logits(q[some_heads], h, w)
            parts.append(F.scaled_dot_product_attention(q[some_heads], k[some_heads], v[some_heads], attn_mask=bias))
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)

    def _in_pieces(self, q: Tensor, k: Tensor, v: Tensor, h: int, w: int) -> Float[Tensor, "B n L c"]:
        """The same, piece by piece: some windows, or some heads of one window, or some queries of one head."""
        length, out = h * w, torch.empty_like(q)
        rows, columns = self.relative_parts(q, h, w)
        queries = slices(length, CACHE_BUDGET // length)
        heads = slices(self.heads, CACHE_BUDGET // length**2)
        for window_and_heads in itertools.product(slices(len(q), CACHE_BUDGET // (self.heads * length**2)), heads):
            for some_queries in queries:
                piece = (*window_and_heads, some_queries)
                bias = (rows[piece][..., :, None] + columns[piece][..., None, :]).flatten(3)
                out[piece] = F.scaled_dot_product_attention(
                    q[piece], k[window_and_heads], v[window_and_heads], attn_mask=bias
                )
        return out

    def relative_logits(self, q: Float[Tensor, "B n L c"], h: int, w: int) -> Float[Tensor, "B n L L"]:
        """The part of each attention logit that depends on relative position: a row term plus a column term."""
        rows, columns = self.relative_parts(q, h, w)
        terms, length = (rows[..., :, None], columns[..., None, :]), h * w
        if length % _BIAS_ROWS == 0 or recording():
            return (terms[0] + terms[1]).flatten(3)
        padding = -length % _BIAS_ROWS
        logits = rows.new_empty(*rows.shape[:3], length + padding)[..., :length]
        torch.add(*terms, out=logits.view(*rows.shape[:3], h, w))
        return logits

    def relative_parts(
        self, q: Float[Tensor, "B n L c"], h: int, w: int
    ) -> tuple[Float[Tensor, "B n L h"], Float[Tensor, "B n L w"]]:
        """The row terms and the column terms that keys add to a query's logits."""
        grid = q.reshape(*q.shape[:2], h, w, -1)
        rows = torch.einsum("bnyxc,ykc->bnyxk", grid, relative_table(self.rel_pos_h, h))
        columns = torch.einsum("bnyxc,xkc->bnyxk", grid, relative_table(self.rel_pos_w, w))
        return rows.flatten(2, 3), columns.flatten(2, 3)


class ViTBlock(nn.Module):
    """A transformer block; `window` 0 attends over the whole grid."""

    def __init__(
        self, dim: int, heads: int, head_dim: int, mlp_dim: int, window: int, grid: int, eps: float, qkv_bias: bool
    ) -> None:
        super().__init__()
        self.window = window
        self.norm1 = nn.LayerNorm(dim, eps=eps)
        self.attn = ViTAttention(dim, heads, head_dim, window or grid, qkv_bias)
        self.norm2 = nn.LayerNorm(dim, eps=eps)
        self.mlp = MLPBlock(dim, mlp_dim)

    def forward(self, x: Float[Tensor, "B H W C"]) -> Float[Tensor, "B H W C"]:
        """The next grid. Windows are padded after the norm, so a padded token's input is zero."""
        x = x + self.attn(self.norm1(x), self.window)
        return x + self.mlp(self.norm2(x))


class ViTPatchEmbed(nn.Module):
    """One vector for each square patch of the picture."""

    def __init__(self, dim: int, patch: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, dim, kernel_size=patch, stride=patch)

    def forward(self, x: Float[Tensor, "B 3 S S"]) -> Float[Tensor, "B g g C"]:
        """Patch vectors, channels last."""
        return self.proj(x).permute(0, 2, 3, 1)


class ImageEncoderViT(nn.Module):
    """Normalised pixels [B,3,S,S] to features [B,out,g,g] and the global blocks' outputs [B,g,g,dim]."""

    def __init__(
        self,
        *,
        side: int,
        patch: int,
        dim: int,
        depth: int,
        heads: int,
        head_dim: int,
        mlp_dim: int,
        window: int,
        global_blocks: tuple[int, ...],
        norm_eps: float,
        qkv_bias: bool,
        out: int,
    ) -> None:
        super().__init__()
        grid = side // patch
        self.side = side
        #: Whether the backward pass computes each block again, so that its inner tensors need not be kept.
        self.recompute = False
        self.patch_embed = ViTPatchEmbed(dim, patch)
        self.pos_embed = nn.Parameter(torch.zeros(1, grid, grid, dim))
        self.blocks = nn.ModuleList(
            ViTBlock(dim, heads, head_dim, mlp_dim, 0 if i in global_blocks else window, grid, norm_eps, qkv_bias)
            for i in range(depth)
        )
        self.neck = neck(dim, out)

    def forward(self, pixels: Float[Tensor, "B 3 S S"]) -> Encoded:
        """Features, and the output [B,g,g,dim] of every global block as levels, in order."""
        x = self.patch_embed(pixels) + self.pos_embed
        early = []
        for block in self.blocks:
            recompute = self.recompute and torch.is_grad_enabled()
            x = checkpoint(block, x, use_reentrant=False) if recompute else block(x)
            if not block.window:
                early.append(x)
        return Encoded(self.neck(x.permute(0, 3, 1, 2)), tuple(early))


def recognise(shapes: TensorShapes, declared: Mapping[str, object]) -> Recognised:
    """The row for a ViT with these tensors.

    Raises:
        CheckpointError: a tensor is missing, or the shapes do not fit a ViT.
    """
    del declared
    dim, _, patch, _ = shapes("image_encoder.patch_embed.proj.weight", 4)
    _, grid, other, _ = shapes("image_encoder.pos_embed", 4)
    if grid != other:
        raise CheckpointError(f"Expected a square pos_embed, got {grid} by {other}. Load a model of square pictures.")
    depth = shapes.count("image_encoder.blocks.")
    table, head_dim = zip(*(shapes(f"image_encoder.blocks.{i}.attn.rel_pos_h", 2) for i in range(depth)), strict=True)
    window, blocks, undecided = _windows(table, grid, dim)
    qkv = shapes("image_encoder.blocks.0.attn.qkv.weight", 2)[0]
    if qkv % (3 * head_dim[0]):
        raise CheckpointError(
            f"Expected qkv rows to be a multiple of 3 * {head_dim[0]}, got {qkv}. Load a complete file."
        )
    encoder = ViTConfig(
        dim=dim,
        depth=depth,
        heads=qkv // (3 * head_dim[0]),
        global_blocks=blocks,
        mlp_dim=shapes("image_encoder.blocks.0.mlp.lin1.weight", 2)[0],
        head_dim=head_dim[0],
        window=window,
        patch=patch,
        qkv_bias="image_encoder.blocks.0.attn.qkv.bias" in shapes.keys,
    )
    return Recognised(encoder, grid * patch, ("encoder.norm_eps", *undecided))


def _windows(tables: tuple[int, ...], grid: int, dim: int) -> tuple[int, tuple[int, ...], tuple[str, ...]]:
    """Window, global blocks, and undecided fields, from the lengths 2·window-1 or 2·grid-1 of the tables."""
    blocks = tuple(i for i, length in enumerate(tables) if length == 2 * grid - 1)
    windowed = {length for length in tables if length != 2 * grid - 1}
    if len(windowed) > 1 or not blocks or any(length % 2 == 0 for length in windowed):
        raise CheckpointError(
            f"Expected relative positions for one window and for the grid of {grid}, got tables of length "
            f"{sorted(set(tables))}. Load a model whose positions were not resized."
        )
    if windowed:
        return (windowed.pop() + 1) // 2, blocks, ()
    # The tables cannot show a window as large as the grid: take it from a published model of this width and depth.
    same = [row for row in _PUBLISHED if (row.dim, row.depth, row.window) == (dim, len(tables), grid)]
    open_fields = ("encoder.window", "encoder.global_blocks")
    return (grid, same[0].global_blocks, open_fields) if same else (grid, blocks, open_fields)
