"""Pieces are the masks they were made of."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from samhq.errors import ImageError
from samhq.image.boxes import boxes_from_masks
from samhq.image.windows import Window, whole
from samhq.masks import rle
from samhq.masks.regions import Piece, boxes

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
