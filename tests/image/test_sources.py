"""Windows of a source are parts of the whole picture, whatever holds it, and its place on earth is kept."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from samhq.errors import ImageError, MissingExtraError
from samhq.image.bands import as_rgb
from samhq.image.read import read_image
from samhq.image.sources import ArraySource, KnowsData, PictureSource, RasterSource, open_picture
from samhq.image.transform import resize_longest
from samhq.image.windows import Window, whole

quick = settings(max_examples=30, deadline=None)
TRANSFORM = (0.5, 0.0, 300_000.0, 0.0, -0.5, 5_000_000.0)


def smooth(height: int = 90, width: int = 130, channels: int = 3) -> np.ndarray:
    """A picture of gentle waves, uint8."""
    rows, columns, phase = np.ogrid[:height, :width, :channels]
    return np.asarray(127 + 60 * np.sin(rows / 9 + phase) + 60 * np.cos(columns / 11)).astype(np.uint8)


@pytest.fixture
def write(tmp_path: Path) -> Any:
    """Writes bands [H,W,B] as a TIFF by rasterio and gives its path."""
    rasterio = pytest.importorskip("rasterio")

    def written(raw: np.ndarray, name: str = "picture.tif", colours: Any = None, **options: Any) -> Path:
        height, width, count = raw.shape
        options = {"transform": rasterio.Affine(*TRANSFORM), "crs": "EPSG:32633", **options}
        path = tmp_path / name
        with rasterio.open(
            path, "w", driver="GTiff", height=height, width=width, count=count, dtype=raw.dtype, **options
        ) as file:
            file.write(np.moveaxis(raw, -1, 0))
            if colours:
                file.write_colormap(1, colours)
        return path

    return written


def test_an_array_is_no_source_until_it_is_wrapped() -> None:
    assert isinstance(ArraySource(smooth()), PictureSource)
    assert not isinstance(smooth(), PictureSource)


@quick
@given(x=st.integers(0, 129), y=st.integers(0, 89), w=st.integers(1, 130), h=st.integers(1, 90))
def test_a_window_of_an_array_is_a_part_of_it(x: int, y: int, w: int, h: int) -> None:
    window = Window(x, y, min(x + w, 130), min(y + h, 90))
    assert np.array_equal(ArraySource(smooth()).read(window), smooth()[window.slices()])


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


@pytest.mark.parametrize("side", [130, 129, 64, 31, 7])
def test_an_overview_is_the_whole_picture_smaller(side: int) -> None:
    overview = ArraySource(smooth()).overview(side)
    expected = resize_longest(smooth(), side)
    assert overview.shape == expected.shape
    assert np.abs(overview.astype(int) - expected).max() <= 6


def test_an_overview_is_never_enlarged() -> None:
    assert np.array_equal(ArraySource(smooth()).overview(500), smooth())


def test_an_overview_of_a_large_array_is_near_to_the_exact_one() -> None:
    """Far above the side, means of whole blocks come first."""
    large = smooth(901, 1307)
    difference = np.abs(ArraySource(large).overview(60).astype(int) - resize_longest(large, 60))
    assert difference.max() <= 12
    assert difference.mean() <= 2


@pytest.mark.parametrize("window", [Window(0, 0, 131, 5), Window(-1, 0, 5, 5), Window(5, 5, 5, 9)])
def test_windows_outside_are_refused(window: Window) -> None:
    with pytest.raises(ImageError, match="130 wide"):
        ArraySource(smooth()).read(window)


@pytest.mark.parametrize("options", [{}, {"tiled": True, "blockxsize": 32, "blockysize": 16, "compress": "deflate"}])
def test_a_geotiff_is_read_by_window_with_its_place(write: Any, options: dict[str, Any]) -> None:
    path = write(smooth(), **options)
    with RasterSource(path) as source:
        window = Window(40, 20, 99, 71)
        assert isinstance(source, PictureSource)
        assert source.size_hw == (90, 130)
        assert np.array_equal(source.read(window), smooth()[window.slices()])
        assert np.abs(source.overview(64).astype(int) - resize_longest(smooth(), 64)).max() <= 20
        assert source.overview(64).shape == (44, 64, 3)
        assert np.array_equal(source.overview(500), smooth())
        assert source.transform == TRANSFORM
        assert source.crs == "EPSG:32633"


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


def test_a_file_says_which_pixels_have_data(write: Any) -> None:
    raw = smooth().clip(1).astype(np.uint16) * 100
    raw[:30] = raw[:, :40, 0] = 0
    window = Window(10, 20, 60, 50)
    source = open_picture(write(raw, nodata=0), (1, 1, 2), (0, 100))
    assert isinstance(source, KnowsData)
    expected = np.zeros((90, 130), bool)
    expected[30:] = True  # Left of column 40 only band 1 has no data.
    assert np.array_equal(source.valid(window), expected[window.slices()])
    one = open_picture(write(raw, nodata=0), (1,), (0, 100))
    expected[:, :40] = False
    assert np.array_equal(one.valid(window), expected[window.slices()])
    assert open_picture(write(raw), (1, 1, 2), (0, 100)).valid(window) is None
    alpha = np.concatenate([smooth(), np.full((90, 130, 1), 255, np.uint8)], axis=2)
    alpha[:30, :, 3] = 0
    opened = open_picture(write(alpha, photometric="RGB", alpha="YES"))
    assert np.array_equal(opened.valid(window).sum(axis=1), [0] * 10 + [50] * 20)
    assert not isinstance(ArraySource(raw, percentiles=(0, 100)), KnowsData)


def test_palettes_are_shown_in_their_colours(write: Any) -> None:
    entries = np.indices((20, 30)).sum(axis=0).astype(np.uint8)[..., None]
    colours = {entry: (entry * 5, 255 - entry, 7, 255) for entry in range(50)}
    with RasterSource(write(entries, colours=colours)) as source:
        assert source.read(Window(3, 4, 4, 5))[0, 0].tolist() == [35, 248, 7]
        assert set(map(tuple, source.overview(10).reshape(-1, 3))) <= {c[:3] for c in colours.values()}


@pytest.mark.parametrize("nodata", [None, 48])
def test_stretched_palettes_are_still_colours(write: Any, nodata: int | None) -> None:
    entries = np.indices((20, 30)).sum(axis=0).astype(np.uint8)
    colours = np.zeros((256, 3), np.uint8)
    colours[:50] = [(entry * 2, 90 - entry, 100 + entry) for entry in range(50)]
    table = {entry: (*map(int, colours[entry]), 255) for entry in range(50)}
    path = write(entries[..., None], colours=table, nodata=nodata)
    shown = colours[entries].astype(np.float32)
    shown[entries == nodata] = np.nan
    expected = as_rgb(shown, percentiles=(5, 95))
    with RasterSource(path, percentiles=(5, 95)) as source:
        assert np.array_equal(source.read(whole((20, 30))), expected)
        assert np.array_equal(source.read(Window(3, 4, 14, 15)), expected[4:15, 3:14])
        assert set(map(tuple, source.overview(10).reshape(-1, 3))) <= set(map(tuple, expected.reshape(-1, 3)))
    with RasterSource(path, bands=(1,), percentiles=(0, 100)) as source:  # a channel that was asked for is itself
        assert np.ptp(source.read(whole((20, 30))), axis=2).max() == 0


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
