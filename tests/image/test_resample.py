"""Arrays are resampled as PyTorch and the frame do it with tensors."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from samhq.image import resample
from samhq.image.frame import Frame, resize_antialiased

sizes = st.tuples(st.integers(1, 90), st.integers(1, 90))


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@given(st.integers(1, 40), st.integers(1, 90))
def test_rows_are_enlarged_as_by_torch(grid: int, size: int) -> None:
    rows = noise(grid, 3)
    expected = F.interpolate(torch.from_numpy(rows)[None, None], (size, 3), mode="bilinear", align_corners=False)
    np.testing.assert_allclose(resample.PictureAxis.of(grid, size, size, size).whole @ rows, expected[0, 0], atol=2e-5)


@settings(max_examples=60)
@given(sizes, st.sampled_from([16, 64, 80]), st.integers(0, 2), st.integers(1, 3), st.integers(0, 99))
def test_logits_of_arrays_are_those_of_tensors(
    original_hw: tuple[int, int], side: int, prompts: int, candidates: int, seed: int
) -> None:
    frame = Frame.fit(original_hw, side)
    logits = noise(prompts, candidates, side // 4, side // 4, seed=seed)
    expected = frame.logits_to_image(torch.from_numpy(logits)).numpy()
    got = frame.logits_to_image(logits)
    assert got.dtype == np.float32
    assert got.shape == expected.shape
    np.testing.assert_allclose(got, expected, atol=2e-5)


@settings(max_examples=60)
@given(sizes, st.sampled_from([0.0, 0.7, -0.3]), st.floats(-2, 2), st.integers(0, 99))
def test_masks_of_arrays_are_where_logits_are_above(
    original_hw: tuple[int, int], threshold: float, shift: float, seed: int
) -> None:
    frame = Frame.fit(original_hw, 64)
    logits = noise(2, 2, 16, 16, seed=seed) + np.float32(shift)
    full = frame.logits_to_image(torch.from_numpy(logits)).numpy()
    sure = np.abs(full - threshold) > 1e-4
    got = frame.masks_to_image(logits, threshold)
    assert got.dtype == np.bool_
    assert np.array_equal(got[sure], (full > threshold)[sure])


def test_masks_do_not_depend_on_the_size_of_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    frame, logits = Frame.fit((45, 70), 64), noise(3, 1, 16, 16)
    whole = frame.masks_to_image(logits)
    for smallest, largest in ((1, 1), (5, 7), (64, 999)):
        monkeypatch.setattr(resample, "_SMALLEST", smallest)
        monkeypatch.setattr(resample, "_LARGEST", largest)
        assert np.array_equal(frame.masks_to_image(logits), whole)


@settings(max_examples=60)
@given(st.integers(1, 30), st.integers(1, 90), st.integers(1, 90), st.integers(1, 90))
def test_blocks_cover_the_picture_and_know_all_their_weights(grid: int, side: int, resized: int, original: int) -> None:
    axis = resample.PictureAxis.of(grid, side, min(resized, side), original)
    whole, built = axis.whole, np.zeros((original, grid), np.float32)
    for block in axis.blocks():
        built[block.pixels, block.taps] = block.weights
    assert np.array_equal(built, whole)
    np.testing.assert_allclose(whole.sum(axis=1), 1, atol=1e-6)


def test_a_mask_of_much_more_pixels_than_logits_is_that_of_its_logits() -> None:
    frame = Frame.fit((700, 900), 64)
    rows, columns = np.mgrid[:16, :16]
    logits = (5 - np.hypot(rows - 6, columns - 7)).astype(np.float32)[None, None]
    full = frame.logits_to_image(torch.from_numpy(logits)).numpy()
    sure = np.abs(full) > 1e-5
    assert np.array_equal(frame.masks_to_image(logits)[sure], (full > 0)[sure])
    assert frame.masks_to_image(logits).any()


def test_one_pixel_is_found_wherever_it_is() -> None:
    frame = Frame.fit((37, 64), 64)
    for row, column in ((0, 0), (8, 15), (4, 7)):
        logits = np.full((1, 1, 16, 16), -1.0, np.float32)
        logits[0, 0, row, column] = 9.0
        assert np.array_equal(frame.masks_to_image(logits), frame.logits_to_image(torch.from_numpy(logits)).numpy() > 0)


@settings(max_examples=40)
@given(sizes, sizes, st.integers(0, 9))
def test_shrinking_reaches_as_far_as_in_torch(size_hw: tuple[int, int], target: tuple[int, int], seed: int) -> None:
    values = noise(*size_hw, seed=seed)
    # In float64: torch's weights of single precision are off by more than these values, now and then by 2.3e-5.
    expected = resize_antialiased(torch.from_numpy(values).double()[None, None], target)[0, 0]
    np.testing.assert_allclose(resample.shrunk(values, target), expected, atol=2e-6)
