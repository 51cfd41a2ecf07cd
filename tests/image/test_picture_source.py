"""Windows of an array are parts of the whole picture."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.image.rasters import smooth

from samhq.errors import ImageError
from samhq.image.picture_source import ArraySource, PictureSource
from samhq.image.transform import resize_longest
from samhq.image.windows import Window

quick = settings(max_examples=30, deadline=None)


def test_an_array_is_no_source_until_it_is_wrapped() -> None:
    assert isinstance(ArraySource(smooth()), PictureSource)
    assert not isinstance(smooth(), PictureSource)


@quick
@given(x=st.integers(0, 129), y=st.integers(0, 89), w=st.integers(1, 130), h=st.integers(1, 90))
def test_a_window_of_an_array_is_a_part_of_it(x: int, y: int, w: int, h: int) -> None:
    window = Window(x, y, min(x + w, 130), min(y + h, 90))
    assert np.array_equal(ArraySource(smooth()).read(window), smooth()[window.slices()])


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
