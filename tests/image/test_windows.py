"""Windows are sets of pixels; tiles cover a picture."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samhq.errors import ConfigError, ImageError
from samhq.image.windows import Tile, Window, check_tiles, tile_grid, whole

quick = settings(max_examples=50, deadline=None)
windows = st.builds(
    lambda x, y, w, h: Window(x, y, x + w, y + h),
    st.integers(-10, 30),
    st.integers(-10, 30),
    st.integers(1, 30),
    st.integers(1, 30),
)


@quick
@given(a=windows, b=windows)
def test_windows_are_sets_of_pixels(a: Window, b: Window) -> None:
    canvas = Window(-20, -20, 80, 80)

    def pixels(window: Window) -> np.ndarray:
        result = np.zeros(canvas.hw, bool)
        result[window.slices(canvas)] = True
        return result

    assert a.area == pixels(a).sum()
    assert a.meet(b).area == (pixels(a) & pixels(b)).sum()
    if a.meet(b).area:
        assert np.array_equal(pixels(a.meet(b)), pixels(a) & pixels(b))
    assert a.join(b).meet(a) == a
    assert a.shift(3, -2).meet(canvas).area == a.area


@quick
@given(
    height=st.integers(1, 300),
    width=st.integers(1, 300),
    tile=st.integers(1, 90),
    share=st.floats(0, 0.7),
    x=st.integers(0, 200),
    y=st.integers(0, 200),
)
def test_tiles_cover_the_picture(height: int, width: int, tile: int, share: float, x: int, y: int) -> None:
    if height * width > 400 * tile * tile:
        tile += 20
    overlap = int(share * tile)
    tiles = tile_grid((height, width), tile, overlap, (x, y))
    cores = np.zeros((height, width), int)
    for one in tiles:
        assert one.window.hw == (min(tile, height), min(tile, width))
        assert one.window.meet(whole((height, width))) == one.window
        assert one.keep.meet(one.window) == one.keep
        assert one.core.meet(one.keep) == one.core
        assert one.core.area
        cores[one.core.slices()] += 1
        for inner, begin, keep in (
            (one.window.x0 > 0, one.window.x0, one.keep.x0),
            (one.window.y1 < height, -one.window.y1, -one.keep.y1),
        ):
            assert keep - begin >= overlap // 4 if inner else keep == begin
    assert (cores == 1).all()


def test_no_tile_sees_a_core_from_further_inside() -> None:
    size_hw = (200, 230)
    tiles = tile_grid(size_hw, 70, 25, (13, 40))

    def depth(tile: Tile) -> np.ndarray:
        """How far each pixel lies from where the tile ends inside the picture, along the nearer axis."""
        rows, columns = np.indices(size_hw)
        w, far = tile.window, 10**6
        left = columns - w.x0 if w.x0 else np.full(size_hw, far)
        right = w.x1 - 1 - columns if w.x1 < size_hw[1] else np.full(size_hw, far)
        top = rows - w.y0 if w.y0 else np.full(size_hw, far)
        bottom = w.y1 - 1 - rows if w.y1 < size_hw[0] else np.full(size_hw, far)
        return np.minimum(np.minimum(left, right), np.minimum(top, bottom))

    best = np.max([depth(tile) for tile in tiles], axis=0)
    for tile in tiles:
        assert (best - depth(tile))[tile.core.slices()].max() <= 1  # half of an odd overlap is rounded


def test_a_moved_grid_has_tiles_where_it_was_moved_to() -> None:
    begins = {tile.window.x0 for tile in tile_grid((60, 300), 60, 20, (13, 0))}
    assert begins == {0, 13, 53, 93, 133, 173, 213, 240}


@pytest.mark.parametrize(
    ("tile", "overlap"), [(0, 0), (10, 10), (10, -1), (10.5, 2), (float("nan"), None), ("10", 2), (10, True)]
)
def test_grids_without_a_step_are_refused(tile: Any, overlap: Any) -> None:
    with pytest.raises(ConfigError, match=r"overlap|tile"):
        tile_grid((50, 50), tile, overlap)


@pytest.mark.parametrize(
    ("tile", "overlap", "said"),
    [
        (5, None, "Expected tiles of 32 to 32768 pixels a side, got 5. "),
        (40000, None, "got 40000"),
        (1024, 769, "Expected an overlap of at most 768 pixels, three quarters of a tile of 1024, got 769. "),
        (1024, -1, "overlap"),
        (64.5, None, "tile"),
    ],
)
def test_tiles_that_would_keep_a_model_busy_for_hours_are_refused(tile: Any, overlap: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        check_tiles(tile, overlap)


def test_usual_tiles_are_allowed() -> None:
    for tile, overlap in ((32, None), (1024, 256), (1024, 768), (32768, 0)):
        check_tiles(tile, overlap)


def test_grids_of_nothing_are_refused() -> None:
    with pytest.raises(ImageError, match="0 x 5"):
        tile_grid((0, 5))
