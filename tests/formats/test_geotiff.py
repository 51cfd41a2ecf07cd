"""GeoTIFF as rasterio reads it."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from tests.results.drawn import picture, scene

from samhq.errors import ConfigError, MissingExtraError
from samhq.formats.geotiff import write_geotiff
from samhq.results.label_map import label_map
from samhq.results.picture import Georeference

UTM = Georeference((0.5, 0, 400_000, 0, -0.5, 5_000_000), "EPSG:32633")


def test_numbers_colours_and_place_come_back(tmp_path):
    rasterio = pytest.importorskip("rasterio")
    one = scene(geo=UTM)
    with rasterio.open(write_geotiff(one, tmp_path / "a.tif")) as raster:
        np.testing.assert_array_equal(raster.read(1), label_map(one))
        assert raster.crs == rasterio.CRS.from_epsg(32633)
        assert tuple(raster.transform)[:6] == UTM.transform
        assert raster.nodata == 0
        assert raster.dtypes == ("uint8",)
        assert raster.colormap(1)[1][:3] == (86, 180, 233)
    assert [path.name for path in tmp_path.iterdir()] == ["a.tif"]


def test_many_objects_and_large_pictures(tmp_path):
    rasterio = pytest.importorskip("rasterio")
    mask = np.zeros((300, 400), bool)
    mask[250:, 350:] = True
    one = picture(*[mask] * 256, geo=Georeference(UTM.transform))
    with rasterio.open(write_geotiff(one, tmp_path / "a.tif")) as raster:
        assert raster.dtypes == ("uint16",)
        assert raster.crs is None
        assert raster.profile["tiled"]
        np.testing.assert_array_equal(raster.read(1) > 0, mask)


def test_what_is_missing_is_said(tmp_path, monkeypatch):
    pytest.importorskip("rasterio")
    with pytest.raises(ConfigError, match="georeference"):
        write_geotiff(scene(), tmp_path / "a.tif")
    with pytest.raises(ConfigError, match="nowhere"):
        write_geotiff(scene(geo=Georeference(UTM.transform, "nowhere")), tmp_path / "a.tif")
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setitem(sys.modules, "rasterio", None)
    with pytest.raises(MissingExtraError, match=r"samhq\[geo\]"):
        write_geotiff(scene(geo=UTM), tmp_path / "a.tif")
