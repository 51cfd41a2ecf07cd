"""Areas on the ground, in square metres, of outlines in map coordinates.

Outlines are projected to a map without distortion of areas, so the areas are true in every coordinate system: also in
degrees, in feet, and in Web Mercator, whose own square metres are more than twice as many at 50 degrees of latitude.
Needs rasterio, which comes with the extra `geo`.

Source: Lambert's azimuthal equal-area projection on the ellipsoid of WGS 84, as PROJ computes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from samhq.shapes import Float64

Ring = Sequence[Sequence[float]]  #: Positions (x, y); the last repeats the first.
_LONGITUDE_LATITUDE = "OGC:CRS84"


def ground_areas(objects: Sequence[Sequence[Sequence[Ring]]], crs: str | None) -> list[float | None]:
    """The area of each object in square metres; None where it is not known.

    An object is a list of areas, each with its outer ring before its holes, in coordinates of `crs`. Areas are not
    known without a coordinate system, in one that is not on Earth, and without rasterio.
    """
    rings = [np.array(ring, np.float64) for areas in objects for area in areas for ring in area]
    projected = _projected(np.concatenate(rings), crs) if rings and crs else None
    if projected is None:
        return [None] * len(objects)
    ends = np.cumsum([len(ring) for ring in rings])
    sizes = iter([_size(ring) for ring in np.split(projected, ends[:-1])])
    totals = [sum(next(sizes) * (1 if hole == 0 else -1) for a in areas for hole in range(len(a))) for areas in objects]
    return [float(total) if np.isfinite(total) else None for total in totals]


def _projected(points: Float64[np.ndarray, "N 2"], crs: str) -> Float64[np.ndarray, "N 2"] | None:
    """The points in metres on an equal-area map around their middle."""
    try:
        from rasterio import Env
        from rasterio.crs import CRS
        from rasterio.errors import CRSError
        from rasterio.warp import transform
    except ImportError:
        return None
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    try:
        with Env():  # GDAL's own messages go to Python's log.
            system = CRS.from_user_input(crs)
            if not (system.is_geographic or system.is_projected):
                return None
            (longitude,), (latitude,) = transform(system, CRS.from_user_input(_LONGITUDE_LATITUDE), *middle[:, None])
            if not np.isfinite([longitude, latitude]).all():
                return None
            around = CRS.from_proj4(f"+proj=laea +lat_0={latitude} +lon_0={longitude} +datum=WGS84 +units=m")
            x, y = transform(system, around, *points.T)
    except CRSError:
        return None
    return np.stack([x, y], axis=1)


def _size(ring: Any) -> float:
    """The area inside a closed ring, whichever way it turns."""
    x, y = (ring[:-1] - ring[0]).T
    return abs(float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))) / 2
