"""Draws thin things with exact cover: cables, power lines, branches, vessels, grids, hair, wheels, rods, loops.

Photographs with exact masks of such things hardly exist, and a model learns them only from exact masks. Widths are in
pixels of a canvas of 512. Things are drawn three times finer and averaged. Pure functions of the random generator.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.interpolate import CubicSpline

from samhq.extras import from_extra
from samhq.shapes import Float, UInt8
from samhq.training.augment import HALF
from samhq.training.compose.canvas import Composite
from samhq.training.compose.colour import with_shadow

with from_extra("train", "Composing training pictures"):
    import cv2

#: Drawn things with fewer pixels are left out.
FEWEST_PIXELS = 24
_FINER = 3
#: OpenCV takes positions in sixteenths of a pixel.
_SHIFT = 4
_FULL_TURN = 2 * np.pi

Alpha = Float[np.ndarray, "S S"]


class Pen:
    """Draws lines of any width, several times finer than the result."""

    def __init__(self, side: int) -> None:
        self.side = side
        self._fine = np.zeros((side * _FINER, side * _FINER), np.uint8)

    def line(self, points_xy: np.ndarray, width: float | np.ndarray) -> None:
        """A line through the points, of one width or of a width at each point.

        Widths are in pixels of the canvas; the line comes out wider by up to a pixel.
        """
        fixed = np.round(points_xy * _FINER * (1 << _SHIFT)).astype(np.int32)
        widths = np.maximum(1, np.round(np.broadcast_to(width, len(fixed)) * _FINER)).astype(int)
        if (widths == widths[0]).all():
            cv2.polylines(self._fine, [fixed.reshape(-1, 1, 2)], False, 255, int(widths[0]), cv2.LINE_AA, _SHIFT)
            return
        for start, end, thick in zip(fixed[:-1].tolist(), fixed[1:].tolist(), widths.tolist(), strict=False):
            cv2.line(self._fine, start, end, 255, thick, cv2.LINE_AA, _SHIFT)

    def area(self, points_xy: np.ndarray) -> None:
        """A filled polygon."""
        fixed = np.round(points_xy * _FINER * (1 << _SHIFT)).astype(np.int32).reshape(-1, 1, 2)
        cv2.fillPoly(self._fine, [fixed], 255, cv2.LINE_AA, _SHIFT)

    def alpha(self) -> Alpha:
        """The cover of everything drawn, 0..1."""
        small = cv2.resize(self._fine, (self.side, self.side), interpolation=cv2.INTER_AREA)
        return small.astype(np.float32) / 255


def smooth_curve(points_xy: np.ndarray, count: int = 160) -> np.ndarray:
    """`count` positions on a smooth curve through the points.

    >>> smooth_curve(np.array([[0.0, 0.0], [1.0, 1.0], [2.0, 3.0]]), 3)[:, 0].round(2).tolist()
    [0.0, 1.24, 2.0]
    """
    steps = np.linalg.norm(np.diff(points_xy, axis=0), axis=1) + 1e-3
    along = np.concatenate([[0], np.cumsum(steps)])
    return CubicSpline(along, points_xy)(np.linspace(0, along[-1], count))


def _turn(rng: np.random.Generator) -> np.ndarray:
    angle = rng.uniform(0, _FULL_TURN)
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def _width(rng: np.random.Generator, side: int, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high)))) * side / 512


def _ring(rng: np.random.Generator, side: int, radius: float, flat: float, turn: np.ndarray) -> np.ndarray:
    angles = np.linspace(0, _FULL_TURN, 80)
    return np.c_[np.cos(angles) * radius, np.sin(angles) * radius * flat] @ turn


def _one_line(side: int, points_xy: np.ndarray, width: float | np.ndarray) -> Alpha:
    pen = Pen(side)
    pen.line(points_xy, width)
    return pen.alpha()


def one_cable(rng: np.random.Generator, side: int) -> list[Alpha]:
    """One smooth cable, across the picture or in a part of it."""
    count = int(rng.integers(2, 7))
    if rng.random() < 0.4:
        points = rng.uniform(-0.1, 1.1, (count, 2)) * side
    else:
        points = rng.uniform(0.15, 0.85, 2) * side + rng.normal(0, rng.uniform(0.08, 0.35) * side, (count, 2))
    return [_one_line(side, points if count == 2 else smooth_curve(points), _width(rng, side, 1.3, 12))]


def cables(rng: np.random.Generator, side: int) -> list[Alpha]:
    """Two to four cables, each a separate object."""
    return [one_cable(rng, side)[0] for _ in range(rng.integers(2, 5))]


def loop(rng: np.random.Generator, side: int) -> list[Alpha]:
    """A closed thin ring."""
    ring = _ring(rng, side, rng.uniform(0.05, 0.35) * side, rng.uniform(0.3, 1), _turn(rng))
    return [_one_line(side, rng.uniform(0.2, 0.8, 2) * side + ring, _width(rng, side, 1.3, 12))]


def power_lines(rng: np.random.Generator, side: int) -> list[Alpha]:
    """Hanging lines side by side from border to border: each an object, or all of them one object."""
    upright = rng.random() >= 0.7
    ends = rng.uniform(-0.1, 1.1, 2) * side
    along = np.linspace(0, 1, 60)
    base = np.c_[-5 + along * (side + 10), ends[0] + along * (ends[1] - ends[0])]
    sag, spread = rng.uniform(0, 0.12) * side, rng.normal(0, 0.05)
    width = _width(rng, side, 0.8, 3.5)
    gaps = (rng.uniform(4, 60, rng.integers(1, 7)) * side / 512).cumsum()
    lines = []
    for gap in gaps:
        hang = sag * rng.uniform(0.9, 1.1) * 4 * along * (1 - along)
        line = base + np.c_[np.zeros_like(along), gap * (1 + spread * along) - gaps.mean() + hang]
        lines.append(_one_line(side, line[:, ::-1] if upright else line, width * rng.uniform(0.8, 1.2)))
    return [np.max(lines, axis=0)] if len(lines) > 1 and rng.random() < 0.35 else lines


def branch(rng: np.random.Generator, side: int, wander: float = 0.18) -> list[Alpha]:
    """A branching tree of tapering lines; `wander` is the change of direction in radians from step to step."""
    pen = Pen(side)

    def grow(start: np.ndarray, angle: float, length: float, width: float, level: int) -> None:
        places = [start]
        for _ in range(10):
            angle += rng.normal(0, wander)
            places.append(places[-1] + length / 10 * np.array([np.cos(angle), np.sin(angle)]))
        pen.line(np.array(places), np.linspace(width, width * 0.75, len(places)))
        for _ in range(rng.integers(1, 4) if level else 0):
            away = angle + rng.choice([-1, 1]) * rng.uniform(0.3, 0.9)
            grow(
                places[rng.integers(4, 11)],
                away,
                length * rng.uniform(0.5, 0.85),
                width * rng.uniform(0.5, 0.8),
                level - 1,
            )

    root = rng.uniform(0, 1, 2) * side
    for _ in range(rng.integers(1, 3)):
        width = rng.uniform(2, 11) * side / 512
        grow(root, rng.uniform(0, _FULL_TURN), rng.uniform(0.2, 0.6) * side, width, int(rng.integers(2, 5)))
    return [pen.alpha()]


def vessel(rng: np.random.Generator, side: int) -> list[Alpha]:
    """A branching tree that turns more softly, as blood vessels and roots do."""
    return branch(rng, side, wander=0.12)


def grid(rng: np.random.Generator, side: int) -> list[Alpha]:
    """Crossing lines in perspective, as of a fence or a window: one object."""
    pen, width = Pen(side), _width(rng, side, 1.2, 6)
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1.0]]) * rng.uniform(0.3, 0.9) * side
    corners += rng.normal(0, 0.06 * side, (4, 2)) + rng.uniform(0, 0.4, 2) * side
    corners = (corners - corners.mean(0)) @ _turn(rng) + corners.mean(0)

    def place(right: float, down: float) -> np.ndarray:
        upper = (1 - right) * corners[0] + right * corners[1]
        return (1 - down) * upper + down * ((1 - right) * corners[3] + right * corners[2])

    across, down = rng.integers(2, 9, 2)
    for share in np.linspace(0, 1, across + 1):
        pen.line(np.array([place(share, 0), place(share, 1)]), width)
    for share in np.linspace(0, 1, down + 1):
        pen.line(np.array([place(0, share), place(1, share)]), width)
    return [pen.alpha()]


def hair(rng: np.random.Generator, side: int) -> list[Alpha]:
    """Strands from one root, thinner towards their ends: one object."""
    pen, root, angle = Pen(side), rng.uniform(0.2, 0.8, 2) * side, rng.uniform(0, _FULL_TURN)
    for _ in range(rng.integers(3, 14)):
        direction = angle + rng.normal(0, 0.5)
        strand = rng.uniform(0.15, 0.5) * side * np.array([np.cos(direction), np.sin(direction)])
        begin, bend = rng.normal(0, 0.01 * side, 2), rng.normal(0, 0.05 * side, 2)
        points = np.array([root + begin, root + strand / 2 + bend, root + strand])
        pen.line(smooth_curve(points, 40), np.linspace(rng.uniform(1, 3.5), 0.8, 40) * side / 512)
    return [pen.alpha()]


def spoked_wheel(rng: np.random.Generator, side: int) -> list[Alpha]:
    """A rim with spokes."""
    pen, middle, turn = Pen(side), rng.uniform(0.25, 0.75, 2) * side, _turn(rng)
    radius, flat, width = rng.uniform(0.08, 0.35) * side, rng.uniform(0.5, 1), rng.uniform(1, 5) * side / 512
    pen.line(middle + _ring(rng, side, radius, flat, turn), width * 1.6)
    for angle in np.linspace(0, _FULL_TURN, rng.integers(4, 20), endpoint=False):
        spoke = np.array([np.cos(angle) * radius, np.sin(angle) * radius * flat]) @ turn
        pen.line(np.array([middle, middle + spoke]), width * 0.6)
    return [pen.alpha()]


def rod(rng: np.random.Generator, side: int) -> list[Alpha]:
    """A rod, half the time with a round head: a spoon, a brush, a pin."""
    pen, start, angle = Pen(side), rng.uniform(0.1, 0.9, 2) * side, rng.uniform(0, _FULL_TURN)
    along = np.array([np.cos(angle), np.sin(angle)])
    across, length = np.array([-along[1], along[0]]), rng.uniform(0.15, 0.7) * side
    near, far = (across * w / 2 for w in rng.uniform(2, 12, 2) * side / 512)
    end = start + along * length
    pen.area(np.array([start - near, start + near, end + far, end - far]))
    if rng.random() < 0.5:
        angles = np.linspace(0, _FULL_TURN, 40)
        long = length * rng.uniform(0.1, 0.25)
        head = np.outer(np.cos(angles) * long, along) + np.outer(np.sin(angles) * long * rng.uniform(0.3, 1), across)
        pen.area(end + along * long * 0.8 + head)
    return [pen.alpha()]


#: Families of drawn things, and their shares.
FAMILIES: dict[Callable[[np.random.Generator, int], list[Alpha]], float] = {
    one_cable: 0.20,
    cables: 0.13,
    power_lines: 0.20,
    branch: 0.10,
    vessel: 0.10,
    grid: 0.05,
    hair: 0.05,
    spoked_wheel: 0.05,
    rod: 0.08,
    loop: 0.04,
}


def draw_thin(canvas: Composite, textures: Sequence[UInt8[np.ndarray, "S S 3"]], rng: np.random.Generator) -> Composite:
    """The canvas with things of one family in front, in a plain colour or with one of the textures."""
    families = list(FAMILIES)
    family = families[rng.choice(len(families), p=list(FAMILIES.values()))]
    texture, colour = textures[int(rng.integers(len(textures)))], None
    for alpha in family(rng, canvas.side):
        if np.count_nonzero(alpha > HALF / 255) < FEWEST_PIXELS:
            continue
        if colour is None or rng.random() < 0.3:
            colour = _coloured(alpha, canvas.image, texture, family, rng)
        if rng.random() < 0.15:
            canvas = canvas.with_image(with_shadow(canvas.image, alpha, rng))
        canvas = canvas.pasted(colour, alpha, "thin", _visible(alpha, family is vessel, rng))
    return canvas


def _visible(alpha: Alpha, faint: bool, rng: np.random.Generator) -> Alpha:
    if faint:
        return alpha * rng.uniform(0.55, 0.9)
    return cv2.GaussianBlur(alpha, (0, 0), rng.uniform(0.4, 1.0)) if rng.random() < 0.5 else alpha


def _coloured(
    alpha: np.ndarray, image: np.ndarray, texture: np.ndarray, family: object, rng: np.random.Generator
) -> np.ndarray:
    """Colours float [S,S,3] for a thing with that cover, seldom close to the colours behind it."""
    solid, side = alpha > HALF / 255, len(alpha)
    behind = image[solid].astype(np.float32).mean(0)
    base = _base_colour(behind, family, rng)
    colour = texture.astype(np.float32) if base is None else np.tile(base.astype(np.float32), (side, side, 1))
    if rng.random() < 0.55:  # As if round: lighter along its middle.
        depth = cv2.distanceTransform(solid.astype(np.uint8), cv2.DIST_L2, 3)
        deepest = max(1.0, float(np.percentile(depth[solid], 95)))
        colour = colour * (0.6 + 0.6 * np.clip(depth / deepest, 0, 1))[..., None]
    if rng.random() < 0.4:  # Uneven light.
        light = cv2.resize(rng.normal(0, 1, (5, 5)).astype(np.float32), (side, side), interpolation=cv2.INTER_CUBIC)
        colour = colour * (1 + 0.35 * light)[..., None]
    if np.abs(colour[solid].mean(0) - behind).max() < 14:
        colour = colour + rng.choice([-1, 1]) * rng.uniform(20, 60)
    return np.clip(colour, 0, 255)


def _base_colour(behind: np.ndarray, family: object, rng: np.random.Generator) -> np.ndarray | None:
    """One colour 0..255, or None for a texture."""
    kind = rng.random()
    if family is power_lines and kind < 0.7:
        return np.full(3, rng.uniform(10, 90) if rng.random() < 0.75 else rng.uniform(190, 250))
    if family is vessel and kind < 0.75:
        return behind * np.array([rng.uniform(0.5, 0.9), rng.uniform(0.35, 0.8), rng.uniform(0.35, 0.8)])
    if kind < 0.45:
        return rng.uniform(0, 255, 3)
    if kind < 0.75:
        low = float(rng.choice([0, 60, 200]))
        return np.full(3, rng.uniform(low, {0.0: 60, 60.0: 200, 200.0: 255}[low])) + rng.normal(0, 6, 3)
    return None
