"""Attention of a frame's features to the memory of an object: maps of earlier frames, and object pointers.

Knows nothing about which memories exist or where they come from.

Source: Ravi et al., SAM 2 (arXiv 2408.00714), section 4 and appendix D.1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import isqrt

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from samhq.model.layers import unrecorded, untouched
from samhq.model.linear import linear
from samhq.model.sam2.positions import rotated, rotation_table, sine_grid
from samhq.model.sam2.weighted_sums import Block, weighted_sums, whole_blocks

#: Most attention logits in memory at a time where softmax needs the maximum of whole rows (16 MB in float32).
LOGIT_BUDGET = 1 << 22


@dataclass(frozen=True)
class Memory:
    """The memory of P objects: `values` [P,M,c] and `positions` [P,M,c] of keys.

    The last `pointers` rows are tokens of object pointers; the others are whole maps, row by row, one after another.
    """

    values: Float[Tensor, "P M c"]
    positions: Float[Tensor, "P M c"]
    pointers: int


class RotaryAttention(nn.Module):
    """One-head attention whose queries and spatial keys are rotated by their positions."""

    def __init__(self, dim: int, kv_dim: int, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout
        self.q_proj = nn.Linear(dim, dim)
        self.k_proj = nn.Linear(kv_dim, dim)
        self.v_proj = nn.Linear(kv_dim, dim)
        self.out_proj = nn.Linear(dim, dim)

    def forward(
        self,
        q: Float[Tensor, "P L C"],
        k: Float[Tensor, "P M c"],
        v: Float[Tensor, "P M c"],
        table: Float[Tensor, "L d 2"],
        unplaced: int = 0,
    ) -> Float[Tensor, "P L C"]:
        """Attended values. The last `unplaced` keys have no position; the others are maps of L keys each."""
        queries = rotated(linear(self.q_proj, q), table)
        if unrecorded(q) and q.device.type == "cpu":  # Elsewhere PyTorch's fused attention is faster.
            return self.out_proj(self.v_proj(self._weighted(queries * queries.shape[2] ** -0.5, k, v, table, unplaced)))
        dropout = self.dropout if self.training else 0.0
        # With an axis for the head, because fused kernels take four axes only.
        heads = queries[:, None], self._keys(k, table, unplaced)[:, None], self.v_proj(v)[:, None]
        return self.out_proj(F.scaled_dot_product_attention(*heads, dropout_p=dropout)[:, 0])

    def _keys(self, k: Float[Tensor, "P M c"], table: Float[Tensor, "L d 2"], unplaced: int) -> Float[Tensor, "P M C"]:
        """The projected keys; those with a position are rotated."""
        keys, placed = self.k_proj(k), k.shape[1] - unplaced
        maps = rotated(keys[:, :placed].unflatten(1, (-1, table.shape[0])), table).flatten(1, 2)
        return torch.cat([maps, keys[:, placed:]], dim=1) if unplaced else maps

    def _weighted(
        self,
        queries: Float[Tensor, "P L C"],
        k: Float[Tensor, "P M c"],
        v: Float[Tensor, "P M c"],
        table: Float[Tensor, "L d 2"],
        unplaced: int,
    ) -> Float[Tensor, "P L c"]:
        """The attended values before their projection.

        Weights add up to 1, so values may be projected after the sum: memories have a quarter of the channels.
        """
        if queries.dtype == torch.float32:
            blocks = (list(self._blocks(k[p], v[p], table, unplaced)) for p in range(len(k)))
            found = [weighted_sums(*pair) for pair in zip(queries, blocks, strict=True)]
            if all(sums is not None for sums in found):
                return torch.stack([sums for sums in found if sums is not None])
        return _in_pieces(queries, self._keys(k, table, unplaced), v)

    def _blocks(
        self, k: Float[Tensor, "M c"], v: Float[Tensor, "M c"], table: Float[Tensor, "L d 2"], unplaced: int
    ) -> Iterator[Block]:
        """The keys of one object: row by row if that is less work, else as they come."""
        placed = len(k) - unplaced
        if self._rows_pay(placed, len(table)) and untouched(self.k_proj, nn.Linear):
            yield from self._rows(k[:placed], v[:placed], table)
            if unplaced:
                yield Block(self.k_proj(k[placed:]), v[placed:])
        else:
            yield from whole_blocks(self._keys(k[None], table, unplaced)[0], v)

    def _rows_pay(self, placed: int, cells: int) -> bool:
        """Whether `_rows` takes fewer multiplications; only for square grids of this many cells."""
        half, channels, side = self.k_proj.out_features // 2, self.k_proj.in_features + 1, isqrt(cells)
        return side * side == cells and placed * (half - channels) > side * channels * half

    def _rows(self, k: Float[Tensor, "M c"], v: Float[Tensor, "M c"], table: Float[Tensor, "L d 2"]) -> Iterator[Block]:
        """The keys of all maps, one row of the grid after another, with fewer channels than projected keys have.

        The second half of a projected key's channels is rotated by an angle that all keys of a row share. So its
        product with a query equals the product of the unprojected key with the query's second half, mapped by the
        transposed rotation and projection: once for each row, to a few channels, and one for the bias.
        """
        side, half = isqrt(len(table)), self.k_proj.out_features // 2
        columns, rows = torch.split(table.view(side, side, half, 2), half // 2, dim=2)
        weight, bias = self.k_proj.weight, self.k_proj.bias
        mapped = torch.cat([weight[half:].mT, bias[None, half:]])[:, None].expand(-1, side, -1)
        turns = rotated(mapped, rows[:, 0]).transpose(0, 1)
        keys, values = (x.view(-1, side, side, x.shape[1]).transpose(0, 1) for x in (k, v))
        turned = rotated(F.linear(keys, weight[:half], bias[:half]), columns[0])
        wide = torch.cat([turned, keys, keys.new_ones(*keys.shape[:3], 1)], dim=3)
        yield from map(Block, wide.flatten(1, 2), values.flatten(1, 2), turns)


def _in_pieces(q: Float[Tensor, "P L C"], k: Float[Tensor, "P M C"], v: Float[Tensor, "P M c"]) -> Tensor:
    """Attention of scaled queries, some at a time."""
    out = v.new_empty(*q.shape[:2], v.shape[2])
    step = max(1, LOGIT_BUDGET // k.shape[1])
    for p in range(q.shape[0]):
        for start in range(0, q.shape[1], step):
            rows = slice(start, start + step)
            out[p, rows] = (q[p, rows] @ k[p].mT).softmax(-1) @ v[p]
    return out


class MemoryAttentionLayer(nn.Module):
    """Self-attention of the frame, attention to memory, and MLP, each with a norm before and a residual."""

    def __init__(self, dim: int, memory_dim: int, mlp_dim: int, dropout: float) -> None:
        super().__init__()
        self.self_attn = RotaryAttention(dim, dim, dropout)
        self.cross_attn_image = RotaryAttention(dim, memory_dim, dropout)
        self.linear1 = nn.Linear(dim, mlp_dim)
        self.linear2 = nn.Linear(mlp_dim, dim)
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(dim) for _ in range(3))
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, x: Float[Tensor, "P L C"], memory: Memory, table: Float[Tensor, "L d 2"]
    ) -> Float[Tensor, "P L C"]:
        """The frame's tokens after attention to the memory."""
        normed = self.norm1(x)
        x = x + self.dropout(self.self_attn(normed, normed, normed, table))
        keys = memory.values + memory.positions
        recalled = self.cross_attn_image(self.norm2(x), keys, memory.values, table, memory.pointers)
        x = x + self.dropout(recalled)
        return x + self.dropout(linear(self.linear2, self.dropout(linear(self.linear1, self.norm3(x), "relu"))))


class MemoryAttention(nn.Module):
    """Features of a frame, one set for each object, conditioned on the memory of the object."""

    def __init__(self, *, dim: int, memory_dim: int, depth: int, mlp_dim: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(MemoryAttentionLayer(dim, memory_dim, mlp_dim, dropout) for _ in range(depth))
        self.norm = nn.LayerNorm(dim)

    def forward(self, features: Float[Tensor, "P C g g"], memory: Memory) -> Float[Tensor, "P C g g"]:
        """The conditioned features. A tenth of the position sines is added to the input."""
        _, channels, height, width = features.shape
        places = sine_grid(channels, height, width, features.device).to(features.dtype)
        x = (features + 0.1 * places).flatten(2).mT
        table = rotation_table(channels, height, width, features.device)
        for layer in self.layers:
            x = layer(x, memory, table)
        return self.norm(x).mT.unflatten(2, (height, width))
