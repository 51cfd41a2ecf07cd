"""Converts prompt tensors of the published interface to the network's flat list, and checks them.

All coordinates are already model pixels. Row p of the points, of the boxes and of the masks is one prompt. Knows
nothing about pictures.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Int64
from torch import Tensor

from samhq.compat.segment_anything.refusals import RefusedPromptError
from samhq.config import MOST_LOGIT
from samhq.types import BACKGROUND, FOREGROUND, NOT_A_POINT, Prompts

_LABELS = (FOREGROUND, BACKGROUND, NOT_A_POINT)


def flat_prompts(
    points: Any, labels: Any, boxes: Any, masks: Any, *, images: int, mask_side: int, device: torch.device
) -> Prompts:
    """Points [B,N,2] with labels [B,N], boxes [B,4] and masks [B or 1,1,4g,4g] as one list of B prompts.

    Any of them may be None; all None is one prompt without content, for which SAM also gives a mask. Coordinates become
    float32. Prompt p belongs to image p, or to the only image.

    Raises:
        RefusedPromptError: points without labels or labels without points; other shapes; NaN or infinity; labels
            other than 1, 0, -1; unequal numbers of rows; neither one image nor one a prompt.
    """
    xy, kinds = _points(points, labels, device)
    corners = _boxes(boxes, device)
    logits = _masks(masks, mask_side, device)
    count = _count(xy, corners, logits)
    if logits is not None and logits.shape[0] != count:
        logits = logits.expand(count, -1, -1, -1)
    return Prompts(owners(images, count, device), xy, kinds, corners, logits)


def owners(images: int, prompts: int, device: torch.device) -> Int64[Tensor, " P"]:
    """The image of each prompt: image p for prompt p, or the only one.

    >>> owners(1, 3, torch.device("cpu")).tolist(), owners(3, 3, torch.device("cpu")).tolist()
    ([0, 0, 0], [0, 1, 2])

    Raises:
        RefusedPromptError: several images, and another number of prompts.
    """
    if images == 1:
        return torch.zeros(prompts, dtype=torch.int64, device=device)
    if images == prompts:
        return torch.arange(prompts, device=device)
    raise RefusedPromptError(
        f"Expected one image for all prompts, or as many images as prompts, got {images} images and {prompts} "
        "prompts. Repeat each image's row once for each of its prompts, or call once an image."
    )


def _points(points: Any, labels: Any, device: torch.device) -> tuple[Tensor | None, Tensor | None]:
    if (points is None) != (labels is None):
        got = "labels without points" if points is None else "points without labels"
        raise RefusedPromptError(f"Expected points together with their labels, got {got}. Give both.")
    if points is None:
        return None, None
    xy = _floats(points, device)
    kinds = _floats(labels, device)
    if xy.ndim != 3 or xy.shape[2] != 2 or kinds.shape != xy.shape[:2]:
        raise RefusedPromptError(
            f"Expected points [prompts, points, 2] and labels [prompts, points], got {list(xy.shape)} and "
            f"{list(kinds.shape)}. For one prompt add the first axis with [None]."
        )
    _check_finite(xy, "points")
    _check_labels(kinds)
    return xy, kinds.to(torch.int64)


def _check_labels(labels: Tensor) -> None:
    known = torch.isin(labels, labels.new_tensor(_LABELS))
    if not bool(known.all()):
        strange = sorted(set(labels[~known].tolist()))
        raise RefusedPromptError(
            "Expected point labels 1 (on the object), 0 (off it) or -1 (not a point), got "
            f"{', '.join(f'{label:g}' for label in strange[:5])} in {_rows(known)}. A box is given with "
            "box= or boxes=, not by corner labels 2 and 3."
        )


def _boxes(boxes: Any, device: torch.device) -> Tensor | None:
    if boxes is None:
        return None
    corners = _floats(boxes, device)
    # Many training scripts pass [B,1,4]; two boxes in one prompt have no meaning.
    if corners.ndim == 3 and corners.shape[1] == 1:
        corners = corners[:, 0]
    if corners.ndim != 2 or corners.shape[1] != 4:
        raise RefusedPromptError(
            f"Expected boxes [prompts, 4] as (x0, y0, x1, y1), one a prompt, got {list(corners.shape)}. "
            "Several boxes are several prompts: reshape to [-1, 4]."
        )
    _check_finite(corners, "boxes")
    return corners


def _masks(masks: Any, side: int, device: torch.device) -> Tensor | None:
    if masks is None:
        return None
    logits = _floats(masks, device)
    if logits.ndim != 4 or logits.shape[1:] != (1, side, side):
        raise RefusedPromptError(
            f"Expected mask prompts [prompts, 1, {side}, {side}] of logits, got {list(logits.shape)}. "
            "Give back the low-resolution logits of an earlier result."
        )
    fine = logits.abs() <= MOST_LOGIT
    if not bool(fine.all()):
        raise RefusedPromptError(
            f"Expected finite logits of at most {MOST_LOGIT:.0e} in mask prompts, got NaN, infinity or more in "
            f"{_rows(fine)}. Give back the low-resolution logits of an earlier result."
        )
    return logits


def _count(points: Tensor | None, boxes: Tensor | None, masks: Tensor | None) -> int:
    """The number of prompts; a single mask may serve several."""
    rows = [len(value) for value in (points, boxes) if value is not None]
    mask_rows = [] if masks is None or len(masks) == 1 else [len(masks)]
    counts = [*rows, *mask_rows]
    count = counts[0] if counts else 1
    if any(other != count for other in counts):
        raise RefusedPromptError(
            f"Expected as many rows of points, boxes and masks, got {' and '.join(map(str, counts))}. "
            "Row p of each belongs to prompt p."
        )
    return count


def _floats(value: Any, device: torch.device) -> Tensor:
    try:
        return torch.as_tensor(value, dtype=torch.float32, device=device)
    except (TypeError, ValueError) as error:
        raise RefusedPromptError(
            f"Expected prompts as tensors or arrays of numbers, got {type(value).__name__}: {error}. Convert them."
        ) from error


def _check_finite(value: Tensor, name: str) -> None:
    finite = torch.isfinite(value)
    if not bool(finite.all()):
        raise RefusedPromptError(
            f"Expected finite numbers in {name}, got NaN or infinity in {_rows(finite)}. Remove those prompts."
        )


def _rows(fine: Tensor) -> str:
    """The first few rows of the first axis that are not fine, as text.

    >>> _rows(torch.tensor([[True, True], [True, False]]))
    'rows 1'
    """
    wrong = (~fine.flatten(1).all(1)).nonzero()[:, 0].tolist()
    return f"rows {', '.join(map(str, wrong[:5]))}{', ...' if len(wrong) > 5 else ''}"
