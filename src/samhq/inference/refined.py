"""Puts the masks of second looks into a result. Knows nothing of networks; needs no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from PIL import Image

from samhq.config import SURE_LOGIT
from samhq.image.frame import Frame
from samhq.image.windows import Window
from samhq.masks.regions import Piece
from samhq.results.native import Refined
from samhq.results.segmentation import Segmentation
from samhq.shapes import Float


def with_refined(result: Segmentation, looks: Sequence[Refined | None]) -> Segmentation:
    """The best mask of every prompt of `result`, replaced where there is a second look.

    Where there is one, the masks of `result` must be empty: they are painted in place.
    """
    masks = result.masks
    scores, logits = result.scores.copy(), result.low_res_logits[:, 0].copy()
    for number, look in enumerate(looks):
        if look is not None:
            masks[number][look.piece.window.slices()] = look.piece.mask
            scores[number] = look.score
            logits[number] = _coarsened(look.piece, result.frame)
    return replace(result, candidates=masks[:, None], candidate_scores=scores[:, None], low_res_logits=logits[:, None])


def _coarsened(piece: Piece, frame: Frame) -> Float[np.ndarray, "G G"]:
    """A mask as logits [4g,4g]; reduced through bytes at the square's size, full-size floats may be gigabytes.

    Only the part of the picture is reduced that the mask can change.
    """
    (first_row, last_row, top, bottom), (first_column, last_column, left, right) = (
        _reduced_part(start, end, reduced, size)
        for start, end, reduced, size in zip(
            (piece.window.y0, piece.window.x0),
            (piece.window.y1, piece.window.x1),
            frame.resized_hw,
            frame.original_hw,
            strict=True,
        )
    )
    high, wide = (size / reduced for size, reduced in zip(frame.original_hw, frame.resized_hw, strict=True))
    part = Image.fromarray(piece.inside(Window(left, top, right, bottom)).view(np.uint8) * np.uint8(255))
    box = (first_column * wide - left, first_row * high - top, last_column * wide - left, last_row * high - top)
    size = (last_column - first_column, last_row - first_row)
    small = np.asarray(part.resize(size, Image.Resampling.BILINEAR, box, reducing_gap=3.0), np.float32)
    logits = np.full(frame.resized_hw, -SURE_LOGIT, np.float32)
    logits[first_row:last_row, first_column:last_column] += small * np.float32(2 * SURE_LOGIT / 255)
    return frame.mask_to_prompt(logits)[0]


def _reduced_part(start: int, end: int, reduced: int, size: int) -> tuple[int, int, int, int]:
    """Along one axis that is resized from `size` to `reduced` pixels: the resized pixels that `start` to `end` reaches.

    First and last, and the first and last pixel of the original that these need.

    >>> _reduced_part(400, 480, 100, 1000)
    (37, 51, 359, 522)
    """
    scale = size / reduced
    reach = max(1.0, scale) + 1
    first, last = max(0, int((start - reach) / scale) - 1), min(reduced, int((end + reach) / scale) + 2)
    return first, last, max(0, int(first * scale - reach)), min(size, int(last * scale + reach) + 1)
