"""Random objects of several parts in a unit frame: animals, vehicles, plants, furniture, and free combinations.

Each part may get its own texture, and may be prompted alone. Knows nothing about pixels or colours.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from samhq.datasets.drawn.shapes import (
    SOLID,
    TURN,
    Ink,
    Part,
    Rng,
    Shape,
    between,
    chance,
    circle,
    count,
    ellipse,
    fourier_radii,
    log_between,
    mirrored,
    pick,
    polar,
    rectangle,
    smooth_outline,
    stroke,
    superellipse,
    turned,
)


def animal(rng: Rng) -> Shape:
    """Body, head, two or four legs, tail, ears; proportions from lizard to giraffe."""
    long, deep = 0.6, between(rng, 0.18, 0.42)
    leg, thick = between(rng, 0.15, 0.8), between(rng, 0.05, 0.14)
    legs = [limb(rng, (x, deep * 0.5), (x + between(rng, -0.2, 0.2), deep + leg), thick) for x in leg_roots(rng, long)]
    neck, up = between(rng, 0.05, 0.5), between(rng, -0.6, 1.3)
    root = (long * 0.8, -deep * 0.4)
    nose = (root[0] + neck * math.cos(up), root[1] - neck * math.sin(up))
    size = between(rng, 0.14, 0.3)
    head = [stroke([root, nose], deep * 0.9, size * 1.1), Ink(ellipse(*nose, size, size * between(rng, 0.6, 1), 0.3))]
    for side in (-0.6, 0.3)[: count(rng, 0, 2)]:
        tip = (nose[0] + side * size, nose[1] - size * between(rng, 1.2, 2.4))
        head.append(Ink(np.array([(nose[0] - size * 0.6, nose[1]), tip, (nose[0] + size * 0.5, nose[1] - size * 0.4)])))
    bend = smooth_outline(
        np.array([(-long, -0.1), (-long - 0.2, between(rng, -0.6, 0.3)), (-long - 0.5, between(rng, -0.7, 0.7))]), False
    )
    tail = [stroke(bend, between(rng, 0.04, 0.25), 0.02)]
    body = [Ink(ellipse(0, 0, long, deep, between(rng, -0.15, 0.15), 56))]
    body[0] = Ink(body[0].points * (0.85 + 0.15 * fourier_radii(rng)[:, None]))
    return [tail, [ink for part in legs for ink in part], body, head]


def leg_roots(rng: Rng, long: float) -> list[float]:
    """Where legs leave the body: two or four x positions."""
    roots = [-long * 0.75, -long * 0.55, long * 0.5, long * 0.7]
    return roots if chance(rng, 0.7) else roots[1:3]


def limb(rng: Rng, start: tuple[float, float], end: tuple[float, float], width: float) -> Part:
    """A bent, tapering limb from `start` to `end`."""
    middle = ((start[0] + end[0]) / 2 + between(rng, -0.12, 0.12), (start[1] + end[1]) / 2)
    return [stroke(smooth_outline(np.array([start, middle, end]), False, 1), width * 1.5, width * 0.7)]


def figure(rng: Rng) -> Shape:
    """A standing figure: head, trunk, arms and legs in any pose."""
    girth, head = between(rng, 0.1, 0.24), between(rng, 0.1, 0.17)
    legs: Part = []
    arms: Part = []
    for side in (-1, 1):
        legs += limb(
            rng, (side * girth * 0.5, 0.1), (side * between(rng, 0.05, 0.45), between(rng, 0.8, 1)), girth * 0.6
        )
        hand = (side * between(rng, 0.2, 0.7), between(rng, -0.8, 0.3))
        arms += limb(rng, (side * girth * 0.9, -0.42), hand, girth * 0.4)
    half = np.array([(girth * 0.4, -0.55), (girth, -0.45), (girth * between(rng, 0.6, 1.1), -0.1), (girth, 0.18)])
    if chance(rng, 0.3):
        half[-1] = (girth * 2.2, between(rng, 0.3, 0.7))
    face = [stroke([(0, -0.5), (0, -0.65)], girth * 0.6), Ink(ellipse(0, -0.68 - head, head * 0.85, head))]
    return [legs, [Ink(mirrored(smooth_outline(half, False, 1)))], arms, face]


def wheel(rng: Rng, cx: float = 0.0, cy: float = 0.0, radius: float = 1.0) -> Part:
    """A rim with spokes and a hub."""
    rim, inner = between(rng, 0.02, 0.2) * radius, log_between(rng, 0.01, 0.08) * radius
    part = [
        Ink(ellipse(cx, cy, radius, radius, 0, 48)),
        Ink(ellipse(cx, cy, radius - rim, radius - rim, 0, 48), None, True),
    ]
    number, first = count(rng, 3, 20), rng.random()
    for spoke in range(number):
        angle = first + spoke * TURN / number
        part.append(
            stroke([(cx, cy), (cx + radius * math.cos(angle) * 0.98, cy + radius * math.sin(angle) * 0.98)], inner)
        )
    part.append(Ink(ellipse(cx, cy, radius * 0.15, radius * 0.15, 0, 16)))
    return part


def lone_wheel(rng: Rng) -> Shape:
    """One spoked wheel, with its hub as a part."""
    return [wheel(rng), [Ink(circle(28) * between(rng, 0.08, 0.3))]]


def bicycle(rng: Rng) -> Shape:
    """Two spoked wheels and a frame of tubes."""
    size, tube = between(rng, 0.35, 0.5), log_between(rng, 0.02, 0.07)
    back, front, crank = (-0.6, 0.3), (0.6, 0.3), (-0.05, 0.32)
    seat, bars = (-0.2, -0.25 + between(rng, -0.1, 0.1)), (0.42, -0.3 + between(rng, -0.1, 0.1))
    lines = [(back, crank), (crank, seat), (back, seat), (seat, bars), (crank, bars), (bars, front)]
    frame = [stroke(line, tube) for line in lines]
    frame += [stroke([(bars[0] - 0.12, bars[1] - 0.06), (bars[0] + 0.1, bars[1] - 0.12)], tube)]
    saddle = [Ink(ellipse(seat[0], seat[1] - 0.05, 0.14, 0.05))]
    return [wheel(rng, *back, size), wheel(rng, *front, size), frame, saddle]


def car(rng: Rng) -> Shape:
    """A body with wheels, windows and lamps."""
    tall, nose = between(rng, 0.25, 0.6), between(rng, 0.1, 0.6)
    roof = [
        (-1, 0.25),
        (-0.95, -0.1),
        (-0.6, -0.12),
        (-0.4, -tall),
        (0.3, -tall),
        (nose, -0.12),
        (0.95, -0.05),
        (1, 0.25),
    ]
    body = [Ink(smooth_outline(np.array(roof), True, 1))]
    size = between(rng, 0.13, 0.25)
    wheels = [
        [Ink(ellipse(x, 0.25, size, size)), *spokes(rng, x, 0.25, size)] for x in (-0.58, between(rng, 0.45, 0.65))
    ]
    glass = [Ink(np.array([(-0.5, -0.12), (-0.36, -tall + 0.06), (-0.08, -tall + 0.06), (-0.08, -0.12)]))]
    glass += [Ink(np.array([(-0.02, -0.12), (-0.02, -tall + 0.06), (0.26, -tall + 0.06), (nose * 0.85, -0.12)]))]
    lamp = [Ink(ellipse(0.9, 0.08, 0.08, 0.05))]
    return [body, glass, lamp, *wheels]


def spokes(rng: Rng, cx: float, cy: float, size: float) -> Part:
    """Holes in a wheel's disc, or none."""
    number = pick(rng, [0, 0, 3, 5])
    turns = np.arange(number) * TURN / max(number, 1)
    return [
        Ink(
            ellipse(cx + 0.55 * size * math.cos(t), cy + 0.55 * size * math.sin(t), size * 0.18, size * 0.18, 0, 12),
            None,
            True,
        )
        for t in turns
    ]


def flower(rng: Rng) -> Shape:
    """Petals about a centre, on a stem or not."""
    number, long = count(rng, 4, 13), between(rng, 0.35, 0.6)
    wide = between(rng, 0.12, 0.35)
    petal = ellipse(long, 0, long * 0.9, wide)
    petals = [Ink(turned(petal, TURN * i / number)) for i in range(number)]
    centre = [Ink(circle(28) * between(rng, 0.15, 0.35))]
    if chance(rng, 0.4):
        return [petals, centre]
    end = (between(rng, -0.4, 0.4), 2.4)
    stem = [stroke(smooth_outline(np.array([(0, 0), (0.1, 1.2), end]), False), log_between(rng, 0.04, 0.12), 0.06)]
    leaf = [Ink(turned(ellipse(0.4, 0, 0.45, 0.14), between(rng, -0.8, 0.2)) + np.array((0.07, 1.4)))]
    return [stem, leaf, petals, centre] if chance(rng, 0.6) else [stem, petals, centre]


def leaf(rng: Rng) -> Shape:
    """A leaf with veins of another tone and a stalk."""
    bulge = between(rng, 0.2, 0.6)
    y = np.linspace(-1, 0.8, 12)
    half = np.stack([bulge * np.sin(np.linspace(0.02, math.pi - 0.02, 12)) ** between(rng, 0.6, 1.5), y], 1)
    half[1:-1:2, 0] *= between(rng, 0.7, 1)
    veins = [stroke([(0, 0.8), (0, -0.9)], 0.03, 0.01)]
    veins += [stroke([(0, v), (s * bulge * 0.6, v - 0.25)], 0.02, 0.008) for v in (-0.3, 0, 0.3) for s in (-1, 1)]
    return [[Ink(mirrored(half)), stroke([(0, 0.75), (between(rng, -0.1, 0.1), 1.2)], 0.05)], veins]


def furniture(rng: Rng) -> Shape:
    """A chair, table, stool or shelf: a plate or more on thin legs."""
    width, leg = between(rng, 0.5, 1), log_between(rng, 0.03, 0.12)
    skew = between(rng, -0.3, 0.3)
    feet = [stroke([(x * 0.9, 0), (x * between(rng, 0.8, 1.1) + skew * 0.3, 1)], leg) for x in (-width, width)]
    feet += [stroke([(x * 0.7, -0.05), (x * 0.7 + skew, 0.8)], leg) for x in (-width, width)]
    top = np.array([(-width, 0.08), (-width * 0.75, -0.15), (width * 0.85, -0.15), (width, 0.08)])
    parts = [feet, [Ink(top), Ink(rectangle(-width, 0.08, width, 0.08 + leg))]]
    if chance(rng, 0.5):
        back = [stroke([(x * 0.75, -0.1), (x * 0.75 + skew * 0.3, -0.95)], leg) for x in (-width, 0, width)]
        back += [stroke([(-width * 0.75, y), (width * 0.75, y)], leg * 2) for y in (-0.9, -0.55)]
        parts.insert(0, back)
    return parts


def lamp(rng: Rng) -> Shape:
    """A shade or cap on a stand: lamp, umbrella, mushroom, sign post, tree with a round crown."""
    pole = [stroke([(0, -0.2), (between(rng, -0.1, 0.1), 1)], log_between(rng, 0.03, 0.3))]
    half = np.array([(between(rng, 0.02, 0.5), -1), (between(rng, 0.3, 0.9), -0.5), (between(rng, 0.3, 0.9), -0.15)])
    cap = mirrored(smooth_outline(half, False) if chance(rng, 0.6) else half)
    crown = polar(fourier_radii(rng) * between(rng, 0.5, 0.8), 0, -0.5)
    parts = [pole, [Ink(pick(rng, [cap, cap, crown]))]]
    return [*parts, [Ink(superellipse(0, 1, between(rng, 0.2, 0.5), 0.06, 3))]] if chance(rng, 0.4) else parts


def insect(rng: Rng) -> Shape:
    """A mirrored body with thin legs, feelers and wings."""
    legs: Part = []
    wide = between(rng, 0.1, 0.3)
    for side in (-1, 1):
        for y in (-0.2, 0.05, 0.3):
            knee, foot = (side * 0.5, y - 0.15), (side * between(rng, 0.7, 0.9), y + between(rng, 0.0, 0.5))
            legs.append(stroke([(0, y), knee, foot], 0.05, 0.02))
        legs.append(stroke([(0, -0.6), (side * 0.3, -1)], 0.03, 0.015))
    body = [
        Ink(ellipse(0, 0.45, wide, 0.5)),
        Ink(ellipse(0, -0.2, wide * 0.8, 0.28)),
        Ink(ellipse(0, -0.6, wide * 0.7, 0.17)),
    ]
    wing = polar(fourier_radii(rng, 30)) * (0.5, 0.3) + (0.5, -0.2)
    wings = [Ink(turned(wing, 0.4) * (s, 1)) for s in (1, -1)]
    return [legs, wings, body] if chance(rng, 0.6) else [legs, body]


def fish(rng: Rng) -> Shape:
    """A spindle with fins, a tail and an eye."""
    deep = between(rng, 0.2, 0.6)
    tail = [Ink(np.array([(-0.6, 0), (-1.1, -between(rng, 0.2, 0.6)), (-0.95, 0), (-1.1, between(rng, 0.2, 0.6))]))]
    fins = [Ink(np.array([(-0.3, 0), (between(rng, -0.4, 0), -deep - between(rng, 0.1, 0.4)), (0.4, 0)]))]
    fins += [Ink(np.array([(-0.2, 0), (-0.2, deep + between(rng, 0, 0.3)), (0.2, 0)]))]
    return [tail, fins, [Ink(ellipse(0, 0, 0.8, deep))], [Ink(ellipse(0.5, -deep * 0.2, 0.07, 0.07))]]


def house(rng: Rng) -> Shape:
    """Walls, a roof, a door and rows of windows."""
    wide, tall = between(rng, 0.4, 0.9), between(rng, 0.2, 0.8)
    roof = [
        Ink(
            np.array(
                [(-wide * 1.15, -tall), (between(rng, -0.3, 0.3), -tall - between(rng, 0.1, 0.6)), (wide * 1.15, -tall)]
            )
        )
    ]
    panes: Part = []
    columns, rows = count(rng, 1, 4), count(rng, 1, 3)
    for x in (np.arange(columns) + 0.5) / columns * 2 * wide - wide:
        for y in (np.arange(rows) + 0.5) / rows * (tall + 0.4) - tall:
            panes.append(Ink(rectangle(x - 0.25 * wide / columns, y - 0.1, x + 0.25 * wide / columns, y + 0.1)))
    door = [Ink(rectangle(-0.1, 0.5, 0.12, 1))]
    return [[Ink(rectangle(-wide, -tall, wide, 1))], roof, panes, door]


def container(rng: Rng) -> Shape:
    """A mirrored vessel with a band or label, and a handle or a lid."""
    rows = count(rng, 3, 6)
    half = np.stack([rng.uniform(0.25, 0.7, rows), np.linspace(-0.8, 1, rows)], 1)
    outline = mirrored(smooth_outline(half, False))
    low, high = sorted((between(rng, -0.5, 0.9), between(rng, -0.5, 0.9)))
    inside = outline[(outline[:, 1] > low) & (outline[:, 1] < high)]
    parts: Shape = [[Ink(outline)]]
    if len(inside) > 5:
        parts.append([Ink(inside)])
    if chance(rng, 0.5):
        turn = np.linspace(-1.5, 1.5, 14)
        arc = np.stack([0.35 + 0.5 * np.cos(turn), 0.45 * np.sin(turn)], 1)
        parts.insert(0, [stroke(arc, between(rng, 0.06, 0.18))])
    if chance(rng, 0.5):
        parts.append([Ink(superellipse(0, -0.85, half[0, 0] * 1.1, between(rng, 0.05, 0.2), 3))])
    return parts


def attached(rng: Rng) -> Shape:
    """Two to five random silhouettes stuck to one another, perhaps mirrored."""
    shape: Shape = []
    at, symmetric = np.zeros(2), chance(rng, 0.35)
    for number in range(count(rng, 2, 5)):
        size = between(rng, 0.25, 0.9) if number else 0.9
        angle = between(rng, 0, TURN)
        part = [
            Ink(turned(ink.points, angle) * size + at, None if ink.widths is None else ink.widths * size, ink.erase)
            for ink in pick(rng, SOLID)(rng)[0]
        ]
        if symmetric:
            part += [Ink(ink.points * (-1, 1), ink.widths, ink.erase) for ink in part]
        shape.append(part)
        direction = between(rng, 0, TURN)
        at = at + np.array([math.cos(direction), math.sin(direction)]) * size * 0.7
    return shape


def decorated(rng: Rng) -> Shape:
    """One silhouette carrying spots, stripes or a badge that stay inside it."""
    base = (
        [Ink(polar(np.maximum(fourier_radii(rng), 0.5)))]
        if chance(rng, 0.5)
        else [Ink(superellipse(0, 0, 1, between(rng, 0.6, 1), pick(rng, [2.0, 4.0, 12.0])))]
    )
    marks: Part = []
    for _ in range(count(rng, 1, 6)):
        x, y = rng.uniform(-0.3, 0.3, 2)
        marks.append(Ink(polar(fourier_radii(rng, 24) * between(rng, 0.05, 0.22), x, y)))
    return [base, marks]


#: Many-part families.
ASSEMBLED: tuple[Callable[[Rng], Shape], ...] = (
    animal, animal, animal, figure, figure, car, flower, leaf, furniture, lamp, insect, fish, house, container,
    container, attached, attached, attached, decorated, bicycle,
)  # fmt: skip
#: Those of them that are thin more often than not.
ASSEMBLED_THIN: tuple[Callable[[Rng], Shape], ...] = (lone_wheel, bicycle, insect, furniture)
