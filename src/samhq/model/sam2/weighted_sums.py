"""Attention of one head over many keys, computed in blocks that stay in a CPU's cache. Exact up to rounding.

Softmax needs no maximum as long as its sums can be represented: weights are exponentials of logits, and their sums are
checked afterwards. Knows tensors in float32 of one object at a time, nothing about layers or memories.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

#: Most attention logits in memory at a time: 2 MB in float32, about a core's L2 cache.
LOGIT_BUDGET = 1 << 19
#: Keys in a block, if nothing else decides it.
_KEYS = 512
#: Softmax without a maximum is used if its sums of exponentials are between this number and its inverse.
_SMALLEST_SUM = 1e-30


@dataclass(frozen=True)
class Block:
    """Keys [K,D] and values [K,c] that queries attend to.

    Without `turn` the queries have D channels. With it they have D - t + h, and their last h channels are replaced by
    their products with the rows of `turn`.
    """

    keys: Float[Tensor, "K D"]
    values: Float[Tensor, "K c"]
    turn: Float[Tensor, "t h"] | None = None


def whole_blocks(keys: Float[Tensor, "M C"], values: Float[Tensor, "M c"]) -> list[Block]:
    """All keys, some in each block."""
    return [Block(*pair) for pair in zip(torch.split(keys, _KEYS), torch.split(values, _KEYS), strict=True)]


def weighted_sums(queries: Float[Tensor, "L C"], blocks: Iterable[Block]) -> Float[Tensor, "L c"] | None:
    """For each query the values, weighted by the softmax of its products with the keys.

    None if a sum of exponentials is too large or too small for float32.

    >>> keys = torch.tensor([[0.0], [0.0]])
    >>> weighted_sums(torch.ones(1, 1), [Block(keys, torch.tensor([[2.0], [4.0]]))]).tolist()
    [[3.0]]
    """
    blocks = list(blocks)
    step = max(1, LOGIT_BUDGET // max(len(block.keys) for block in blocks))
    found = [_some_sums(some, blocks) for some in torch.split(queries, step)]
    return None if any(some is None for some in found) else torch.cat([some for some in found if some is not None])


def _some_sums(queries: Float[Tensor, "Q C"], blocks: list[Block]) -> Float[Tensor, "Q c"] | None:
    count, most = len(queries), max(len(block.keys) for block in blocks)
    sums, totals = queries.new_zeros(count, blocks[0].values.shape[1]), queries.new_zeros(count)
    turned, scratch = _Turned(queries), queries.new_empty(count * most)
    for block in blocks:
        room = scratch[: count * len(block.keys)].view(count, -1)
        weights = torch.mm(turned.by(block.turn), block.keys.mT, out=room).exp_()
        totals += weights.sum(1)
        sums.addmm_(weights, block.values)
    smallest, largest = totals.aminmax()
    if not (smallest > _SMALLEST_SUM and largest < 1 / _SMALLEST_SUM):
        return None
    return sums.div_(totals[:, None])


class _Turned:
    """Queries for one block after another; channels that do not change are copied once."""

    def __init__(self, queries: Float[Tensor, "Q C"]) -> None:
        self.queries, self.room = queries, queries[:, :0]

    def by(self, turn: Float[Tensor, "t h"] | None) -> Float[Tensor, "Q D"]:
        """The queries for a block with this `turn`."""
        if turn is None:
            return self.queries
        same = self.queries.shape[1] - turn.shape[1]
        if self.room.shape[1] != same + len(turn):
            self.room = torch.cat([self.queries[:, :same], self.queries.new_empty(len(self.queries), len(turn))], 1)
        torch.mm(self.queries[:, same:], turn.mT, out=self.room[:, same:])
        return self.room
