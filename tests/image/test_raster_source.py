"""Windows of a file are parts of the whole picture, and its place on Earth is kept."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
from tests.image.rasters import TRANSFORM, smooth

from samhq.image.bands import as_rgb
from samhq.image.picture_source import ArraySource, KnowsData, PictureSource
from samhq.image.raster_source import RasterSource
from samhq.image.sources import open_picture
from samhq.image.transform import resize_longest
from samhq.image.windows import Window, whole


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


def test_a_large_picture_is_stretched_strip_by_strip(write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = np.random.default_rng(0).integers(0, 4000, (1500, 1600, 3)).astype(np.uint16)
    source, window = RasterSource(write(raw), (3, 2, 1), (1, 99)), Window(100, 50, 1600, 1500)
    monkeypatch.setattr("samhq.image.raster_source._AT_ONCE", 1 << 17)
    assert source.rendering
    tracemalloc.start()
    read = source.read(window)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert np.array_equal(read, source.rendering.apply(raw)[window.slices()])
    assert peak < 3 * read.nbytes, "as floats the picture alone takes four times its pixels"


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
