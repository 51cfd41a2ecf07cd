"""Prompts in image pixels to the flat list of tensors that the network takes. Knows nothing about networks."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from samhq.image.frame import Frame
from samhq.results.prompt import Prompt
from samhq.results.prompt_arrays import prompt_arrays
from samhq.types import IGNORED, Prompts


def flatten(prompts: Sequence[Prompt], frame: Frame, image_index: int = 0) -> Prompts:
    """The prompts of one picture as tensors in model pixels, all with the same `image_index`.

    Raises:
        PromptError: as `prompt_arrays`.
    """
    arrays = prompt_arrays(prompts, frame)
    parts = (arrays.points, arrays.labels, arrays.boxes, arrays.masks)
    index = torch.full((len(arrays),), image_index, dtype=torch.int64)
    return Prompts(index, *(None if part is None else torch.from_numpy(part) for part in parts))


def join(parts: Sequence[Prompts]) -> Prompts:
    """The prompts of several pictures as one list; short rows are padded with points with the label `IGNORED`."""
    if len(parts) == 1:
        return parts[0]
    widest = max(part.points.shape[1] for part in parts if part.points is not None)
    return Prompts(
        torch.cat([part.image_index for part in parts]),
        torch.cat([_widen(part.points, widest, 0.0) for part in parts]),
        torch.cat([_widen(part.labels, widest, IGNORED) for part in parts]),
        _cat_or_none([part.boxes for part in parts], parts),
        _cat_or_none([part.masks for part in parts], parts),
    )


def _widen(rows: Tensor | None, width: int, fill: float) -> Tensor:
    """Rows [P,N,...] with N extended to `width`."""
    assert rows is not None
    filling = rows.new_full((rows.shape[0], width - rows.shape[1], *rows.shape[2:]), fill)
    return torch.cat([rows, filling], dim=1)


def _cat_or_none(values: list[Tensor | None], parts: Sequence[Prompts]) -> Tensor | None:
    """All rows, with NaN for parts that are None; None if all parts are None."""
    shape = next((value.shape[1:] for value in values if value is not None), None)
    if shape is None:
        return None
    filled = [
        torch.full((len(part), *shape), torch.nan) if value is None else value
        for part, value in zip(parts, values, strict=True)
    ]
    return torch.cat(filled)
