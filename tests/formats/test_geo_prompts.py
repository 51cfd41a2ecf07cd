"""Features in map coordinates become prompts in pixels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.results import drawn

from samhq.errors import ImageError, PromptError
from samhq.formats.geo_prompts import prompts_from_geojson
from samhq.formats.geojson import geojson
from samhq.formats.prompts import read_prompts
from samhq.image.picture_source import ArraySource
from samhq.results.picture import Georeference

TRANSFORM = (0.5, 0.0, 500_000.0, 0.0, -0.5, 5_400_000.0)
SCENE = ArraySource(np.zeros((100, 200, 3), np.uint8), transform=TRANSFORM, crs="EPSG:32633")
UTM = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32633"}}


def feature(kind: str, coordinates: Any, **properties: Any) -> dict[str, Any]:
    return {"type": "Feature", "geometry": {"type": kind, "coordinates": coordinates}, "properties": properties}


def collection(*features: Any, **members: Any) -> dict[str, Any]:
    return {"type": "FeatureCollection", "features": list(features), **members}


def square(x0: float, y0: float, x1: float, y1: float) -> list[list[list[float]]]:
    return [[[x0, y0], [x1, y0], [x1, y1], [x0, y1], [x0, y0]]]


def test_points_are_clicks_and_areas_are_boxes() -> None:
    pytest.importorskip("rasterio")
    asked = collection(
        feature("Point", [500_010, 5_399_990, 12.5], label="tree"),  # with a height
        feature("MultiPoint", [[500_010, 5_399_990], [500_020, 5_399_980]], labels=[1, 0]),
        feature("Polygon", square(500_010, 5_399_960, 500_030, 5_399_990), label="roof"),
        feature("MultiPolygon", [square(500_000, 5_399_960, 500_010, 5_399_970), square(500_050, 5_399_990, 6e5, 6e6)]),
        crs=UTM,
    )  # fmt: skip
    tree, clicks, roof, both = prompts_from_geojson(asked, SCENE)
    assert (tree.points, tree.labels, tree.label) == ([[20, 20]], [1], "tree")
    assert (clicks.points, clicks.labels) == ([[20, 20], [40, 40]], [1, 0])
    assert (roof.box, roof.label) == ([20, 20, 60, 80], "roof")
    assert both.box == [0, 0, 200, 80]  # cut to the picture


def test_longitude_and_latitude_are_the_default() -> None:
    warp = pytest.importorskip("rasterio.warp")
    (longitude,), (latitude,) = warp.transform("EPSG:32633", "EPSG:4326", [500_010], [5_399_990])
    point = {"type": "Point", "coordinates": [longitude, latitude]}
    for crs in (None, "EPSG:4326", "OGC:CRS84"):
        (prompt,) = prompts_from_geojson(point, SCENE, crs)
        np.testing.assert_allclose(prompt.points, [[20, 20]], atol=1e-3)


def test_a_value_with_a_geo_interface_brings_its_system() -> None:
    pytest.importorskip("rasterio")

    class Frame:  # as a GeoDataFrame
        crs = type("Crs", (), {"to_string": lambda _: "EPSG:32633"})()
        __geo_interface__ = collection(feature("Point", (500_010, 5_399_990)))

    assert prompts_from_geojson(Frame(), SCENE)[0].points == [[20, 20]]


def test_what_samhq_writes_comes_back_as_boxes() -> None:
    pytest.importorskip("rasterio")
    mask = np.zeros((100, 200), bool)
    mask[10:30, 40:90] = True
    picture = drawn.picture(mask, geo=Georeference(TRANSFORM, "EPSG:32633"))
    (prompt,) = prompts_from_geojson(geojson(picture), SCENE)
    assert (prompt.box, prompt.label) == ([40, 10, 90, 30], "object")


def test_features_beside_the_picture_are_left_out_unless_all_are() -> None:
    pytest.importorskip("rasterio")
    here, there = feature("Point", [500_010, 5_399_990]), feature("Point", [400_000, 5_399_990])
    beside = feature("Polygon", square(400_000, 5_399_960, 400_030, 5_399_990))
    half = feature("MultiPoint", [[400_000, 5_399_990], [500_010, 5_399_990]], labels=[1, 0])
    first, second = prompts_from_geojson(collection(there, here, beside, half), SCENE, "picture")
    assert (first.points, second.points, second.labels) == ([[20, 20]], [[20, 20]], [0])
    assert prompts_from_geojson(collection(), SCENE) == []
    odd = {"type": "Feature", "geometry": here["geometry"], "properties": [1]}
    assert prompts_from_geojson(odd, SCENE, "picture")[0].label is None
    with pytest.raises(PromptError, match=r"2 features beside it.*x 500000 to 500100 and y 5399950 to 5400000"):
        prompts_from_geojson(collection(there, beside), SCENE, "EPSG:32633")


@pytest.mark.parametrize(
    ("features", "crs", "said"),
    [
        ({"type": "Topology"}, None, "ogr2ogr"),
        (collection(feature("LineString", [[1, 2], [3, 4]])), None, "got LineString"),
        (collection(feature("Point", [1, 2]), {"type": "Feature", "geometry": None}), None, r"Feature 1 \(of 0 to 1\)"),
        (collection(feature("Point", [])), None, "lists of numbers"),
        (collection(feature("Point", ["a", 2])), None, "pairs of finite numbers"),
        (collection(feature("Point", [float("nan"), 2])), None, "pairs of finite numbers"),
        (collection(feature("Point", [500_010, 5_399_990], labels=[1, 1])), "picture", "one of labels for each"),
        (collection(feature("Point", [500_010, 5_399_990])), None, "longitude and latitude in degrees"),
        (collection(feature("Point", [1, 2])), "EPSG:99999", "such as EPSG:4326, got 'EPSG:99999'"),
        ({"type": "FeatureCollection", "features": 3}, None, "a list of features"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_said(features: dict[str, Any], crs: str | None, said: str) -> None:
    pytest.importorskip("rasterio")
    with pytest.raises(PromptError, match=said):
        prompts_from_geojson(features, SCENE, crs)


def test_a_picture_without_a_position_or_system() -> None:
    nowhere = ArraySource(np.zeros((100, 200, 3), np.uint8))
    with pytest.raises(ImageError, match=r"position on Earth.*points="):
        prompts_from_geojson(collection(feature("Point", [1, 2])), nowhere)
    unnamed = ArraySource(np.zeros((100, 200, 3), np.uint8), transform=TRANSFORM)
    asked = collection(feature("Point", [500_010, 5_399_990]))
    assert prompts_from_geojson(asked, unnamed)[0].points == [[20, 20]]
    with pytest.raises(PromptError, match='crs="picture"'):
        prompts_from_geojson(asked, unnamed, "EPSG:32633")


def test_a_picture_in_a_system_of_its_own_takes_prompts_in_that() -> None:
    pytest.importorskip("rasterio")
    hall = ArraySource(SCENE.raw, transform=TRANSFORM, crs='LOCAL_CS["a hall",UNIT["metre",1]]')
    point = {"type": "Point", "coordinates": [500_010, 5_399_990]}
    with pytest.raises(PromptError, match=r'on Earth, got LOCAL_CS.*crs="picture"'):
        prompts_from_geojson({"type": "Point", "coordinates": [15, 48]}, hall)
    (prompt,) = prompts_from_geojson(point, hall, "picture")
    assert prompt.points == [[20, 20]]


def test_a_file_of_prompts_may_be_geojson(tmp_path: Path) -> None:
    rasterio = pytest.importorskip("rasterio")
    scene, file = tmp_path / "scene.tif", tmp_path / "roofs.geojson"
    profile = {"driver": "GTiff", "height": 100, "width": 200, "count": 3, "dtype": "uint8", "crs": "EPSG:32633"}
    with rasterio.open(scene, "w", transform=rasterio.Affine(*TRANSFORM), **profile) as raster:
        raster.write(np.zeros((3, 100, 200), np.uint8))
    file.write_text(json.dumps(collection(feature("Point", [500_010, 5_399_990], label="tree"), crs=UTM)))
    (prompt,) = read_prompts(file).for_picture(scene)
    assert (prompt.points, prompt.label) == ([[20, 20]], "tree")
    assert prompts_from_geojson(file, scene) == [prompt]
    with pytest.raises(PromptError, match="beside it"):
        read_prompts(file, "EPSG:32632").for_picture(scene)
    (tmp_path / "pixels.json").write_text('[{"box": [1, 2, 3, 4]}]')
    with pytest.raises(PromptError, match="Leave --crs out"):
        read_prompts(tmp_path / "pixels.json", "EPSG:4326")
