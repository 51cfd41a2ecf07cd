"""Finds an object on a frame by features alone: cells of the frame that look like the object's cells on earlier frames.

Works with the features of any model for pictures, without training. Knows nothing about prompts or masks of the model.

Source: label propagation by nearest neighbours as in Jabri et al. (arXiv 2006.14613, section 3.3) and in Caron et al.,
DINO (arXiv 2104.14294, section 4.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from samhq.image.frame import Frame
from samhq.types import ImageEmbedding

CELLS = 64  #: Cells along the longer side of a frame.
NEIGHBOURS = 10  #: Best-matching cells that a cell takes its share from.
_TEMPERATURE = 0.05  #: Of the weights of neighbours by cosine.
_HQ_WEIGHT = 0.7  #: Weight of the HQ map beside the encoder's features.
_AT_ONCE = 1 << 22  #: Cosines in memory at a time (16 MB).


@dataclass(frozen=True, eq=False)
class Reference:
    """An earlier frame: its features, the share of each cell that is object, and how many cells objects move."""

    features: Float[Tensor, "c h w"]
    shares: Float[Tensor, "P h w"]
    reach: int


def matching_features(embedding: ImageEmbedding, frame: Frame) -> Float[Tensor, "c h w"]:
    """Unit vectors for a grid of cells over the picture: the encoder's features, and the HQ map if there is one."""
    height, width = frame.original_hw
    cell = max(height, width) / CELLS
    rows, columns = (max(1, round(size / cell)) for size in (height, width))
    y, x = ((torch.arange(count) + 0.5) * size / count for count, size in ((rows, height), (columns, width)))
    centres = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)
    places = (frame.points_to_model(centres) * 2 / frame.side - 1).to(embedding.features.device)
    maps = [(embedding.features, 1.0)] + ([] if embedding.hq is None else [(embedding.hq, _HQ_WEIGHT)])
    sampled = [(F.grid_sample(map_.float(), places[None], align_corners=False)[0], weight) for map_, weight in maps]
    return F.normalize(torch.cat([weight * F.normalize(values, dim=0) for values, weight in sampled]), dim=0)


def shares_of(mask: Bool[np.ndarray, "H W"], cells_hw: tuple[int, int]) -> Float[Tensor, "h w"]:
    """The share of each cell that is object, 0 to 1."""
    return F.interpolate(torch.from_numpy(mask).float()[None, None], size=cells_hw, mode="area")[0, 0]


def propagate(features: Float[Tensor, "c h w"], references: Sequence[Reference]) -> Float[Tensor, "P h w"]:
    """The shares of the references' objects on a frame, 0 to 1 by cell.

    Each cell takes the mean share of the most similar cells within reach, weighted by similarity.
    """
    _, height, width = features.shape
    distances = _distances(height, width, features.device)
    cells, shares = features.flatten(1).T, []
    step = max(1, _AT_ONCE // len(cells))
    for start in range(0, len(cells), step):
        rows = slice(start, start + step)
        shares.append(_from_neighbours(cells[rows], distances[rows], references))
    return torch.cat(shares, 1).reshape(-1, height, width)


@lru_cache(maxsize=2)
def _distances(height: int, width: int, device: torch.device) -> UInt8[Tensor, "N N"]:
    """The distances between all cells, in rows or in columns, whichever are more."""
    y, x = (torch.arange(count, dtype=torch.int16, device=device) for count in (height, width))
    rows, columns = ((steps[:, None] - steps).abs().byte() for steps in (y, x))
    distances = torch.maximum(rows[:, None, :, None], columns[None, :, None, :])
    return distances.reshape(height * width, height * width)


def _from_neighbours(
    cells: Float[Tensor, "Q c"], distances: UInt8[Tensor, "Q K"], references: Sequence[Reference]
) -> Float[Tensor, "P Q"]:
    """The shares of some cells, whose `distances` to all cells are given in cells."""
    similarities, shares = [], []
    for reference in references:
        cosines = (cells @ reference.features.flatten(1)).masked_fill_(distances > reference.reach, -1.0)
        best = cosines.topk(min(NEIGHBOURS, cosines.shape[1]), dim=1)
        similarities.append(best.values)
        shares.append(reference.shares.flatten(1)[:, best.indices])
    best = torch.cat(similarities, 1).topk(min(NEIGHBOURS, len(references) * similarities[0].shape[1]), dim=1)
    weights = (best.values / _TEMPERATURE).softmax(1)
    chosen = torch.cat(shares, 2).gather(2, best.indices.expand(len(shares[0]), -1, -1))
    return (weights * chosen).sum(2)
