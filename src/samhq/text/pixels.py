"""Pictures as tensors for transformers' detectors, and groups of pictures for batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor

from samhq.shapes import Float, UInt8


def prepared(
    image_processor: Any, image: UInt8[np.ndarray, "H W 3"], size: dict[str, int] | None = None
) -> Float[Tensor, "1 3 h w"]:
    """One picture resized and normalised by a detector's own processor, without padding for other pictures."""
    options = {} if size is None else {"size": size}
    values = image_processor(images=[image], return_tensors="pt", input_data_format="channels_last", **options)
    return values["pixel_values"]


def groups(pixels: Sequence[Tensor], limit: int) -> list[list[int]]:
    """Indices of pictures of equal size, at most `limit` together, so that no picture needs padding.

    >>> import torch
    >>> groups([torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 4, 8), torch.zeros(1, 3, 4, 4)], 8)
    [[0, 2], [1]]
    """
    by_size: dict[tuple[int, ...], list[int]] = {}
    for row, values in enumerate(pixels):
        by_size.setdefault(tuple(values.shape), []).append(row)
    return [rows[start : start + limit] for rows in by_size.values() for start in range(0, len(rows), limit)]
