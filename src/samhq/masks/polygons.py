"""Outlines of masks as polygons with holes, exact to the pixel or simplified.

Coordinates run along pixel borders: the pixel (x, y) is the square from (x, y) to (x + 1, y + 1), so filling an outline
gives the mask again. Knows nothing of files, datasets or OpenCV.

Method: every lattice point where an outline turns is a corner. Corners pair up along each row of the lattice into
horizontal edges, and along each column into vertical edges. Following the pairs alternately gives the rings.
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

    Rings do not repeat their first point at the end. On the screen the exterior runs clockwise and holes run
    counter-clockwise.
    """

    exterior: Int64[np.ndarray, "N 2"]
    holes: list[Int64[np.ndarray, "M 2"]]


def rings(polygons: Iterable[Polygon]) -> Iterator[np.ndarray]:
    """Every ring [N,2], each polygon's exterior before its holes."""
    for polygon in polygons:
        yield polygon.exterior
        yield from polygon.holes


def polygons_from_mask(mask: Any, tolerance: float = 0.0) -> list[Polygon]:
    """One polygon for every 4-connected area, in reading order of their top-left corners.

    `mask` is bool [H,W], an array or a tensor.

    With `tolerance` 0 the outlines are exact, with a corner at every turn. No ring meets itself, and rings touch at
    most in single points, so the polygons are valid for GeoJSON and Shapely. With a larger tolerance, corners are
    removed as long as they lie within `tolerance` pixels of the simplified outline (Douglas-Peucker). Every ring keeps
    at least three corners, but simplified rings that lie close together may cross. An empty mask gives no polygons.

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
    """Each closed ring with fewer points, in the same order; removed points lie within `tolerance` of the result.

    A ring does not change if fewer than three points would be left.

    >>> simplified([np.array([[0, 0], [5, 1], [9, 0], [9, 9]])], 1.5)[0].tolist()
    [[0, 0], [9, 0], [9, 9]]

    Source: D. Douglas and T. Peucker, 1973; starts from the first point and the one farthest from it, for all rings at
    once.
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
    """Adds to `kept`, piece by piece, the point farthest from the piece, until all points are within the tolerance."""
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
    """The position of the first largest value in each of the parts that begin at `starts`."""
    part = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(values)))
    hits = np.flatnonzero(values == np.maximum.reduceat(values, starts)[part])
    return hits[np.unique(part[hits], return_index=True)[1]]


def _distances(
    points: Float64[np.ndarray, "N 2"], start: Float64[np.ndarray, "N 2"], end: Float64[np.ndarray, "N 2"]
) -> Float64[np.ndarray, " N"]:
    """Squared distances of points from the straight pieces that replace them."""
    along, away = end - start, points - start
    length = np.maximum((along**2).sum(axis=1), np.finfo(float).tiny)
    away = away - np.clip((away * along).sum(axis=1) / length, 0, 1)[:, None] * along
    return (away**2).sum(axis=1)


def _walk(mask: Bool[np.ndarray, "H W"]) -> list[list[int]]:
    """All rings as lists of lattice points y * (W + 1) + x, each from its first point in reading order.

    Two pixels that meet only at a corner are kept apart.
    """
    vertices, rows_swapped = _corners(mask)
    columns = vertices % (mask.shape[1] + 1)
    down = rows_swapped[np.argsort(columns, kind="stable")]
    vertical = np.empty(len(vertices), np.int64)
    vertical[down[0::2]], vertical[down[1::2]] = down[1::2], down[0::2]
    partner, ids = vertical.tolist(), vertices.tolist()
    rings: list[list[int]] = []
    visited = bytearray(len(ids))
    for start in range(0, len(ids), 2):
        if visited[start]:
            continue
        ring: list[int] = []
        corner = start
        while not visited[corner]:
            across = corner ^ 1  # Neighbours in reading order are the two ends of a horizontal edge.
            visited[corner] = visited[across] = 1
            ring += (ids[corner], ids[across])
            corner = partner[across]
        rings.append(ring)
    return rings


def _corners(mask: Bool[np.ndarray, "H W"]) -> tuple[Int[np.ndarray, " n"], Int[np.ndarray, " n"]]:
    """Lattice points where outlines turn, in reading order, and the same numbering with some neighbours swapped.

    At a point where two pixels meet only at a corner the outline turns twice, so the point is listed twice. Its first
    copy ends the edge from the left, its second copy starts the edge to the right. The filled diagonal decides which
    copy takes the vertical edge from above; the second result swaps the copies if the rising diagonal is filled.
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
    """Splits a ring that meets itself into rings that do not, each from its first point in reading order."""
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
    """The ring from the same point, clockwise if it is an exterior, otherwise counter-clockwise."""
    width = mask.shape[1] + 1
    clockwise = ring[1] // width == ring[0] // width  # The first point is the highest, and of those the leftmost.
    return ring if clockwise == outer else ring[:1] + ring[:0:-1]


def _points(rings: list[list[int]], mask: Bool[np.ndarray, "H W"]) -> list[Int64[np.ndarray, "_ 2"]]:
    """Lattice points as (x, y)."""
    flat = np.fromiter(itertools.chain.from_iterable(rings), np.int64)
    xy = np.stack(np.divmod(flat, mask.shape[1] + 1)[::-1], axis=1)
    ends = np.cumsum([len(ring) for ring in rings]).tolist()
    return [xy[end - len(ring) : end] for ring, end in zip(rings, ends, strict=True)]


def _owners(rings: list[list[int]], mask: Bool[np.ndarray, "H W"]) -> list[int]:
    """For each ring the number of its polygon's exterior; an exterior has its own number.

    The pixel above a hole's first point is filled. The nearest edge to its left belongs to an exterior or a hole of the
    same area. That ring starts higher up, so its owner is already known.
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
    """The upper ends of all vertical edges of one pixel, in reading order, and the ring of each."""
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
