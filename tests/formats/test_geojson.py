"""GeoJSON: rasterio burns the features back, on earth and in pixels; rings turn the right way."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from tests.results.drawn import annotation, filled, masks, picture, scene

from samhq.formats.geojson import geojson, write_geojson
from samhq.results.picture import Georeference, Picture

PLACES = [
    None,
    Georeference((0.5, 0, 400_000, 0, -0.5, 5_000_000), "EPSG:32633"),
    Georeference((0.3, 0.4, 10, 0.4, -0.3, -20), None),
    Georeference((1e-5, 0, 13, 0, -1e-5, 52), "EPSG:4326"),
]


def areas(geometry: dict) -> list[list[list[list[float]]]]:
    return [geometry["coordinates"]] if geometry["type"] == "Polygon" else geometry["coordinates"]


def turning(ring: list[list[float]]) -> float:
    points = np.array(ring) - ring[0]
    return float(np.sum(points[:-1, 0] * points[1:, 1] - points[1:, 0] * points[:-1, 1]))


@settings(deadline=None, max_examples=40)
@given(masks)
@pytest.mark.parametrize("geo", PLACES)
def test_rings_are_closed_and_turn_as_the_standard_says(geo, mask):
    for feature in geojson(picture(mask, geo=geo))["features"]:
        found = areas(feature["geometry"])
        assert (feature["geometry"]["type"] == "Polygon") == (len(found) == 1)
        for exterior, *holes in found:
            assert exterior[0] == exterior[-1]
            assert turning(exterior) > 0
            assert all(hole[0] == hole[-1] and turning(hole) < 0 for hole in holes)


@settings(deadline=None)
@given(masks)
def test_pixels_come_back(mask):
    features = geojson(picture(mask))["features"]
    rings = [np.array(ring[:-1]) for f in features for area in areas(f["geometry"]) for ring in area]
    np.testing.assert_array_equal(filled(rings, mask.shape), mask)
    assert len(features) == mask.any()


@pytest.mark.parametrize("geo", PLACES)
def test_rasterio_burns_the_mask_back(geo):
    features = pytest.importorskip("rasterio.features")
    from rasterio import Affine

    one = scene(geo=geo)
    for feature, (_, item) in zip(geojson(one)["features"], one.objects, strict=True):
        transform = Affine.identity() if geo is None else Affine(*geo.transform)
        burnt = features.rasterize([feature["geometry"]], one.size_hw, transform=transform)
        np.testing.assert_array_equal(burnt, item.mask)
        assert features.is_valid_geom(feature["geometry"])


def test_properties_and_the_coordinate_system_are_written(tmp_path):
    pytest.importorskip("rasterio")
    content = json.loads(write_geojson(scene(geo=PLACES[1]), tmp_path / "a.geojson").read_text())
    assert content["type"] == "FeatureCollection"
    assert content["crs"]["properties"]["name"] == "urn:ogc:def:crs:EPSG::32633"
    assert [f["properties"]["number"] for f in content["features"]] == [1, 2, 4]
    for feature in content["features"]:
        properties = feature["properties"]
        assert properties["area_m2"] == pytest.approx(properties["area"] / 4, rel=0.001), "pixels of half a metre"
    assert not any("area_m2" in feature["properties"] for feature in geojson(scene())["features"])
    assert content["features"][0]["properties"]["label"] == "wheel"
    assert content["features"][0]["properties"]["score"] == 0.9
    assert [f["geometry"]["type"] for f in content["features"]] == ["Polygon", "MultiPolygon", "Polygon"]
    assert "crs" not in geojson(scene(geo=PLACES[3]))
    assert "crs" not in geojson(scene())


def test_a_tolerance_leaves_corners_out():
    y, x = np.ogrid[:100, :100]
    one = Picture("a", (100, 100), (annotation((y - 50) ** 2 + (x - 50) ** 2 < 40**2),))
    exact, rough = (geojson(one, t)["features"][0]["geometry"]["coordinates"][0] for t in (0, 1.5))
    assert len(rough) < len(exact) / 4
