"""Joins an object of several areas and holes into one ring, for formats whose objects are a single list of points.

Further rings are connected to the first by corridors without width, there and back along the same line. So a filled
ring is exactly the object by either fill rule. Knows nothing of files.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from samhq.masks.polygons import Polygon, rings


def bridged(polygons: Sequence[Polygon]) -> np.ndarray:
    """The polygons with their holes as one ring of points [N,2], not closed; the widest area comes first.

    A ring is entered from the nearest corner of the first one. Without polygons the ring is [0,2].

    >>> bridged([Polygon(np.array([[0, 0], [9, 0], [9, 9], [0, 9]]), [np.array([[1, 1], [1, 2], [2, 2]])])]).tolist()
    [[0, 0], [1, 1], [1, 2], [2, 2], [1, 1], [0, 0], [9, 0], [9, 9], [0, 9]]
    """
    if not polygons:
        return np.zeros((0, 2), np.int64)
    widest = max(range(len(polygons)), key=lambda i: float(np.ptp(polygons[i].exterior, axis=0).prod()))
    first, *others = rings([polygons[widest], *polygons[:widest], *polygons[widest + 1 :]])
    detours: dict[int, list[np.ndarray]] = {}
    for gate, ring in _gates(first, others):
        detours.setdefault(gate, []).extend([ring, ring[:1], first[gate : gate + 1]])
    parts: list[np.ndarray] = []
    for gate in range(len(first)):
        parts += [first[gate : gate + 1], *detours.get(gate, [])]
    return np.concatenate(parts)


def _gates(first: np.ndarray, others: list[np.ndarray]) -> list[tuple[int, np.ndarray]]:
    """For each other ring: the nearest point of the first ring, and the ring from its own nearest point on."""
    if not others:
        return []
    from scipy.spatial import cKDTree

    distances, nearest = cKDTree(first).query(np.concatenate(others))
    gates, start = [], 0
    for ring in others:
        start_of_ring = int(distances[start : start + len(ring)].argmin())
        gates.append((int(nearest[start + start_of_ring]), np.roll(ring, -start_of_ring, axis=0)))
        start += len(ring)
    return gates
