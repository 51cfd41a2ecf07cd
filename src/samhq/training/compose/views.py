"""A photograph and its masks as one square: scaled, moved, rotated, or cropped around one object.

Pure functions of their random generator. Knows nothing about prompts or networks.

Source: large-scale jitter, arXiv 2012.07177; the close views match the crops of `samhq.inference.refine`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from samhq.extras import from_extra
from samhq.shapes import Bool, Float, UInt8
from samhq.training.compose.canvas import Composite, Kind, Layer

with from_extra("train", "Composing training pictures"):
    import cv2

#: Smallest side of a close view, in pixels of the photograph.
_CLOSEST = 40
#: Margin of a close view as a share of the object's longer side.
_MARGIN = (0.15, 0.8)
#: From this enlargement on the staircase edges of masks are smoothed.
_STAIRS = 1.3


@dataclass(frozen=True)
class ViewWindow:
    """The square of a photograph to show: its corner (x, y) and its side, in the photograph's pixels."""

    x: float
    y: float
    side: float


def whole_window(size_hw: tuple[int, int], factor: float, rng: np.random.Generator) -> ViewWindow:
    """A window that shows the photograph `factor` times as large as it fits; the cut is random.

    >>> whole_window((50, 100), 1.0, np.random.default_rng(0))
    ViewWindow(x=0.0, y=0.0, side=100.0)
    """
    height, width = size_hw
    side = max(height, width) / factor
    return ViewWindow(
        float(rng.uniform(0, max(0.0, width - side))), float(rng.uniform(0, max(0.0, height - side))), side
    )


def close_window(mask: Bool[np.ndarray, "H W"], rng: np.random.Generator) -> ViewWindow:
    """A window around an object, with a random margin, inside the photograph if it fits."""
    height, width = mask.shape
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    corners = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], float)
    longer = max(corners[2] - corners[0], corners[3] - corners[1])
    side = min(max(longer * (1 + 2 * rng.uniform(*_MARGIN)), _CLOSEST), 1.05 * max(height, width))
    middle = (corners[:2] + corners[2:]) / 2 + rng.uniform(-0.15, 0.15, 2) * side
    return ViewWindow(_inside(float(middle[0]), side, width), _inside(float(middle[1]), side, height), side)


def _inside(middle: float, side: float, length: int) -> float:
    """The start of a window of that side, so that it lies within the length, or contains all of it."""
    if side >= length:
        return (length - side) / 2
    return float(np.clip(middle - side / 2, 0, length - side))


def window_canvas(
    image: UInt8[np.ndarray, "H W 3"],
    masks: Sequence[tuple[Bool[np.ndarray, "H W"], Kind]],
    window: ViewWindow,
    side: int,
    turn: float = 0.0,
) -> Composite:
    """The window as a canvas of `side` pixels, rotated about its centre by `turn` radians."""
    ratio = side / window.side
    matrix = _matrix(window, ratio, side, turn)
    soft = cv2.GaussianBlur(image, (0, 0), 0.35 / ratio) if ratio < 0.6 else image
    shown = cv2.warpAffine(soft, matrix, (side, side), flags=cv2.INTER_LINEAR, borderValue=(127, 127, 127))
    photograph = cv2.warpAffine(np.full(image.shape[:2], 255, np.uint8), matrix, (side, side), flags=cv2.INTER_NEAREST)
    layers = tuple(Layer(_cover(mask, matrix, side, ratio), kind) for mask, kind in masks)
    return Composite(shown, layers, photograph > 0)


def _matrix(window: ViewWindow, ratio: float, side: int, turn: float) -> Float[np.ndarray, "2 3"]:
    """The transform from the photograph's pixels to the canvas's."""
    move = np.array([[ratio, 0, -window.x * ratio], [0, ratio, -window.y * ratio], [0, 0, 1]])
    cos, sin, middle = np.cos(turn), np.sin(turn), side / 2
    centre = np.array(
        [[cos, -sin, middle - cos * middle + sin * middle], [sin, cos, middle - sin * middle - cos * middle], [0, 0, 1]]
    )
    return (centre @ move)[:2]


def _cover(mask: np.ndarray, matrix: np.ndarray, side: int, ratio: float) -> UInt8[np.ndarray, "S S"]:
    cover = cv2.warpAffine(mask.astype(np.uint8) * 255, matrix, (side, side), flags=cv2.INTER_LINEAR)
    if ratio <= _STAIRS:
        return cover
    smooth = cv2.GaussianBlur(cover, (0, 0), ratio * 0.5).astype(np.float32) - 127.5
    return np.clip(smooth * min(ratio * 1.2, 4) + 127.5, 0, 255).astype(np.uint8)
