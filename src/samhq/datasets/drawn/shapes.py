"""Random silhouettes in a unit frame: outlines, strokes and holes, single-part.

A shape is a list of parts, a part a list of `Ink`. Frame: x right, y down, centred on the origin, radius about 1.
This module knows nothing about pixels, colours or pictures; `assemblies.py` builds many-part objects from it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TypeVar

import numpy as np

T = TypeVar("T")
Rng = np.random.Generator
TURN = 2 * math.pi


@dataclass(frozen=True)
class Ink:
    """One filled outline, or one stroke when `widths` is given; `erase` cuts a hole into what its part drew before.

    `points` [N,2] as (x, y) and `widths` [N], both in units of the object's radius.
    """

    points: np.ndarray
    widths: np.ndarray | None = None
    erase: bool = False

    @cached_property
    def widest(self) -> float:
        """The largest width of a stroke; 0 for a filled outline."""
        return 0.0 if self.widths is None else float(self.widths.max())

    @cached_property
    def narrowest(self) -> float:
        """The smallest width of a stroke; 0 for a filled outline."""
        return 0.0 if self.widths is None else float(self.widths.min())


Part = list[Ink]
Shape = list[Part]


def between(rng: Rng, low: float, high: float) -> float:
    """A uniform number of [low, high)."""
    return low + (high - low) * rng.random()


def log_between(rng: Rng, low: float, high: float) -> float:
    """A log-uniform number of [low, high)."""
    return math.exp(between(rng, math.log(low), math.log(high)))


def pick(rng: Rng, items: Sequence[T]) -> T:
    """One of the items, all equally likely (a tenth of the time of `Generator.choice`)."""
    return items[int(rng.random() * len(items))]


def count(rng: Rng, low: int, high: int) -> int:
    """A whole number of [low, high], both ends included."""
    return low + int(rng.random() * (high - low + 1))


def chance(rng: Rng, probability: float) -> bool:
    """True with the given probability."""
    return bool(rng.random() < probability)


@lru_cache(maxsize=256)
def unit_steps(number: int) -> np.ndarray:
    """`number` values from 0 to 1, both included; shared, so never write into it."""
    return np.linspace(0, 1, number)


@lru_cache(maxsize=256)
def circle(number: int) -> np.ndarray:
    """`number` points [N,2] of the unit circle; shared, so never write into it."""
    turn = np.arange(number) * (TURN / number)
    return np.stack([np.cos(turn), np.sin(turn)], 1)


def polar(radii: np.ndarray, cx: float = 0.0, cy: float = 0.0) -> np.ndarray:
    """Points [N,2] at the given radii, evenly spread over a turn.

    >>> polar(np.ones(4)).round(3).tolist()[1]
    [0.0, 1.0]
    """
    return circle(len(radii)) * radii[:, None] + (cx, cy)


def ellipse(cx: float, cy: float, rx: float, ry: float, angle: float = 0.0, points: int = 28) -> np.ndarray:
    """Outline [N,2] of an ellipse, turned by `angle` radians."""
    outline = circle(points) * (rx, ry)
    return (turned(outline, angle) if angle else outline) + np.array((cx, cy))


def superellipse(cx: float, cy: float, rx: float, ry: float, power: float, points: int = 40) -> np.ndarray:
    """Outline [N,2] between a diamond (`power` 1), an ellipse (2) and a rounded rectangle (6)."""
    unit = circle(points)
    return np.sign(unit) * np.abs(unit) ** (2 / power) * (rx, ry) + np.array((cx, cy))


def rectangle(x0: float, y0: float, x1: float, y1: float) -> np.ndarray:
    """Outline [4,2] of a rectangle."""
    return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], float)


def turned(points: np.ndarray, angle: float) -> np.ndarray:
    """The points turned about the origin by `angle` radians, from x towards y.

    >>> turned(np.array([[1.0, 0.0]]), math.pi / 2).round(3).tolist()
    [[0.0, 1.0]]
    """
    cos, sin = math.cos(angle), math.sin(angle)
    return points @ np.array([[cos, sin], [-sin, cos]])


def mirrored(half: np.ndarray) -> np.ndarray:
    """A closed outline, symmetric about x = 0, from its right half listed top to bottom.

    >>> mirrored(np.array([[1.0, -1.0], [2.0, 1.0]])).tolist()
    [[1.0, -1.0], [2.0, 1.0], [-2.0, 1.0], [-1.0, -1.0]]
    """
    return np.concatenate([half, half[::-1] * (-1, 1)])


def smooth_outline(points: np.ndarray, closed: bool = True, rounds: int = 2) -> np.ndarray:
    """The outline with its corners cut `rounds` times (Chaikin), twice as many points each time."""
    for _ in range(rounds):
        following = np.roll(points, -1, 0) if closed else points[1:]
        before = points if closed else points[:-1]
        cut = np.empty((2 * len(before), 2))
        cut[0::2] = 0.75 * before + 0.25 * following
        cut[1::2] = 0.25 * before + 0.75 * following
        points = cut if closed else np.concatenate([points[:1], cut, points[-1:]])
    return points


def stroke(points: Sequence[Sequence[float]] | np.ndarray, start: float, end: float | None = None) -> Ink:
    """A stroke whose width goes from `start` to `end` (the same when None)."""
    line = np.asarray(points, float)
    return Ink(line, start + unit_steps(len(line)) * (0.0 if end is None else end - start))


def fourier_radii(rng: Rng, points: int = 56) -> np.ndarray:
    """Radii [N] in 0.15..1 of a random smooth outline; the spectrum's decay is random too."""
    harmonics = count(rng, 2, 11)
    order = np.arange(1, harmonics + 1)
    weight = rng.normal(size=harmonics) / order ** between(rng, 0.6, 1.8)
    turn = np.arange(points) * (TURN / points)
    wave = np.cos(turn[:, None] * order + rng.random(harmonics) * TURN) @ weight
    radii = 1 + between(rng, 0.1, 0.6) * wave
    return np.clip(radii / radii.max(), 0.15, 1)


def blob(rng: Rng) -> Shape:
    """A smooth random contour, sometimes with holes."""
    part = [Ink(polar(fourier_radii(rng)))]
    if chance(rng, 0.15):
        part += holes(rng, count(rng, 1, 4), 0.45)
    return [part]


def holes(rng: Rng, number: int, reach: float) -> list[Ink]:
    """Erasing ellipses within `reach` of the centre."""
    cuts = []
    for _ in range(number):
        angle, far, size = between(rng, 0, TURN), reach * math.sqrt(rng.random()), between(rng, 0.06, 0.25)
        outline = ellipse(far * math.cos(angle), far * math.sin(angle), size, size * between(rng, 0.5, 1), angle, 20)
        cuts.append(Ink(outline, erase=True))
    return cuts


def metaballs(rng: Rng) -> Shape:
    """Discs along a random walk, joined by necks."""
    spots = np.cumsum(rng.normal(size=(count(rng, 2, 7), 2)) * 0.6, 0)
    radii = rng.uniform(0.2, 0.6, len(spots))
    part = [Ink(ellipse(x, y, r, r)) for (x, y), r in zip(spots, radii, strict=True)]
    part.append(Ink(spots, radii * between(rng, 0.5, 1.6)))
    return [part]


def polygon(rng: Rng) -> Shape:
    """A polygon: regular angles or random ones, convex or concave, sharp or rounded."""
    corners = count(rng, 3, 9)
    turn = np.sort(rng.random(corners)) * TURN if chance(rng, 0.5) else np.arange(corners) * TURN / corners
    radii = rng.uniform(between(rng, 0.25, 1), 1, corners)
    points = np.stack([radii * np.cos(turn), radii * np.sin(turn)], 1)
    return [[Ink(smooth_outline(points) if chance(rng, 0.3) else points)]]


def star(rng: Rng) -> Shape:
    """A star or a gear, pointed, blunt or rounded."""
    tips, inner = count(rng, 3, 14), between(rng, 0.25, 0.85)
    pattern = pick(rng, [[1, inner], [1, 1, inner, inner], [1, (1 + inner) / 2, inner, (1 + inner) / 2]])
    points = polar(np.tile(pattern, tips))
    part = [Ink(smooth_outline(points) if chance(rng, 0.4) else points)]
    if chance(rng, 0.3):
        part.append(Ink(circle(28) * (inner * between(rng, 0.2, 0.8)), erase=True))
    return [part]


def ring(rng: Rng) -> Shape:
    """A ring, a frame or an open arc."""
    if chance(rng, 0.35):
        span = between(rng, 1.5, 6.0)
        turn = np.linspace(0, span, 32)
        line = np.stack([np.cos(turn), np.sin(turn) * between(rng, 0.5, 1)], 1)
        return [[stroke(line, log_between(rng, 0.04, 0.6), log_between(rng, 0.04, 0.6))]]
    power, inner = pick(rng, [2.0, 2.0, 3.0, 8.0, 1.2]), between(rng, 0.3, 0.93)
    ry = between(rng, 0.35, 1)
    hole = superellipse(between(rng, -1, 1) * (1 - inner) * 0.5, 0, inner, ry * inner, power)
    return [[Ink(superellipse(0, 0, 1, ry, power)), Ink(hole, erase=True)]]


def rounded_shape(rng: Rng) -> Shape:
    """An ellipse, a capsule, a box or a rounded box of any aspect."""
    ry = log_between(rng, 0.12, 1)
    if chance(rng, 0.25):
        return [[stroke([(-1 + ry, 0), (1 - ry, 0)], 2 * ry)]]
    return [[Ink(superellipse(0, 0, 1, ry, pick(rng, [1.3, 2.0, 2.0, 2.5, 4.0, 8.0, 40.0])))]]


def bar(rng: Rng) -> Shape:
    """A long bar, pole or needle, perhaps bent, perhaps tapering."""
    width = log_between(rng, 0.012, 0.2)
    bend = between(rng, -0.4, 0.4) if chance(rng, 0.4) else 0.0
    x = np.linspace(-1, 1, 9)
    return [[stroke(np.stack([x, bend * (1 - x * x)], 1), width, width * (between(rng, 0.1, 1)))]]


def cable(rng: Rng) -> Shape:
    """A wandering line of one width: cable, rope, worm, spiral."""
    if chance(rng, 0.25):
        turn = np.linspace(0, TURN * between(rng, 1, 4), 90)
        line = np.stack([np.cos(turn), np.sin(turn)], 1) * np.linspace(0.08, 1, 90)[:, None]
    else:
        line = smooth_outline(np.cumsum(rng.normal(size=(count(rng, 4, 9), 2)) * (0.8, 0.5), 0), closed=False, rounds=3)
    width = log_between(rng, 0.01, 0.2)
    return [[stroke(line, width, width * between(rng, 0.3, 1))]]


def branches(rng: Rng) -> Shape:
    """A branching, tapering stroke: tree, antler, root, coral, crack."""
    part: Part = []
    width, spread = log_between(rng, 0.03, 0.16), between(rng, 0.3, 0.9)
    grow(rng, part, (0.0, 1.0), -math.pi / 2, between(rng, 0.5, 0.8), width, spread, count(rng, 3, 5))
    return [part]


def grow(
    rng: Rng, part: Part, at: tuple[float, float], heading: float, length: float, width: float, spread: float, left: int
) -> None:
    """Add a branch from `at` to `part`, and its twigs, `left` generations."""
    bends = np.cumsum(rng.normal(size=4) * 0.22) + heading
    steps = np.stack([np.cos(bends), np.sin(bends)], 1) * (length / 4)
    line = np.concatenate([[at], at + np.cumsum(steps, 0)])
    thin = max(width * 0.6, 0.006)
    part.append(stroke(line, width, thin))
    if left <= 1 or len(part) > 45:
        return
    for _ in range(count(rng, 2, 3)):
        knot = line[count(rng, 2, 4)]
        turn = heading + between(rng, -1, 1) * spread * 1.3
        grow(rng, part, (knot[0], knot[1]), turn, length * between(rng, 0.5, 0.85), thin, spread, left - 1)


def fern(rng: Rng) -> Shape:
    """A stem with paired leaflets, teeth or bristles: fern, feather, comb, fish bone."""
    number, reach, lean = count(rng, 5, 16), between(rng, 0.2, 0.7), between(rng, 0, 0.5)
    part, leafy, width = [stroke([(0, 1), (0, -1)], 0.06, 0.02)], chance(rng, 0.5), log_between(rng, 0.015, 0.09)
    sides = pick(rng, [(1, -1), (1, -1), (1,)])
    for y in np.linspace(-0.9, 0.7, number):
        for side in sides:
            tip = (side * reach * (1 - abs(y) * 0.5), y - lean)
            widths = np.array([0.2, 1.6, 0.2]) * width if leafy else np.full(3, width)
            middle = (tip[0] / 2, (y + tip[1]) / 2 - 0.03)
            part.append(Ink(np.array([(0, y), middle, tip]), widths))
    return [part]


def mesh(rng: Rng) -> Shape:
    """Parallel or crossed bars in a rectangle: fence, grid, ladder, net, blinds."""
    width, tall = log_between(rng, 0.012, 0.09), between(rng, 0.4, 1)
    across, down = count(rng, 2, 9), pick(rng, [0, 0, 2, 3, 4, 6, 8])
    part = [stroke([(x, -tall), (x, tall)], width) for x in np.linspace(-1, 1, across)]
    part += [stroke([(-1, y), (1, y)], width * between(rng, 0.7, 1.5)) for y in np.linspace(-tall, tall, max(down, 2))]
    if chance(rng, 0.2):
        part.append(stroke([(-1, -tall), (1, tall)], width))
    return [part]


def letters(rng: Rng) -> Shape:
    """Strokes between the nodes of a coarse grid, as letters and runes are."""
    part: Part = []
    width, nodes = between(rng, 0.08, 0.45), [(x, y) for x in (-0.6, 0, 0.6) for y in (-1, -0.33, 0.33, 1)]
    node = pick(rng, nodes)
    for _ in range(count(rng, 2, 5)):
        after = pick(rng, nodes)
        if chance(rng, 0.3):
            middle = (node[0] + between(rng, -0.7, 0.7), after[1])
            part.append(stroke(smooth_outline(np.array([node, middle, after], float), False), width))
        else:
            part.append(stroke([node, after], width))
        node = after if chance(rng, 0.75) else pick(rng, nodes)
    return [part]


def profile(rng: Rng) -> Shape:
    """A mirrored profile: vase, bottle, bell, mask, pawn."""
    rows = count(rng, 3, 9)
    half = np.stack([rng.uniform(0.08, 0.8, rows), np.linspace(-1, 1, rows)], 1)
    outline = mirrored(smooth_outline(half, closed=False) if chance(rng, 0.7) else half)
    return [[Ink(outline)]]


def crescent(rng: Rng) -> Shape:
    """A disc bitten by another: moon, banana, horn."""
    shift, size = between(rng, 0.2, 0.8), between(rng, 0.5, 1)
    return [[Ink(ellipse(0, 0, 1, 1)), Ink(ellipse(shift, between(rng, -0.2, 0.2), size, size), erase=True)]]


def cross(rng: Rng) -> Shape:
    """A cross, a T, an L, an arrow or a zigzag made of straight pieces."""
    width = between(rng, 0.1, 0.5)
    lines: list[list[tuple[float, float]]] = pick(
        rng,
        [
            [[(-1, 0), (1, 0)], [(0, -1), (0, 1)]],
            [[(-1, -1), (1, -1)], [(0, -1), (0, 1)]],
            [[(-1, -1), (-1, 1)], [(-1, 1), (0.8, 1)]],
            [[(0, 1), (0, -1)], [(-0.6, -0.4), (0, -1)], [(0.6, -0.4), (0, -1)]],
            [[(-1, 0.5), (-0.4, -0.5)], [(-0.4, -0.5), (0.3, 0.5)], [(0.3, 0.5), (1, -0.5)]],
        ],
    )
    return [[stroke(line, width) for line in lines]]


#: Single-part families. Meshes, cables, branches, ferns and bars come out thin more often than not.
SOLID: tuple[Callable[[Rng], Shape], ...] = (
    blob, blob, blob, metaballs, polygon, polygon, star, ring, rounded_shape, rounded_shape, letters, profile, crescent,
    cross,
)  # fmt: skip
THIN: tuple[Callable[[Rng], Shape], ...] = (bar, cable, branches, branches, fern, mesh, mesh)
