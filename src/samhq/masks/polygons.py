"""Outlines of masks as polygons with holes, exact to the pixel or simplified.

Coordinates run along pixel borders: the pixel (x, y) is the square from (x, y) to (x + 1, y + 1), so a filled
outline gives the mask back. Knows nothing of files, datasets or OpenCV.

How: every lattice point where an outline turns is a corner. Along each row of the lattice corners pair up into
horizontal edges, along each column into vertical ones, and going from pair to pair walks the rings.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from samhq.masks.arrays import one_mask
from samhq.options import real_number
from samhq.shapes import Bool, Float64, Int, Int64, Shaped


@dataclass(frozen=True, eq=False)
class Polygon:
    """One connected area: an outer ring [N,2] and the rings of its holes, (x, y) on pixel borders, int64.

    Rings are not closed by repeating their first point. The exterior runs clockwise as seen on the screen, holes
    run the other way.
    """

    exterior: Int64[np.ndarray, "N 2"]
    holes: list[Int64[np.ndarray, "M 2"]]


def rings(polygons: Iterable[Polygon]) -> Iterator[np.ndarray]:
    """Every ring [N,2], each polygon's exterior before its holes."""
    for polygon in polygons:
        yield polygon.exterior
        yield from polygon.holes


def polygons_from_mask(mask: Any, tolerance: float = 0.0) -> list[Polygon]:
    """One polygon for every area whose pixels join by their sides, in reading order of their top-left corners.

    `mask` is bool [H,W], an array or a tensor.

    With `tolerance` 0 the outlines are exact, with a corner wherever they turn; no ring meets itself, and rings
    touch at most in single points, so the polygons are valid in the sense of GeoJSON and Shapely. Otherwise corners
    are left out while those left out stay within `tolerance` pixels of the outline (Douglas-Peucker); every ring
    keeps at least three, but rings that lie close together may then cross. An empty mask gives no polygons.

    >>> mask = np.ones((3, 3), bool)
    >>> mask[1, 1] = False
    >>> (polygon,) = polygons_from_mask(mask)
    >>> polygon.exterior.tolist(), polygon.holes[0].tolist()
    ([[0, 0], [3, 0], [3, 3], [0, 3]], [[1, 1], [1, 2], [2, 2], [2, 1]])

    Raises:
        ImageError: not bool [H,W].
        ConfigError: a tolerance that is no finite number from 0 up.
    """
    mask = one_mask(mask)
    tolerance = real_number("tolerance", tolerance, 0)
    rings = sorted((ring for walked in _walk(mask) for ring in _parted(walked)), key=lambda ring: ring[0])
    owners = _owners(rings, mask)
    points = _points([_turned(ring, i == owners[i], mask) for i, ring in enumerate(rings)], mask)
    polygons: dict[int, Polygon] = {}
    for index, ring in enumerate(simplified(points, tolerance) if tolerance else points):
        if owners[index] == index:
            polygons[index] = Polygon(ring, [])
        else:
            polygons[owners[index]].holes.append(ring)
    return list(polygons.values())


def simplified(rings: list[Shaped[np.ndarray, "_ 2"]], tolerance: float) -> list[Shaped[np.ndarray, "_ 2"]]:
    """Each closed ring with some of its points, in their order; those left out lie within `tolerance` of the result.

    A ring stays as it is where fewer than three points would be left.

    >>> simplified([np.array([[0, 0], [5, 1], [9, 0], [9, 9]])], 1.5)[0].tolist()
    [[0, 0], [9, 0], [9, 9]]

    Source: D. Douglas and T. Peucker, 1973; from the first point and the one farthest from it, all rings at once.
    """
    if not rings:
        return []
    lengths = np.array([len(ring) + 1 for ring in rings])
    closed = np.concatenate([part for ring in rings for part in (ring, ring[:1])]).astype(np.float64)
    starts = np.cumsum(lengths) - lengths
    kept = np.zeros(len(closed), bool)
    kept[starts] = kept[starts + lengths - 1] = True
    from_start = ((closed - np.repeat(closed[starts], lengths, axis=0)) ** 2).sum(axis=1)
    kept[_largest(from_start, starts)] = True
    _keep_far_points(closed, kept, tolerance)
    parts = [kept[start : start + len(ring)] for start, ring in zip(starts.tolist(), rings, strict=True)]
    return [ring[part] if part.sum() >= 3 else ring for ring, part in zip(rings, parts, strict=True)]


def _keep_far_points(closed: Float64[np.ndarray, "N 2"], kept: Bool[np.ndarray, " N"], tolerance: float) -> None:
    """Add to `kept`, piece by piece, the point farthest from the piece, until none is beyond the tolerance."""
    undecided = np.flatnonzero(~kept)
    while len(undecided):
        knots = np.flatnonzero(kept)
        piece = np.searchsorted(knots, undecided)
        distances = _distances(closed[undecided], closed[knots[piece - 1]], closed[knots[piece]])
        starts = np.flatnonzero(np.diff(piece, prepend=-1))
        worst = _largest(distances, starts)
        split = distances[worst] > tolerance**2
        kept[undecided[worst[split]]] = True
        undecided = undecided[np.repeat(split, np.diff(starts, append=len(undecided)))]
        undecided = undecided[~kept[undecided]]


def _largest(values: Float64[np.ndarray, " N"], starts: Int[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
    """Where the first largest value lies in each of the parts that begin at `starts`."""
    part = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(values)))
    hits = np.flatnonzero(values == np.maximum.reduceat(values, starts)[part])
    return hits[np.unique(part[hits], return_index=True)[1]]


def _distances(
    points: Float64[np.ndarray, "N 2"], start: Float64[np.ndarray, "N 2"], end: Float64[np.ndarray, "N 2"]
) -> Float64[np.ndarray, " N"]:
    """Squared distances of points from their straight pieces."""
    along, away = end - start, points - start
    length = np.maximum((along**2).sum(axis=1), np.finfo(float).tiny)
    away = away - np.clip((away * along).sum(axis=1) / length, 0, 1)[:, None] * along
    return (away**2).sum(axis=1)


def _walk(mask: Bool[np.ndarray, "H W"]) -> list[list[int]]:
    """All rings as lists of lattice points y * (W + 1) + x, each from its first point in reading order.

    Where two pixels meet by a corner only, the rings keep them apart.
    """
    vertices, rows_swapped = _corners(mask)
    columns = vertices % (mask.shape[1] + 1)
    down = rows_swapped[np.argsort(columns, kind="stable")]
    vertical = np.empty(len(vertices), np.int64)
    vertical[down[0::2]], vertical[down[1::2]] = down[1::2], down[0::2]
    partner, ids = vertical.tolist(), vertices.tolist()
    rings: list[list[int]] = []
    seen = bytearray(len(ids))
    for start in range(0, len(ids), 2):
        if seen[start]:
            continue
        ring: list[int] = []
        here = start
        while not seen[here]:
            across = here ^ 1  # neighbours in reading order are the two ends of a horizontal edge
            seen[here] = seen[across] = 1
            ring += (ids[here], ids[across])
            here = partner[across]
        rings.append(ring)
    return rings


def _corners(mask: Bool[np.ndarray, "H W"]) -> tuple[Int[np.ndarray, " n"], Int[np.ndarray, " n"]]:
    """Lattice points where outlines turn, in reading order, and the same numbering with some neighbours exchanged.

    A point where two pixels meet by their corner turns twice and is listed twice: its first copy ends the edge from
    the left, its second starts the one to the right. Which of them takes the vertical edge from above depends on
    which of the two diagonals is filled; the second result exchanges the copies where it is the rising one.
    """
    padded = np.pad(mask, 1)
    upper, lower = padded[:-1], padded[1:]
    a, b, c, d = upper[:, :-1], upper[:, 1:], lower[:, :-1], lower[:, 1:]
    odd = a ^ b ^ c ^ d
    saddle = (a ^ b) & (a ^ c) & ~odd
    vertices = np.flatnonzero(odd | saddle)
    twice = saddle.ravel()[vertices]
    numbering = np.arange(len(vertices) + int(twice.sum()))
    first_copy = (np.cumsum(twice + 1) - 2)[twice & b.ravel()[vertices]]
    numbering[first_copy], numbering[first_copy + 1] = first_copy + 1, first_copy
    return np.repeat(vertices, twice + 1), numbering


def _parted(ring: list[int]) -> list[list[int]]:
    """A ring that meets itself as several that do not, each from its first point in reading order."""
    if len(set(ring)) == len(ring):
        return [ring]
    rings: list[list[int]] = []
    path: list[int] = []
    place: dict[int, int] = {}
    for vertex in ring:
        if vertex in place:
            loop = path[place[vertex] :]
            del path[place[vertex] :]
            for passed in loop:
                del place[passed]
            rings.append(loop)
        place[vertex] = len(path)
        path.append(vertex)
    turned = ((loop, loop.index(min(loop))) for loop in [*rings, path])
    return [loop[first:] + loop[:first] for loop, first in turned]


def _turned(ring: list[int], outer: bool, mask: Bool[np.ndarray, "H W"]) -> list[int]:
    """The ring clockwise if it is an exterior, otherwise the other way, from the same point."""
    width = mask.shape[1] + 1
    clockwise = ring[1] // width == ring[0] // width  # the first point is the highest, then the leftmost
    return ring if clockwise == outer else ring[:1] + ring[:0:-1]


def _points(rings: list[list[int]], mask: Bool[np.ndarray, "H W"]) -> list[Int64[np.ndarray, "_ 2"]]:
    """Lattice points as (x, y)."""
    flat = np.fromiter(itertools.chain.from_iterable(rings), np.int64)
    xy = np.stack(np.divmod(flat, mask.shape[1] + 1)[::-1], axis=1)
    ends = np.cumsum([len(ring) for ring in rings]).tolist()
    return [xy[end - len(ring) : end] for ring, end in zip(rings, ends, strict=True)]


def _owners(rings: list[list[int]], mask: Bool[np.ndarray, "H W"]) -> list[int]:
    """For each ring the number of the exterior that it belongs to; exteriors belong to themselves.

    The pixel above a hole's first point is filled. The nearest edge to its left is on an exterior or a hole of the
    same area, and on one that starts higher up, whose owner is known by then.
    """
    owners = list(range(len(rings)))
    width = mask.shape[1] + 1
    starts = np.array([ring[0] for ring in rings], np.int64)
    holes = np.flatnonzero(~mask[starts // width, starts % width])
    if not len(holes):
        return owners
    edges, ring_of_edge = _vertical_edges(rings, width)
    nearest = np.searchsorted(edges, starts[holes] - width, side="right") - 1
    for hole, neighbour in zip(holes.tolist(), ring_of_edge[nearest].tolist(), strict=True):
        owners[hole] = owners[neighbour]
    return owners


def _vertical_edges(rings: list[list[int]], width: int) -> tuple[Int[np.ndarray, " E"], Int[np.ndarray, " E"]]:
    """The upper ends of all vertical edges one pixel long, in reading order, and which ring each is part of."""
    lengths = np.array([len(ring) for ring in rings])
    start = np.fromiter(itertools.chain.from_iterable(rings), np.int64)
    following = np.arange(1, len(start) + 1)
    following[np.cumsum(lengths) - 1] = np.cumsum(lengths) - lengths
    end, ring = start[following], np.repeat(np.arange(len(rings)), lengths)
    upright = start % width == end % width
    top, bottom, ring = np.minimum(start, end)[upright], np.maximum(start, end)[upright], ring[upright]
    pixels = (bottom - top) // width
    step = np.arange(pixels.sum()) - np.repeat(np.cumsum(pixels) - pixels, pixels)
    edges = np.repeat(top, pixels) + step * width
    order = np.argsort(edges)
    return edges[order], np.repeat(ring, pixels)[order]
