"""Windows, tiles that cover a picture, and pieces that are the masks they were made of."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from samhq.errors import ConfigError, ImageError
from samhq.image import rle
from samhq.image.boxes import boxes_from_masks
from samhq.image.regions import Piece, Tile, Window, boxes, tile_grid, whole

quick = settings(max_examples=50, deadline=None)
small_masks = hnp.arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 20)))
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


@pytest.mark.parametrize(("tile", "overlap"), [(0, 0), (10, 10), (10, -1)])
def test_grids_without_a_step_are_refused(tile: int, overlap: int) -> None:
    with pytest.raises(ConfigError, match="overlap"):
        tile_grid((50, 50), tile, overlap)


def test_grids_of_nothing_are_refused() -> None:
    with pytest.raises(ImageError, match="0 x 5"):
        tile_grid((0, 5))


@quick
@given(mask=small_masks, x=st.integers(0, 7), y=st.integers(0, 7), window=windows)
def test_a_piece_is_its_mask(mask: np.ndarray, x: int, y: int, window: Window) -> None:
    full = np.zeros((70, 70), bool)
    full[y : y + mask.shape[0], x : x + mask.shape[1]] = mask
    piece = Piece.of(mask, x, y)
    assert piece.area == full.sum()
    assert np.array_equal(piece.inside(whole(full.shape)), full)
    shown = np.pad(full, 10)[window.shift(10, 10).slices()]
    assert np.array_equal(piece.inside(window), shown)
    if piece.area:
        assert np.array_equal(boxes([piece])[0] - [0, 0, 1, 1], boxes_from_masks(full))
        assert np.array_equal(piece.mask, full[piece.window.slices()])


@quick
@given(mask=small_masks, margins=st.tuples(*[st.integers(0, 2)] * 4))
def test_a_pieces_rle_is_that_of_its_full_mask(mask: np.ndarray, margins: tuple[int, int, int, int]) -> None:
    top, bottom, left, right = margins
    full = np.pad(mask, ((top, bottom), (left, right)))
    assert Piece.of(mask, left, top).rle(full.shape) == rle.encode(full)


@quick
@given(first=small_masks, second=small_masks, x=st.integers(-5, 20), y=st.integers(-5, 20))
def test_shared_counts_pixels_on_both(first: np.ndarray, second: np.ndarray, x: int, y: int) -> None:
    a, b = Piece.of(first), Piece.of(second, x, y)
    around = Window(-5, -5, 50, 50)
    assert a.shared(b) == (a.inside(around) & b.inside(around)).sum()


def test_the_mask_may_change_after_the_piece_was_made() -> None:
    mask = np.ones((3, 3), bool)
    piece = Piece.of(mask)
    mask[:] = False
    assert piece.mask.all()
    piece.mask[:] = False
    assert piece.mask.all()


def test_pieces_are_of_masks(unchecked: None) -> None:
    with pytest.raises(ImageError, match="bool"):
        Piece.of(np.ones((3, 3)))


def test_pictures_that_rle_cannot_describe_are_refused() -> None:
    piece = Piece.of(np.ones((3, 3), bool), 5, 5)
    assert rle.area(piece.rle((8, 8))) == 9
    with pytest.raises(ImageError, match="7 x 8"):
        piece.rle((7, 8))
    with pytest.raises(ImageError, match="4,294,967,295"):
        Piece.of(np.ones((3, 3), bool)).rle((70_000, 70_000))
