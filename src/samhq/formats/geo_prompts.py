"""Prompts in map coordinates: features of GeoJSON become prompts in the pixels of a picture with a position on Earth.

Needs rasterio, which comes with the extra `geo`. Knows nothing about networks.

Source: RFC 7946; the member `crs` is that of the 2008 specification. Features without it are in longitude and latitude.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from samhq.errors import ImageError, PromptError, naming
from samhq.extras import from_extra
from samhq.image.picture_source import PictureSource
from samhq.image.sources import open_picture
from samhq.plural import plural
from samhq.results.picture import Georeference, georeference
from samhq.results.prompt import Prompt
from samhq.shapes import Float64
from samhq.storage.documents import read_json
from samhq.storage.schema import ANY, shown

_POINTS, _AREAS = ("Point", "MultiPoint"), ("Polygon", "MultiPolygon")
_TYPES = ("FeatureCollection", "Feature", *_POINTS, *_AREAS)
_LONGITUDE_LATITUDE = "OGC:CRS84"
PICTURES_OWN = "picture"  #: As `crs`: the coordinate system of the picture.


def is_geojson(value: Any) -> bool:
    """Whether a document says that it is GeoJSON with points or areas."""
    return isinstance(value, Mapping) and value.get("type") in _TYPES


def prompts_from_geojson(
    features: Any, picture: str | os.PathLike[str] | PictureSource, crs: str | None = None
) -> list[Prompt]:
    """A prompt in pixels for each feature that touches the picture, in their order.

    `features` is a GeoJSON file, its content, or a value with `__geo_interface__`, such as a GeoDataFrame. A point or
    several points of one feature are clicks on one object; an area gives its bounding box, cut to the picture. Of a
    feature's properties `label` is the object's class, and `labels` says which of its points are on the object (1) and
    off it (0). `picture` is a GeoTIFF, or what `samhq.open_picture` returns. `crs` overrides the coordinate system that
    the features state, such as "EPSG:4326"; "picture" means the picture's own.

    Raises:
        PromptError: no GeoJSON of points or areas, no feature that touches the picture, or an unknown coordinate
            system.
        ImageError: a picture without a position on Earth, or one that cannot be opened.
        MissingExtraError: rasterio is not installed.
    """
    collection, stated = _collection(features)
    geo, size_hw = _position(picture)
    to_pixels = _Map(geo, crs or stated)
    prompts = []
    for number, feature in enumerate(collection):
        with naming("feature", number, len(collection)):
            prompts.append(_prompt(feature, to_pixels, size_hw))
    inside = [prompt for prompt in prompts if prompt is not None]
    if collection and not inside:
        raise PromptError(
            f"Expected features that touch the picture, got {plural(len(collection), 'feature')} beside it, in "
            f"{to_pixels.source or 'the coordinates of the picture'}. The picture covers {_bounds(geo, size_hw)} in "
            f"{geo.crs or 'coordinates of no stated system'}. Check the coordinate system: crs=..., --crs."
        )
    return inside


def _collection(features: Any) -> tuple[list[Any], str | None]:
    """All features, and the coordinate system that they state."""
    value, crs = features, getattr(features, "crs", None)
    if isinstance(features, (str, os.PathLike)):
        value = read_json(Path(features), "GeoJSON", ANY, PromptError, "Write a FeatureCollection.")
    elif hasattr(features, "__geo_interface__"):
        value = features.__geo_interface__
    if not is_geojson(value):
        raise PromptError(
            f"Expected GeoJSON with a type of {', '.join(_TYPES)}, got {shown(value)}. Convert other files with "
            "ogr2ogr features.geojson FILE."
        )
    stated = crs.to_string() if crs is not None and hasattr(crs, "to_string") else _stated(value)
    listed = value.get("features") if value["type"] == "FeatureCollection" else [value]
    if not isinstance(listed, Sequence):
        raise PromptError(f"Expected a list of features, got {shown(listed)}. Write a FeatureCollection.")
    return list(listed), stated


def _stated(value: Mapping[str, Any]) -> str | None:
    """The name in the member `crs`; None without one."""
    member = value.get("crs")
    properties = member.get("properties") if isinstance(member, Mapping) else None
    name = properties.get("name") if isinstance(properties, Mapping) else None
    return name if isinstance(name, str) else None


def _position(picture: str | os.PathLike[str] | PictureSource) -> tuple[Georeference, tuple[int, int]]:
    if isinstance(picture, (str, os.PathLike)):
        geo = georeference(Path(picture))
        size_hw = (0, 0) if geo is None else open_picture(picture).size_hw
    else:
        transform, size_hw = picture.transform, picture.size_hw
        geo = None if transform is None else Georeference(transform, picture.crs)
    if geo is None:
        name = picture if isinstance(picture, (str, os.PathLike)) else type(picture).__name__
        raise ImageError(
            f"Expected a picture with a position on Earth, such as a GeoTIFF, for features in map coordinates, got "
            f"{name} without one. Give prompts in pixels: points=, box=, --point, --box."
        )
    return geo, size_hw


class _Map:
    """Converts map coordinates to (x, y) in pixels of the picture."""

    def __init__(self, geo: Georeference, source: str | None) -> None:
        """`source` names the system of the coordinates; "picture" the picture's own, None longitude and latitude."""
        of_picture = source == PICTURES_OWN or (source is None and geo.crs is None)
        self.geo, self.source = geo, None if of_picture else (source or _LONGITUDE_LATITUDE)
        if self.source is not None and geo.crs is None:
            raise PromptError(
                f"Expected a picture with a coordinate system for features in {self.source}, got one that names none. "
                f'Give features in its own coordinates, with crs="{PICTURES_OWN}".'
            )

    def pixels(self, coordinates: Float64[np.ndarray, "N 2"]) -> Float64[np.ndarray, "N 2"]:
        points = coordinates if self.source is None else self._in_pictures_system(coordinates)
        a, b, c, d, e, f = self.geo.transform
        pixels = np.linalg.solve(np.array([[a, b], [d, e]]), (points - (c, f)).T).T
        return np.round(pixels, 6)  # Without the rounding errors of the two conversions.

    def _in_pictures_system(self, coordinates: np.ndarray) -> np.ndarray:
        with from_extra("geo", "map coordinates"):
            from rasterio import Env
            from rasterio.crs import CRS
            from rasterio.errors import CRSError
            from rasterio.warp import transform
        try:
            with Env():  # GDAL's own messages go to Python's log.
                source, target = CRS.from_user_input(self.source), CRS.from_user_input(self.geo.crs)
        except CRSError as error:
            raise PromptError(
                f"Expected a coordinate system such as EPSG:4326, got {self.source!r}: {error}. Check its name."
            ) from error
        if not (target.is_geographic or target.is_projected):
            raise PromptError(
                f"Expected a picture whose coordinate system is on Earth, got {self.geo.crs:.80}. Give features in its "
                f'own coordinates, with crs="{PICTURES_OWN}".'
            )
        if source.is_geographic and (np.abs(coordinates) > (360, 90)).any():
            far = coordinates[(np.abs(coordinates) > (360, 90)).any(axis=1)][0].tolist()
            raise PromptError(
                f"Expected longitude and latitude in degrees in {self.source}, got {far}. Name the coordinate system "
                f'of these numbers: crs="EPSG:...", --crs EPSG:...; "{PICTURES_OWN}" is that of the picture.'
            )
        x, y = transform(source, target, *coordinates.T.tolist())
        return np.stack([x, y], axis=1)


def _prompt(feature: Any, to_pixels: _Map, size_hw: tuple[int, int]) -> Prompt | None:
    """The feature's prompt; None if the feature does not touch the picture."""
    geometry = feature.get("geometry") if isinstance(feature, Mapping) and feature.get("type") == "Feature" else feature
    kind = geometry.get("type") if isinstance(geometry, Mapping) else None
    if not isinstance(geometry, Mapping) or kind not in (*_POINTS, *_AREAS):
        raise PromptError(
            f"Expected points or areas, got {kind or shown(geometry)}. Leave it out, or give its bounding box."
        )
    corners = to_pixels.pixels(_vertices(geometry.get("coordinates")))
    properties = feature.get("properties") if feature is not geometry else None
    properties = properties if isinstance(properties, Mapping) else {}
    label = properties.get("label") if isinstance(properties.get("label"), str) else None
    height, width = size_hw
    if kind in _POINTS:
        return _clicks(corners, properties.get("labels"), label, size_hw)
    x0, y0 = np.maximum(corners.min(axis=0), 0)
    x1, y1 = np.minimum(corners.max(axis=0), (width, height))
    return Prompt(box=[float(side) for side in (x0, y0, x1, y1)], label=label) if x0 < x1 and y0 < y1 else None


def _clicks(points: np.ndarray, labels: Any, label: str | None, size_hw: tuple[int, int]) -> Prompt | None:
    """The points of one object that are in the picture, as a prompt; None if there are none."""
    on = [1] * len(points) if labels is None else labels
    if not isinstance(on, Sequence) or len(on) != len(points):
        raise PromptError(
            f"Expected one of labels for each of {plural(len(points), 'point')}, got {shown(labels)}. "
            "Write 1 for a point on the object, 0 for one off it."
        )
    inside = np.flatnonzero(((points >= 0) & (points < size_hw[::-1])).all(axis=1))
    if not len(inside):
        return None
    return Prompt(points[inside].tolist(), [on[row] for row in inside.tolist()], label=label)


def _vertices(coordinates: Any) -> Float64[np.ndarray, "N 2"]:
    """All positions of a geometry, without heights."""
    positions: list[Any] = []
    rest = [coordinates]
    while rest:
        value = rest.pop()
        if not isinstance(value, (list, tuple)) or not value:
            raise PromptError(f"Expected coordinates as lists of numbers, got {shown(value)}. Check the geometry.")
        if isinstance(value[0], (list, tuple)):
            rest.extend(reversed(value))
        else:
            positions.append(value[:2])
    try:
        points = np.array(positions, np.float64)
    except (TypeError, ValueError):
        points = np.zeros(0)
    if points.ndim != 2 or points.shape[1] != 2 or not np.isfinite(points).all():
        raise PromptError(f"Expected coordinates as pairs of finite numbers, got {shown(coordinates)}. Correct them.")
    return points


def _bounds(geo: Georeference, size_hw: tuple[int, int]) -> str:
    height, width = size_hw
    corners = geo.apply(np.array([[0, 0], [width, 0], [0, height], [width, height]], np.float64))
    (x0, y0), (x1, y1) = corners.min(axis=0), corners.max(axis=0)
    return f"x {x0:.8g} to {x1:.8g} and y {y0:.8g} to {y1:.8g}"
