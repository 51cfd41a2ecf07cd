"""A picture of any kind is opened as a source of windows that show what a viewer shows."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.image.rasters import TRANSFORM, smooth

from samhq.errors import ImageError, MissingExtraError
from samhq.image.bands import as_rgb
from samhq.image.picture_source import ArraySource
from samhq.image.raster_source import RasterSource
from samhq.image.read import read_image
from samhq.image.sources import open_picture
from samhq.image.windows import Window, whole


def test_a_mapped_array_is_read_by_window(tmp_path: Path) -> None:
    raw = np.random.default_rng(0).integers(0, 4000, (60, 80, 5)).astype(np.uint16)
    np.save(tmp_path / "bands.npy", raw)
    source = open_picture(np.load(tmp_path / "bands.npy", mmap_mode="r"), (5, 4, 1), (1, 99))
    window = Window(10, 20, 30, 50)
    assert np.array_equal(source.read(window), as_rgb(raw, (5, 4, 1), (1, 99))[window.slices()])


@pytest.mark.parametrize("bands", [None, (3, 2, 1)])
def test_twelve_bits_in_sixteen_are_not_shown_black(write: Any, bands: tuple[int, ...] | None) -> None:
    raw = smooth().astype(np.uint16) * 16
    for source in (write(raw), write(raw, nodata=65535), raw):
        with pytest.raises(ImageError, match="almost black"):
            open_picture(source, bands).read(Window(0, 0, 9, 9))
    raw[-30:, -30:] = 5000  # One bright place is enough, also for a window elsewhere.
    assert open_picture(write(raw), bands).read(Window(0, 0, 9, 9)).max() <= 16


def test_a_plain_tiff_has_no_place(write: Any, tmp_path: Path) -> None:
    Image.fromarray(smooth()).save(tmp_path / "plain.tif")
    source = open_picture(tmp_path / "plain.tif")
    assert isinstance(source, RasterSource)
    assert (source.transform, source.crs) == (None, None)
    assert np.array_equal(source.read(whole(source.size_hw)), smooth())


def test_bands_of_a_file_are_chosen_and_stretched(write: Any) -> None:
    raw = np.random.default_rng(0).normal(3, 2, (40, 50, 6)).astype(np.float32)
    raw[:5] = -9999
    source = open_picture(write(raw, nodata=-9999), (6, 2, 2), (2, 98))
    shown = source.read(whole((40, 50)))
    assert np.array_equal(shown, as_rgb(raw, (6, 2, 2), (2, 98), nodata=-9999))
    assert np.array_equal(source.read(Window(3, 1, 20, 30)), shown[1:30, 3:20])


@pytest.mark.parametrize("mode", ["RGB", "L", "1", "P", "CMYK", "I;16", "LA", "turned", "white is zero"])
def test_files_show_what_read_image_shows(mode: str, tmp_path: Path, write: Any) -> None:
    path, options = tmp_path / "picture.tif", {}
    picture = Image.fromarray(smooth())
    if mode == "turned":
        options = {"tiffinfo": {274: 6}}
    elif mode == "white is zero":
        picture, options = picture.convert("L"), {"tiffinfo": {262: 0}}
    elif mode == "I;16":
        picture = Image.fromarray(smooth()[..., 0].astype(np.uint16) * 250)
    else:
        picture = picture.convert(mode)
    picture.save(path, **options)
    source = open_picture(path)
    assert np.array_equal(source.read(whole(source.size_hw)), read_image(path))


@pytest.mark.parametrize("suffix", ["jpg", "tif"])
def test_channels_of_a_turned_picture_are_turned_too(tmp_path: Path, suffix: str, write: Any) -> None:
    path, picture = tmp_path / f"picture.{suffix}", Image.fromarray(smooth())
    exif = picture.getexif()
    exif[274] = 6
    picture.save(path, exif=exif)
    upright = read_image(path)
    source = open_picture(path, (3, 2, 1))
    assert source.size_hw == upright.shape[:2] != smooth().shape[:2]
    assert np.array_equal(source.read(whole(source.size_hw)), upright[..., ::-1])


def test_a_picture_that_gdal_shows_otherwise_keeps_its_place(write: Any) -> None:
    bits = (smooth()[..., :1] > 127).astype(np.uint8)
    source = open_picture(write(bits, nbits=1))
    assert isinstance(source, ArraySource)
    assert np.array_equal(source.read(whole((90, 130)))[..., :1], bits * 255)
    assert (source.transform, source.crs) == (TRANSFORM, "EPSG:32633")


def test_other_files_are_read_whole(tmp_path: Path) -> None:
    Image.fromarray(smooth()).save(tmp_path / "picture.png")
    for given_source in (tmp_path / "picture.png", str(tmp_path / "picture.png"), Image.fromarray(smooth()), smooth()):
        assert np.array_equal(open_picture(given_source).read(whole((90, 130))), smooth())
    source = ArraySource(smooth())
    assert open_picture(source) is source


def test_files_that_are_no_pictures_are_refused(tmp_path: Path, write: Any) -> None:
    (tmp_path / "text.tif").write_text("nothing")
    for path in (tmp_path / "text.tif", tmp_path / "missing.tif"):
        with pytest.raises(ImageError, match=path.name):
            open_picture(path)


def test_a_file_that_is_cut_off_is_refused(write: Any) -> None:
    path = write(smooth(), compress="deflate")
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(ImageError):
        open_picture(path).read(whole((90, 130)))


def test_floats_in_a_file_ask_for_a_stretch(write: Any) -> None:
    source = open_picture(write(smooth().astype(np.float32)))
    assert source.transform == TRANSFORM
    with pytest.raises(ImageError, match="stretch"):
        source.read(Window(0, 0, 5, 5))


def test_bands_of_a_file_say_what_is_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "rasterio", None)
    with pytest.raises(MissingExtraError, match=r"samhq\[geo\]"):
        open_picture(tmp_path / "picture.tif", (1, 2, 3))
