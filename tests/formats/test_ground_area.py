"""Areas are those on the ellipsoid, in every coordinate system."""

from __future__ import annotations

import sys
from math import atanh, radians, sin, sqrt

import numpy as np
import pytest

from samhq.formats.ground_area import ground_areas

SQUARE = [[0, 0], [10, 0], [10, 10], [0, 10], [0, 0]]
HOLE = [[2, 2], [2, 4], [4, 4], [4, 2], [2, 2]]


def moved(ring: list[list[float]], x: float, y: float, scale: float = 1.0) -> list[list[float]]:
    return (np.array(ring, np.float64) * scale + (x, y)).tolist()


def on_the_ellipsoid(south: float, north: float, degrees: float) -> float:
    """The area between two parallels of WGS 84 over some degrees of longitude, in closed form."""
    a, f = 6_378_137.0, 1 / 298.257223563
    e = sqrt(f * (2 - f))

    def below(latitude: float) -> float:
        s = sin(radians(latitude))
        return s / (1 - (e * s) ** 2) + atanh(e * s) / e

    return (a * (1 - f)) ** 2 / 2 * radians(degrees) * (below(north) - below(south))


@pytest.mark.parametrize("latitude", [-70.0, -0.0005, 52.5])
def test_degrees_are_square_metres_of_the_ellipsoid(latitude: float) -> None:
    pytest.importorskip("rasterio")
    (area,) = ground_areas([[[moved(SQUARE, 13.4, latitude, 1e-4)]]], "EPSG:4326")
    assert area == pytest.approx(on_the_ellipsoid(latitude, latitude + 1e-3, 1e-3), rel=1e-6)


def test_holes_and_further_areas_count() -> None:
    pytest.importorskip("rasterio")
    one, other = moved(SQUARE, 1e6, 5e6), moved(SQUARE, 3e6, 4e6, 2)
    objects = [[[one, moved(HOLE, 1e6, 5e6)], [other]], [], [[other]]]
    found = ground_areas(objects, "EPSG:6933")  # an equal-area map
    assert found == pytest.approx([100 - 4 + 400, 0, 400], rel=1e-4)


def test_metres_that_are_none_and_feet_become_square_metres() -> None:
    pytest.importorskip("rasterio")
    (mercator,) = ground_areas([[[moved(SQUARE, 1.49e6, 6.89e6)]]], "EPSG:3857")  # 52.5 degrees north
    assert mercator == pytest.approx(100 * 0.371, rel=0.01)
    (feet,) = ground_areas([[[moved(SQUARE, 980_000, 200_000)]]], "EPSG:2263")
    assert feet == pytest.approx(100 * 0.3048**2, rel=0.001)
    (utm,) = ground_areas([[[moved(SQUARE, 390_000, 5_820_000)]]], "EPSG:32633")
    assert utm == pytest.approx(100, rel=0.001)


@pytest.mark.parametrize("crs", [None, "nowhere", 'LOCAL_CS["a hall",UNIT["metre",1]]'])
def test_areas_that_are_not_known_are_none(crs: str | None) -> None:
    assert ground_areas([[[SQUARE]], []], crs) == [None, None]


def test_without_rasterio_areas_are_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rasterio", None)
    assert ground_areas([[[SQUARE]]], "EPSG:32633") == [None]
    assert ground_areas([], "EPSG:32633") == []
