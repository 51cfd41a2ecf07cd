"""Shapes to antialiased coverage at exactly the picture's resolution. Knows nothing about colours."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import accumulate

import cv2
import numpy as np

from samhq.datasets.drawn.shapes import Ink, Shape

SHIFT = 4  #: OpenCV's fixed-point bits: outlines are placed to a sixteenth of a pixel.
THINNEST = 1.2  #: Least width of strokes in pixels; narrower ones would be missing from the mask.


@dataclass(frozen=True)
class Cover:
    """Coverage uint8 0..255 of each part within the picture's window rows y0:y1, columns x0:x1."""

    x0: int
    y0: int
    x1: int
    y1: int
    parts: list[np.ndarray]

    @property
    def window(self) -> tuple[slice, slice]:
        """Index of the window in a picture [H,W,...]."""
        return slice(self.y0, self.y1), slice(self.x0, self.x1)

    @property
    def whole(self) -> np.ndarray:
        """Coverage of the union of all parts."""
        union = self.parts[0]
        for part in self.parts[1:]:
            union = cv2.max(union, part)
        return union


@dataclass(frozen=True)
class Place:
    """Where a shape goes: centre (x, y) and longer side in pixels, turn in radians, aspect, lean and wobble."""

    x: float
    y: float
    size: float
    turn: float = 0.0
    aspect: float = 1.0
    lean: float = 0.0
    wobble: float = 0.0
    phase: float = 0.0


def placed(shape: Shape, place: Place) -> tuple[np.ndarray, list[int], float]:
    """The points [N,2] of all inks in pixels, where each ink's points end, and pixels per unit of stroke width."""
    inks = [ink for part in shape for ink in part]
    lines = [closed_dense(ink.points) if ink.widths is None and place.wobble else ink.points for ink in inks]
    points = np.concatenate(lines)
    if place.wobble:
        points = points + place.wobble * np.sin(points[:, ::-1] * 3.1 + (place.phase, place.phase * 1.7))
    cos, sin = math.cos(place.turn), math.sin(place.turn)
    points = points @ np.array(
        [[place.aspect * cos, place.aspect * sin], [place.lean * cos - sin, place.lean * sin + cos]]
    )
    # Strokes extend half their width beyond their points; without this a capsule would be larger than its size.
    thicken = math.sqrt(abs(place.aspect))
    reach = thicken / 2 * max(ink.widest for ink in inks)
    low, high = points.min(0) - reach, points.max(0) + reach
    scale = place.size / max(float((high - low).max()), 1e-6)
    ends = list(accumulate(len(line) for line in lines))
    return (points - (low + high) / 2) * scale + (place.x, place.y), ends, scale * thicken


def closed_dense(points: np.ndarray) -> np.ndarray:
    """A closed outline with at least 24 points, so that it can be bent."""
    if len(points) >= 24:
        return points
    steps = np.linspace(0, 1, math.ceil(24 / len(points)), endpoint=False)[None, :, None]
    return (points[:, None] * (1 - steps) + np.roll(points, -1, 0)[:, None] * steps).reshape(-1, 2)


def rasterise(shape: Shape, place: Place, side: int, pad: int = 2) -> Cover | None:
    """Coverage of every part within the picture, or None if the shape is outside."""
    points, ends, scale = placed(shape, place)
    margin = pad + scale / 2 * max(ink.widest for part in shape for ink in part)
    (left, top), (right, bottom) = points.min(0).tolist(), points.max(0).tolist()
    x0, y0 = max(math.floor(left - margin), 0), max(math.floor(top - margin), 0)
    x1, y1 = min(math.ceil(right + margin) + 1, side), min(math.ceil(bottom + margin) + 1, side)
    if x1 - x0 < 2 or y1 - y0 < 2:
        return None
    points = points - np.array((x0, y0))
    fixed = np.rint(points * (1 << SHIFT)).astype(np.int32)
    parts, number, start = [], 0, 0
    for part in shape:
        canvas = np.zeros((y1 - y0, x1 - x0), np.uint8)
        lines: dict[int, list[np.ndarray]] = {}
        for ink in part:
            end = ends[number]
            width = plain_line_width(ink, scale)
            if width and not ink.erase:
                lines.setdefault(width, []).append(fixed[start:end])
            else:
                draw_lines(canvas, lines)
                draw(canvas, ink, points[start:end], fixed[start:end], scale)
            number, start = number + 1, end
        draw_lines(canvas, lines)
        parts.append(canvas)
    return Cover(x0, y0, x1, y1, parts)


def plain_line_width(ink: Ink, scale: float) -> int:
    """The width in whole pixels of a stroke that a plain line draws well enough, else 0."""
    if ink.widths is None:
        return 0
    widest, narrowest = max(ink.widest * scale, THINNEST), max(ink.narrowest * scale, THINNEST)
    plain = widest < 2.6 or (widest < 8 and widest - narrowest < 0.8)
    return max(round((widest + narrowest) / 2), 1) if plain else 0


def draw_lines(canvas: np.ndarray, lines: dict[int, list[np.ndarray]]) -> None:
    """Draw and forget the lines gathered so far, one call for each width."""
    for width, group in lines.items():
        cv2.polylines(canvas, group, False, 255, width, cv2.LINE_AA, SHIFT)
    lines.clear()


def draw(canvas: np.ndarray, ink: Ink, points: np.ndarray, fixed: np.ndarray, scale: float) -> None:
    """Draw a filled outline or a tapering stroke, its points given in canvas pixels and again in fixed point."""
    value = 0 if ink.erase else 255
    if ink.widths is None:
        cv2.fillPoly(canvas, [fixed], value, cv2.LINE_AA, SHIFT)
        return
    widths = np.maximum(ink.widths * scale, THINNEST)
    around = np.rint(stroke_outline(points, widths) * (1 << SHIFT)).astype(np.int32)
    cv2.fillPoly(canvas, [around], value, cv2.LINE_AA, SHIFT)
    for end in (0, -1):
        cv2.circle(canvas, fixed[end].tolist(), int(widths[end] * 8), value, -1, cv2.LINE_AA, SHIFT)


def stroke_outline(points: np.ndarray, widths: np.ndarray) -> np.ndarray:
    """The closed outline [2N,2] of a stroke, `widths` in the points' unit.

    >>> stroke_outline(np.array([[0.0, 0.0], [2.0, 0.0]]), np.array([1.0, 1.0])).tolist()
    [[0.0, 0.5], [2.0, 0.5], [2.0, -0.5], [0.0, -0.5]]
    """
    along = np.empty_like(points)
    along[1:-1] = points[2:] - points[:-2]
    along[0], along[-1] = points[1] - points[0], points[-1] - points[-2]
    along /= np.maximum(np.hypot(along[:, :1], along[:, 1:]), 1e-9)
    across = along[:, ::-1] * (-1, 1) * (widths[:, None] / 2)
    return np.concatenate([points + across, (points - across)[::-1]]) + 0.0
