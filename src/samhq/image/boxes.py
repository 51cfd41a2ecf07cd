"""Boxes of masks, and checks of a user's points and boxes before they are used.

All coordinates are image pixels: x to the right, y down, boxes as two corners (x0, y0, x1, y1). Knows nothing of the
model's square or of networks.
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from samhq.errors import ImageError, PromptError
from samhq.image.inputs import BoxesInput, LabelsInput, PointsInput
from samhq.image.read import as_array
from samhq.plural import plural
from samhq.shapes import Float32, Int64

if TYPE_CHECKING:
    from torch import Tensor

_FAR = 1e9  #: Pixels. No picture is this large, and far larger numbers break float32 and drawing.
_BORDER = 1.0  #: A point may lie this many pixels outside the picture, because of rounding and clicks on the border.
_SMALL = 16  #: In pictures up to this side all prompts may lie within 0..1.


@overload
def boxes_from_masks(masks: np.ndarray) -> np.ndarray: ...
@overload
def boxes_from_masks(masks: Tensor) -> Tensor: ...
def boxes_from_masks(masks: Any) -> Any:
    """The boxes [..., 4] around bool masks [..., H, W], int64: (x0, y0, x1, y1) with the last pixel included.

    An empty mask gives zeros. Takes an array or a tensor and returns the same.

    >>> boxes_from_masks(np.array([[False, True, True], [False, False, False]])).tolist()
    [1, 0, 2, 0]

    Raises:
        ImageError: not bool, or without height and width.

    Source: segment-anything, utils/amg.py, `batched_mask_to_box`.
    """
    if isinstance(masks, np.ndarray):
        return _boxes_of_arrays(masks)
    import torch

    if not isinstance(masks, torch.Tensor):
        raise _not_masks(masks)
    if masks.device.type == "cpu":  # NumPy reduces bools ten times as fast.
        return torch.from_numpy(_boxes_of_arrays(masks.numpy()))
    return _boxes_on_device(masks)


def rows_of_points(points: PointsInput) -> np.ndarray:
    """One prompt's points [N,2], float64, as they are given: only their form is checked, not where they lie.

    Raises:
        PromptError: something other than at least one pair of finite numbers.
    """
    xy = _numbers(points, "points", "[[x, y], ...]")
    xy = xy[None] if xy.shape == (2,) else xy
    if xy.ndim != 2 or xy.shape[1] != 2 or not len(xy):
        raise PromptError(
            f"Expected at least one point of 2 numbers x, y, got {_described(xy)}. Write [[x, y], ...], and give "
            "several objects as several prompts."
        )
    return xy


def rows_of_boxes(boxes: BoxesInput) -> np.ndarray:
    """Boxes [P,4], float64, as they are given: only their form is checked, not their order or where they lie.

    Raises:
        PromptError: something other than rows of four finite numbers.
    """
    corners = _numbers(boxes, "boxes", "[[x0, y0, x1, y1], ...]")
    if corners.shape == (0,):  # An empty list.
        return np.zeros((0, 4))
    corners = corners[None] if corners.shape == (4,) else corners
    if corners.ndim != 2 or corners.shape[1] != 4:
        wide = corners.ndim == 2 and corners.shape[1] in (5, 6)  # A detector's boxes with scores and classes.
        advice = (
            "Leave scores and classes out: boxes[:, :4]"
            if wide
            else ("Write [x0, y0, x1, y1] in pixels, and several boxes as [[x0, y0, x1, y1], ...]")
        )
        raise PromptError(f"Expected a box of 4 numbers x0, y0, x1, y1, got {_described(corners)}. {advice}.")
    return corners


def as_points(
    points: PointsInput, labels: LabelsInput | None, original_hw: tuple[int, int]
) -> tuple[Float32[np.ndarray, "N 2"], Int64[np.ndarray, " N"]]:
    """One prompt's points [N,2] as (x, y), float32, and their labels [N], int64, checked against the picture.

    `points` is a list, array or tensor [N,2], or one (x, y). `labels` are 1 on the object and 0 off it; None means
    1 for all. A point may lie up to one pixel outside the picture of `original_hw` (height, width).

    >>> as_points([(3, 4)], None, (10, 20))[1].tolist()
    [1]

    Raises:
        PromptError: a wrong shape, no points, NaN, coordinates that look normalised to 0..1 or swapped to (y, x),
            points outside the picture, labels that are too few, too many, or neither 0 nor 1.
    """
    xy = rows_of_points(points)
    _check_not_normalised(xy, "points", original_hw)
    _check_inside(xy, original_hw)
    return xy.astype(np.float32), _labels(labels, len(xy))


def as_boxes(boxes: BoxesInput, original_hw: tuple[int, int]) -> Float32[np.ndarray, "P 4"]:
    """Boxes [P,4] as (x0, y0, x1, y1), float32, checked against the picture; returned as given, not clipped.

    `boxes` is a list, array or tensor [P,4], or one box [4]; no box at all gives [0,4]. A box may extend beyond the
    picture of `original_hw` (height, width), as detectors' boxes do, but must overlap it.

    >>> as_boxes([10, 20, 30, 40], (100, 100)).shape
    (1, 4)

    Raises:
        PromptError: a wrong shape, NaN, corners in the wrong order or without area (such as (x, y, width, height)),
            coordinates that look normalised to 0..1, or a box outside the picture.
    """
    corners = rows_of_boxes(boxes)
    if not len(corners):
        return np.zeros((0, 4), np.float32)
    _check_corners(corners, original_hw)
    _check_not_normalised(corners, "boxes", original_hw)
    height, width = original_hw
    beside = (corners[:, 0] >= width) | (corners[:, 1] >= height) | (corners[:, 2] <= 0) | (corners[:, 3] <= 0)
    if beside.any():
        raise PromptError(
            f"Expected boxes that share some of the picture, {width} wide and {height} high, got "
            f"{in_words(corners[beside][0])} beside it. Check that the box belongs to this picture at this size."
        )
    return corners.astype(np.float32)


def in_words(values: np.ndarray) -> str:
    """Up to eight coordinates as text for a message.

    >>> in_words(np.array([1.0, 2.5]))
    '(1, 2.5)'
    """
    return f"({', '.join(f'{value:g}' for value in values[:8])}{', ...' if len(values) > 8 else ''})"


def _boxes_of_arrays(masks: np.ndarray) -> np.ndarray:
    if masks.dtype != np.bool_ or masks.ndim < 2:
        raise _not_masks(masks)
    columns = _extent(np.asarray(masks.any(axis=-2)))
    rows = _extent(np.asarray(masks.any(axis=-1)))
    return np.stack([columns[0], rows[0], columns[1], rows[1]], axis=-1)


def _extent(occupied: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First and last true position along the last axis; zeros if there is none."""
    if not occupied.shape[-1]:
        none = np.zeros(occupied.shape[:-1], np.int64)
        return none, none
    last = occupied.shape[-1] - 1 - occupied[..., ::-1].argmax(axis=-1)
    return np.asarray(occupied.argmax(axis=-1)), np.where(occupied.any(axis=-1), last, 0)


def _boxes_on_device(masks: Tensor) -> Tensor:
    """As `boxes_from_masks`, without leaving an accelerator."""
    import torch

    if masks.dtype != torch.bool or masks.ndim < 2:
        raise _not_masks(masks)
    columns = _extent_on_device(masks.any(dim=-2))
    rows = _extent_on_device(masks.any(dim=-1))
    return torch.stack([columns[0], rows[0], columns[1], rows[1]], dim=-1)


def _extent_on_device(occupied: Tensor) -> tuple[Tensor, Tensor]:
    """`_extent` for tensors: accelerators have no argmax for bools, but the maximum of positions works everywhere."""
    import torch

    size = occupied.shape[-1]
    if not size:
        none = torch.zeros(occupied.shape[:-1], dtype=torch.int64, device=occupied.device)
        return none, none
    position = torch.arange(1, size + 1, device=occupied.device)
    last = (occupied * position).amax(dim=-1) - 1
    first = size - (occupied * position.flip(0)).amax(dim=-1)
    return torch.where(last >= 0, first, 0), last.clamp(min=0)


def _not_masks(masks: object) -> ImageError:
    kind = f"{getattr(masks, 'dtype', type(masks).__name__)} {list(getattr(masks, 'shape', []))}"
    return ImageError(f"Expected bool masks [..., height, width], got {kind}. For logits pass `logits > 0`.")


def _numbers(values: Any, name: str, example: str) -> np.ndarray:
    """Finite coordinates as float64."""
    try:
        array = as_array(values)
    except ImageError as error:
        iterates = isinstance(values, (Iterator, Set))
        advice = f"Write list({name})" if iterates else "Write numbers alone, the same count in every row"
        raise PromptError(f"Expected {name} as numbers {example}, got {values!r:.80}. {advice}.") from error
    if array.dtype == np.bool_ and name != "labels":
        raise PromptError(f"Expected {name} as numbers {example}, got true or false. Write coordinates in pixels.")
    if not np.isfinite(array).all():
        raise PromptError(f"Expected finite {name} {example}, got NaN or infinity. Leave these out.")
    if array.size and np.abs(array.astype(np.float64)).max() >= _FAR:
        raise PromptError(
            f"Expected {name} in pixels {example}, got a number of {_FAR:.0e} or more. Clip it to the picture."
        )
    return array.astype(np.float64)


def _check_not_normalised(coordinates: np.ndarray, name: str, original_hw: tuple[int, int]) -> None:
    """Refuses fractions of the picture. Points of whole numbers are accepted: (0, 0) and (1, 1) are pixels."""
    if min(original_hw) <= _SMALL or coordinates.min() < 0 or coordinates.max() > 1:
        return
    if name == "boxes" or (coordinates % 1).any():
        raise PromptError(
            f"Expected {name} in pixels of a picture {original_hw[1]} wide and {original_hw[0]} high, got "
            f"{in_words(coordinates[0])}, which looks normalised to 0..1. Multiply x by the width and y by the height."
        )


def _check_inside(xy: np.ndarray, original_hw: tuple[int, int]) -> None:
    height, width = original_hw
    outside = ((xy < -_BORDER) | (xy > np.array([width, height]) - 1 + _BORDER)).any(axis=1)
    if not outside.any():
        return
    swapped = (xy[:, ::-1] >= 0).all() and (xy[:, ::-1] < (width, height)).all()
    hint = "It would be inside as (y, x), so swap the two" if swapped else "Use pixels of the picture as it was given"
    raise PromptError(
        f"Expected points (x, y) in a picture {width} wide and {height} high, got {in_words(xy[outside][0])}. {hint}."
    )


def _described(values: np.ndarray) -> str:
    """The shape of an array in plain words.

    >>> _described(np.zeros(3)), _described(np.zeros((2, 5))), _described(np.array(7.0))
    ('3 numbers', '2 rows of 5 numbers', 'the single number 7')
    """
    if values.ndim == 0:
        return f"the single number {values:g}"
    numbers = plural(values.shape[-1], "number")
    if values.ndim == 1:
        return numbers
    if values.ndim > 2:
        return f"an array of shape {list(values.shape)}"
    return f"{plural(len(values), 'row')} of {numbers}"


def _check_corners(corners: np.ndarray, original_hw: tuple[int, int]) -> None:
    flat = (corners[:, 0] >= corners[:, 2]) | (corners[:, 1] >= corners[:, 3])
    if not flat.any():
        return
    box = corners[flat][0]
    raise PromptError(
        f"Expected boxes (x0, y0, x1, y1) with x0 < x1 and y0 < y1, got {in_words(box)}. {_advice(box, original_hw)}."
    )


def _advice(box: np.ndarray, original_hw: tuple[int, int]) -> str:
    """A guess at what a box without area means: reversed corners, or a corner and a size.

    >>> _advice(np.array([30, 20, 8, 5]), (100, 100))
    'Its corners are reversed, so use (8, 5, 30, 20); if it is (x, y, width, height), use (30, 20, 38, 25)'
    """
    x, y, w, h = box
    sorted_corners = np.array([min(x, w), min(y, h), max(x, w), max(y, h)])
    fits_as_size = w > 0 and h > 0 and 0 <= x < x + w <= original_hw[1] and 0 <= y < y + h <= original_hw[0]
    as_size = f"use {in_words(np.array([x, y, x + w, y + h]))}"
    if x == w or y == h:
        reason = "It has no area"
        return (
            f"{reason}; if it is (x, y, width, height), {as_size}"
            if fits_as_size
            else f"{reason}, give two opposite corners"
        )
    if x > w and y > h:
        reason = f"Its corners are reversed, so use {in_words(sorted_corners)}"
        return f"{reason}; if it is (x, y, width, height), {as_size}" if fits_as_size else reason
    which = "x0 and x1" if x > w else "y0 and y1"
    if fits_as_size:
        return (
            f"It looks like (x, y, width, height), so {as_size}; if {which} are swapped, use {in_words(sorted_corners)}"
        )
    return f"Perhaps {which} are swapped, so use {in_words(sorted_corners)}"


def _labels(labels: Any, count: int) -> np.ndarray:
    if labels is None:
        return np.ones(count, np.int64)
    array = _numbers(labels, "labels", "[1, 0, ...]")
    array = array[None] if array.ndim == 0 else array
    if array.shape != (count,):
        raise PromptError(
            f"Expected one label for each point, that is {count}, got {_described(array)}. Write 1 for a point on the "
            "object and 0 for one off it."
        )
    if not np.isin(array, (0, 1)).all():
        raise PromptError(
            f"Expected labels 1 (on the object) or 0 (off it), got {in_words(array)}. Give a box as box=."
        )
    return array.astype(np.int64)
