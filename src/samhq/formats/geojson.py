"""A picture's objects as GeoJSON features: polygons with holes, in pixels or in geographic coordinates.

Source: RFC 7946; exteriors run counter-clockwise and holes clockwise, with y upwards. The `crs` member is that of the
2008 specification, which GDAL and QGIS still read; RFC 7946 itself knows only longitude and latitude.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from samhq.formats.ground_area import ground_areas
from samhq.masks.polygons import Polygon, rings
from samhq.results.annotation import Annotation
from samhq.results.picture import Georeference, Picture
from samhq.storage.atomic import write_json

_LONGITUDE_LATITUDE = {"EPSG:4326", "OGC:CRS84"}


def geojson(picture: Picture, tolerance: float = 0.0) -> dict[str, Any]:
    """A FeatureCollection with one feature for each object; number, label, area in pixels and scores are properties.

    Coordinates are those of `picture.geo`; without it, (x, y) pixels from the top-left corner, y downwards. `tolerance`
    is the largest distance in pixels between a simplified outline and the exact one. `area_m2` is the area inside the
    outline in square metres on the ground, if `picture.geo` names a coordinate system and rasterio is installed.
    """
    objects = picture.objects
    shapes = [[_area(polygon, picture.geo) for polygon in item.polygons(tolerance)] for _, item in objects]
    sizes = ground_areas(shapes, None if picture.geo is None else picture.geo.crs)
    features = [_feature(*given) for given in zip(objects, shapes, sizes, strict=True)]
    collection: dict[str, Any] = {"type": "FeatureCollection", "features": features}
    if picture.geo is not None and picture.geo.crs and picture.geo.crs.upper() not in _LONGITUDE_LATITUDE:
        collection["crs"] = {"type": "name", "properties": {"name": _urn(picture.geo.crs)}}
    return collection


def write_geojson(picture: Picture, path: Path, tolerance: float = 0.0) -> Path:
    """Writes the collection to a file."""
    return write_json(path, geojson(picture, tolerance))


def _feature(numbered: tuple[int, Annotation], areas: list[Any], square_metres: float | None) -> dict[str, Any]:
    number, annotation = numbered
    single = len(areas) == 1
    properties = {
        "number": number,
        "label": annotation.label,
        "area": annotation.area,
        "area_m2": None if square_metres is None else round(square_metres, 3),
        "score": annotation.confidence,
        "stability": annotation.stability,
    }
    return {
        "type": "Feature",
        "geometry": {"type": "Polygon" if single else "MultiPolygon", "coordinates": areas[0] if single else areas},
        "properties": {key: value for key, value in properties.items() if value is not None},
    }


def _area(polygon: Polygon, geo: Georeference | None) -> list[list[list[float]]]:
    """Closed rings, the exterior counter-clockwise and holes clockwise."""
    return [_ring(ring, geo, hole=index > 0) for index, ring in enumerate(rings([polygon]))]


def _ring(ring: np.ndarray, geo: Georeference | None, hole: bool) -> list[list[float]]:
    points = ring if geo is None else geo.apply(ring)
    x, y = (points - points.mean(axis=0)).T
    clockwise = np.dot(x, np.roll(y, -1)) < np.dot(y, np.roll(x, -1))
    points = points[::-1] if clockwise != hole else points
    closed: list[list[float]] = np.concatenate([points, points[:1]]).tolist()
    return closed


def _urn(crs: str) -> str:
    """The name that GDAL writes.

    >>> _urn("EPSG:32633")
    'urn:ogc:def:crs:EPSG::32633'
    """
    authority, _, code = crs.partition(":")
    return f"urn:ogc:def:crs:{authority.upper()}::{code}" if code and ":" not in code else crs
