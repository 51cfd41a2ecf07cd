"""Where a second look at an object with a box goes, and what it is told. Knows nothing of networks; needs no torch."""

from __future__ import annotations

import math

import numpy as np

from samhq.image.boxes import as_boxes, as_points
from samhq.image.windows import Window, whole
from samhq.results.prompt import Prompt

NOWHERE = Window(0, 0, 0, 0)  #: The box of an empty mask.
GAIN = 1.2  #: The second look must enlarge the object by this factor, relative to the first, to be worth its time.
MARGIN = 0.25  #: Share of an object's longer side that a crop shows around it.
_LADDER = 2**0.25  #: Crop sizes grow in such steps, so that a slightly larger first mask is seen at the same scale.
_FEWEST = 16  #: Least margin on each side in pixels.


def surroundings(box: Window, margin: float, side: int, size_hw: tuple[int, int]) -> Window:
    """The crop for a second look: `box` with at least `margin` of its longer side around it, within the picture.

    The crop's longer side, before it is cut at the picture's border, is one of a few sizes, so that single pixels do
    not change the scale. It exceeds `side` only if the margin makes it.

    >>> surroundings(Window(100, 100, 200, 150), 0.25, 1024, (500, 500))
    Window(x0=74, y0=74, x1=226, y1=176)
    """
    longer = max(box.hw)
    needed = max(longer * (1 + 2 * margin), longer + 2 * _FEWEST)
    step = _LADDER ** math.ceil(math.log(needed, _LADDER) - 1e-9)
    around = int((min(step, side) if needed <= side else step) - longer) // 2
    grown = Window(box.x0 - around, box.y0 - around, box.x1 + around, box.y1 + around)
    return grown.meet(whole(size_hw))


def intended_box(box: Window, prompt: Prompt, size_hw: tuple[int, int]) -> Window:
    """The centre of the crop: the user's box, or else that of the first mask, extended to the clicks on the object."""
    if prompt.box is not None:
        x0, y0, x1, y1 = as_boxes(prompt.box, size_hw)[0].tolist()
        box = Window(math.floor(x0), math.floor(y0), math.ceil(x1), math.ceil(y1))
    if prompt.points is not None and box.area:
        points, labels = as_points(prompt.points, prompt.labels, size_hw)
        for x, y in np.floor(points[labels == 1]).astype(int).tolist():
            box = box.join(Window(x, y, x + 1, y + 1))
    return box.meet(whole(size_hw))


def crop_of_box(prompt: Prompt, size_hw: tuple[int, int], side: int, margin: float) -> Window | None:
    """The crop that a model of this side is shown of a prompt with a box, or None if it would enlarge too little.

    None, too, for a prompt without a box.
    """
    box = NOWHERE if prompt.box is None else intended_box(NOWHERE, prompt, size_hw)
    if not box.area:
        return None
    crop = surroundings(box, margin, side, size_hw)
    return crop if enlargement(max(crop.hw), size_hw, side) >= GAIN else None


def enlargement(shown: int, size_hw: tuple[int, int], side: int) -> float:
    """How much larger a model of this side sees a part of `shown` pixels than in a look at the whole picture."""
    return side / shown / (side / max(size_hw))


def box_in_window(prompt: Prompt, window: Window, size_hw: tuple[int, int]) -> Prompt:
    """A prompt's box, and its points that are inside a window, in the window's pixels."""
    assert prompt.box is not None
    points, labels = points_in_window(prompt, window, size_hw)
    corners = as_boxes(prompt.box, size_hw)[0]
    return Prompt(points, labels, corners - np.array([window.x0, window.y0] * 2, np.float32))


def points_in_window(
    prompt: Prompt, window: Window, size_hw: tuple[int, int]
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """A prompt's points inside a window, in its pixels, with their labels; None for none."""
    if prompt.points is None:
        return None, None
    points, labels = as_points(prompt.points, prompt.labels, size_hw)
    points = points - np.array([window.x0, window.y0], np.float32)
    inside = ((points >= 0) & (points < window.hw[::-1])).all(axis=1)
    return (points[inside], labels[inside]) if inside.any() else (None, None)
