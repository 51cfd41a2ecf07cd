"""Channels are chosen by number and spread between percentiles, the same in every window."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samhq.errors import ConfigError, ImageError
from samhq.image.bands import Rendering, as_rgb, bands_last, rendering
from samhq.image.read import read_image, stretch


def multispectral(dtype: str = "uint16", seed: int = 0) -> np.ndarray:
    """Five bands [30,40,5], each with a range of its own."""
    values = np.random.default_rng(seed).uniform(0, 1, (30, 40, 5)) * [50, 100, 2000, 3000, 9000] + 7
    return values.astype(dtype)


@settings(max_examples=30, deadline=None)
@given(
    bands=st.lists(st.integers(1, 5), min_size=3, max_size=3),
    low=st.floats(0, 40),
    high=st.floats(60, 100),
    dtype=st.sampled_from(["uint8", "uint16", "int16", "float32"]),
)
def test_each_band_is_stretched_alone(bands: list[int], low: float, high: float, dtype: str) -> None:
    raw = multispectral("float32").clip(0, 250).astype(dtype)
    expected = np.stack([stretch(raw[..., band - 1], low, high) for band in bands], axis=-1)
    assert np.abs(as_rgb(raw, bands, (low, high)).astype(int) - expected).max() <= 1


def test_bands_are_counted_from_one() -> None:
    raw = multispectral("uint8")
    assert np.array_equal(as_rgb(raw, (3, 2, 1), None), raw[..., [2, 1, 0]])
    assert np.array_equal(as_rgb(raw, None, None), raw[..., :3])
    assert np.array_equal(as_rgb(raw, [5], None), raw[..., [4, 4, 4]])


def test_either_order_of_axes_is_the_same_picture() -> None:
    raw = multispectral()
    assert np.array_equal(as_rgb(raw.transpose(2, 0, 1)), as_rgb(raw))
    assert np.array_equal(as_rgb(raw[..., 0]), as_rgb(raw[..., :1]))
    assert bands_last(np.zeros((4, 30, 3)), channels_first=True).shape == (30, 3, 4)
    assert np.shares_memory(bands_last(raw), raw)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "bool"])
def test_without_a_stretch_types_mean_what_they_mean_to_read_image(dtype: str) -> None:
    random = np.random.default_rng(0)
    raw = random.integers(0, 2 if dtype == "bool" else np.iinfo(dtype).max + 1, (200, 350, 3)).astype(dtype)
    assert np.array_equal(as_rgb(raw, percentiles=None), read_image(raw))


def test_what_is_missing_is_black_and_counts_for_nothing() -> None:
    raw = np.linspace(10, 20, 400, dtype=np.float32).reshape(20, 20, 1)
    holed = raw.copy()
    holed[:3], holed[4, 4], holed[5, 5] = -9999, np.nan, np.inf
    shown = as_rgb(holed, percentiles=(0, 100), nodata=-9999)
    assert not shown[:3].any()
    assert not shown[[4, 5], [4, 5]].any()
    assert shown.max() == 255
    assert np.array_equal(shown[6:], as_rgb(raw[3:], percentiles=(0, 100))[3:])


def test_windows_are_parts_of_the_whole() -> None:
    raw = multispectral()
    look = rendering(raw, (5, 3, 1))
    assert np.array_equal(look.apply(raw[4:9, 7:20]), look.apply(raw)[4:9, 7:20])
    assert np.array_equal(look.apply_chosen(raw[..., [4, 2, 0]]), look.apply(raw))


def test_large_numbers_keep_their_differences() -> None:
    """float32 cannot tell 2e9 from 2e9 + 100."""
    raw = 2_000_000_000 + np.arange(0, 101, dtype=np.int64)[None, :, None]
    assert as_rgb(raw, percentiles=(0, 100), channels_first=False)[0, [0, 20, 100], 0].tolist() == [0, 51, 255]


def test_neither_input_nor_plain_bytes_are_changed() -> None:
    raw = multispectral()
    before = raw.copy()
    as_rgb(raw)
    assert np.array_equal(raw, before)
    plain = Rendering((1, 2, 3), (0.0,) * 3, (255.0,) * 3)
    assert np.array_equal(plain.apply(raw.astype(np.uint8)), raw.astype(np.uint8)[..., :3])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: as_rgb(multispectral(), (1, 2, 6)), r"1\.\.5"),
        (lambda: as_rgb(multispectral(), (0, 1, 2)), "from 1"),
        (lambda: as_rgb(np.full((4, 4, 3), np.nan)), "nothing but NaN"),
        (lambda: as_rgb(multispectral("float32"), percentiles=None), r"\(2, 98\)"),
        (lambda: as_rgb(np.zeros((2, 3, 4, 5))), "one at a time"),
        (lambda: as_rgb(np.zeros((0, 3))), "got an array"),
    ],
)
def test_pictures_that_cannot_be_shown_are_refused(call: object, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        call()  # type: ignore[operator]


def test_wrong_wishes_are_refused() -> None:
    with pytest.raises(ConfigError, match="one band or three"):
        as_rgb(multispectral(), (1, 2))
    with pytest.raises(ConfigError, match="low < high"):
        as_rgb(multispectral(), percentiles=(98, 2))
