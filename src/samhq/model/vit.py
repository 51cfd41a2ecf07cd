"""The plain vision transformer of SAM, SAM-HQ and SlimSAM: picture square in, embedding grid out.

Most blocks attend inside windows, a few globally; both add decomposed relative positions to the attention
logits. Knows nothing about prompts.

Source: Kirillov et al., Segment Anything (arXiv 2304.02643); Li et al., ViTDet (arXiv 2203.16527).
"""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from samhq.model.layers import MLPBlock, neck, unrecorded, unwindows, windows

#: Attention logits are biased per head: heads are taken together up to this many logits (256 MB in float32), ...
BIAS_BUDGET = 1 << 26
#: ... and where pieces should stay in a CPU's cache, windows, heads or queries up to this many (16 MB).
CACHE_BUDGET = 1 << 22


def relative_table(table: Float[Tensor, "L c"], size: int) -> Float[Tensor, "size size c"]:
    """Row `i - j + size - 1` of the table for query i and key j.

    A table of another length is first interpolated linearly to 2 * size - 1 rows.
    """
    length = 2 * size - 1
    if table.shape[0] != length:
        table = F.interpolate(table.float().T[None], size=length, mode="linear")[0].T.to(table.dtype)
    steps = torch.arange(size, device=table.device)
    return table[steps[:, None] - steps[None, :] + size - 1]


def steps(count: int, size: int) -> list[slice]:
    """Slices of `size`, at least 1, that cover `count`.

    >>> steps(5, 3)
    [slice(0, 3, None), slice(3, 6, None)]
    """
    return [slice(start, start + max(1, size)) for start in range(0, count, max(1, size))]


class Attention(nn.Module):
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

        Windows are padded with zeros, which are all projected to one vector: only real cells are projected.
        """
        qkv = self.qkv(x)
        if not window:
            return self.proj(self.attended(qkv))
        parts, padded = windows(qkv, window, self.qkv(x.new_zeros(x.shape[3])))
        return self.proj(unwindows(self.attended(parts), padded, (x.shape[1], x.shape[2])))

    def attended(self, qkv: Float[Tensor, "B H W D"]) -> Float[Tensor, "B H W C"]:
        """Each head's attended values, side by side, of projected grids."""
        b, h, w, _ = qkv.shape
        q, k, v = qkv.view(b, h * w, 3, self.heads, self.head_dim).permute(2, 0, 3, 1, 4)
        out = self._in_pieces(q, k, v, h, w) if unrecorded(qkv) else self._by_heads(q, k, v, h, w)
        return out.transpose(1, 2).reshape(b, h, w, -1)

    def _by_heads(self, q: Tensor, k: Tensor, v: Tensor, h: int, w: int) -> Float[Tensor, "B n L c"]:
        """Attention with the relative logits of as many heads at once as the budget allows."""
        step = max(1, BIAS_BUDGET // (len(q) * (h * w) ** 2))
        parts = []
        for start in range(0, self.heads, step):
            some = (slice(None), slice(start, start + step))
            bias = self.relative_logits(q[some], h, w)
            parts.append(F.scaled_dot_product_attention(q[some], k[some], v[some], attn_mask=bias))
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)

    def _in_pieces(self, q: Tensor, k: Tensor, v: Tensor, h: int, w: int) -> Float[Tensor, "B n L c"]:
        """The same, piece by piece: some windows, of one window some heads, of one head some queries."""
        length, out = h * w, torch.empty_like(q)
        rows, columns = self.relative_parts(q, h, w)
        queries = steps(length, CACHE_BUDGET // length)
        heads = steps(self.heads, CACHE_BUDGET // length**2)
        for one in itertools.product(steps(len(q), CACHE_BUDGET // (self.heads * length**2)), heads):
            for some in queries:
                piece = (*one, some)
                bias = (rows[piece][..., :, None] + columns[piece][..., None, :]).flatten(3)
                out[piece] = F.scaled_dot_product_attention(q[piece], k[one], v[one], attn_mask=bias)
        return out

    def relative_logits(self, q: Float[Tensor, "B n L c"], h: int, w: int) -> Float[Tensor, "B n L L"]:
        """What relative position adds to each attention logit: a row term plus a column term."""
        rows, columns = self.relative_parts(q, h, w)
        return (rows[..., :, None] + columns[..., None, :]).reshape(*q.shape[:2], h * w, h * w)

    def relative_parts(
        self, q: Float[Tensor, "B n L c"], h: int, w: int
    ) -> tuple[Float[Tensor, "B n L h"], Float[Tensor, "B n L w"]]:
        """What each row of keys, and each column of keys, adds to a query's logits."""
        grid = q.reshape(*q.shape[:2], h, w, -1)
        rows = torch.einsum("bnyxc,ykc->bnyxk", grid, relative_table(self.rel_pos_h, h))
        columns = torch.einsum("bnyxc,xkc->bnyxk", grid, relative_table(self.rel_pos_w, w))
        return rows.flatten(2, 3), columns.flatten(2, 3)


class Block(nn.Module):
    """A transformer block; `window` 0 attends over the whole grid."""

    def __init__(
        self, dim: int, heads: int, head_dim: int, mlp_dim: int, window: int, grid: int, eps: float, qkv_bias: bool
    ) -> None:
        super().__init__()
        self.window = window
        self.norm1 = nn.LayerNorm(dim, eps=eps)
        self.attn = Attention(dim, heads, head_dim, window or grid, qkv_bias)
        self.norm2 = nn.LayerNorm(dim, eps=eps)
        self.mlp = MLPBlock(dim, mlp_dim)

    def forward(self, x: Float[Tensor, "B H W C"]) -> Float[Tensor, "B H W C"]:
        """The next grid. Windows are padded after the norm, so a padded token's input is zero."""
        x = x + self.attn(self.norm1(x), self.window)
        return x + self.mlp(self.norm2(x))


class PatchEmbed(nn.Module):
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
        eps: float,
        qkv_bias: bool,
        out: int,
    ) -> None:
        super().__init__()
        grid = side // patch
        self.side = side
        self.patch_embed = PatchEmbed(dim, patch)
        self.pos_embed = nn.Parameter(torch.zeros(1, grid, grid, dim))
        self.blocks = nn.ModuleList(
            Block(dim, heads, head_dim, mlp_dim, 0 if i in global_blocks else window, grid, eps, qkv_bias)
            for i in range(depth)
        )
        self.neck = neck(dim, out)

    def forward(self, pixels: Float[Tensor, "B 3 S S"]) -> tuple[Float[Tensor, "B C g g"], list[Tensor]]:
        """Features, and the output of every global block in order; HQ decoders read the first."""
        x = self.patch_embed(pixels) + self.pos_embed
        early = []
        for block in self.blocks:
            x = block(x)
            if not block.window:
                early.append(x)
        return self.neck(x.permute(0, 3, 1, 2)), early
