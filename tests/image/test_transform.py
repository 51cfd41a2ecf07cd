from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from samhq.encoder_config import PIXEL_MEAN, PIXEL_STD
from samhq.errors import ImageError
from samhq.image.frame import Frame
from samhq.image.transform import (
    SquareForm,
    normalise_and_pad,
    resize_longest,
    resize_longest_torch,
    to_pixels,
    to_pixels_fast,
)

sizes = st.tuples(st.integers(1, 50), st.integers(1, 50))


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def triangle_weights(source: int, target: int) -> np.ndarray:
    """The bilinear filter of Pillow written as a matrix [target, source]: a triangle that widens to shrink."""
    scale = source / target
    reach = max(scale, 1.0)
    centre = (np.arange(target)[:, None] + 0.5) * scale
    weights = np.clip(1 - np.abs(np.arange(source)[None] + 0.5 - centre) / reach, 0, None)
    return weights / weights.sum(1, keepdims=True)


def resize_by_matrices(image: np.ndarray, size_hw: tuple[int, int]) -> np.ndarray:
    rows, columns = (triangle_weights(a, b) for a, b in zip(image.shape[:2], size_hw, strict=True))
    return np.einsum("yY,xX,YXc->yxc", rows, columns, image.astype(float))


@settings(max_examples=60, deadline=None)
@given(sizes, st.integers(0, 9))
def test_resize_is_the_antialiased_triangle_filter(size_hw, seed):
    image = picture(*size_hw, seed)
    got = resize_longest(image, 16)
    size = Frame.fit(size_hw, 16).resized_hw
    assert got.dtype == np.uint8
    assert got.shape == (*size, 3)
    # One level: Pillow rounds after each of its two passes.
    assert np.abs(got - resize_by_matrices(image, size)).max() <= 1.01


def test_a_fitting_picture_is_not_copied():
    image = picture(9, 16)
    assert resize_longest(image, 16) is image


@settings(max_examples=40, deadline=None)
@given(sizes, st.integers(0, 9))
def test_pixels_are_normalised_then_padded(size_hw, seed):
    image = picture(*size_hw, seed)
    before = image.copy()
    pixels, frame = to_pixels(image, SquareForm(32))
    height, width = frame.resized_hw
    assert frame == Frame.fit(size_hw, 32)
    assert pixels.shape == (1, 3, 32, 32)
    assert pixels.dtype == torch.float32
    expected = (resize_longest(image, 32).astype(np.float64) - PIXEL_MEAN) / PIXEL_STD
    np.testing.assert_allclose(pixels[0, :, :height, :width].permute(1, 2, 0), expected, atol=1e-6)
    assert not pixels[..., height:, :].any()
    assert not pixels[..., width:].any()
    np.testing.assert_array_equal(image, before)


def test_both_paths_agree():
    image = picture(40, 64)
    pixels, _ = to_pixels(image, SquareForm(64))
    tensor = torch.from_numpy(image).permute(2, 0, 1)[None]
    assert torch.equal(normalise_and_pad(tensor, 64), pixels)


@settings(max_examples=30, deadline=None)
@given(sizes, st.integers(0, 9))
def test_tensors_are_resized_by_height_and_width(size_hw, seed):
    image = picture(*size_hw, seed)
    got = resize_longest_torch(torch.from_numpy(image).permute(2, 0, 1)[None], 16)
    size = Frame.fit(size_hw, 16).resized_hw
    assert got.shape == (1, 3, *size)
    np.testing.assert_allclose(got[0].permute(1, 2, 0), resize_by_matrices(image, size), atol=1e-2)


def test_tensors_of_the_right_size_pass():
    images = torch.rand(2, 3, 16, 8)
    assert resize_longest_torch(images, 16) is images


def test_gradients_reach_the_picture():
    images = torch.rand(1, 3, 8, 6, requires_grad=True)
    normalise_and_pad(resize_longest_torch(images, 16), 16).sum().backward()
    assert images.grad is not None
    assert (images.grad > 0).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_padding_keeps_the_dtype_and_the_input(dtype):
    images = (torch.rand(2, 3, 5, 7) * 255).to(dtype)
    before = images.clone()
    assert normalise_and_pad(images, 16).dtype == dtype
    assert torch.equal(images, before)


@pytest.mark.parametrize(
    "image",
    [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)],
)
def test_other_arrays_are_refused(image):
    with pytest.raises(ImageError, match=r"Expected .* got .*\. [A-Z`]"):
        to_pixels(image, SquareForm(16))


def test_other_tensors_are_refused():
    with pytest.raises(ImageError, match="batch axis"):
        resize_longest_torch(torch.zeros(3, 4, 4), 16)
    with pytest.raises(ImageError, match="at least one pixel"):
        resize_longest_torch(torch.zeros(1, 3, 0, 4), 16)
    for shape in [(3, 4, 4), (1, 1, 4, 4), (1, 3, 17, 4)]:
        with pytest.raises(ImageError, match="up to 16"):
            normalise_and_pad(torch.zeros(shape), 16)


@settings(max_examples=60, deadline=None)
@given(sizes, st.integers(0, 9), st.sampled_from([8, 32, 50]))
def test_the_fast_input_is_a_level_off_at_most(size_hw, seed, side):
    image = picture(*size_hw, seed)
    expected, its_frame = to_pixels(image, SquareForm(side))
    got, frame = to_pixels_fast(image, SquareForm(side))
    assert frame == its_frame
    assert got.shape == expected.shape
    assert got.dtype == torch.float32
    levels = ((got - expected) * torch.tensor(PIXEL_STD, dtype=torch.float32).view(3, 1, 1)).abs()
    assert levels.max() < 1.001


@settings(max_examples=40, deadline=None)
@given(sizes, st.integers(0, 9))
def test_the_fast_input_of_a_squashed_picture_is_not_rounded(size_hw, seed):
    image = picture(*size_hw, seed)
    expected, its_frame = to_pixels(image, SquareForm(32, squashed=True))
    got, frame = to_pixels_fast(image, SquareForm(32, squashed=True))
    assert frame == its_frame
    assert (got - expected).abs().max() < 1e-2


def test_the_fast_input_of_part_of_an_array_leaves_the_array():
    whole = picture(60, 90)
    before = whole.copy()
    part, _ = to_pixels_fast(whole[10:50, 20:80], SquareForm(32))
    assert torch.equal(part, to_pixels_fast(whole[10:50, 20:80].copy(), SquareForm(32))[0])
    np.testing.assert_array_equal(whole, before)
    with pytest.raises(ImageError, match=r"Expected .* got .*"):
        to_pixels_fast(whole[..., 0], SquareForm(32))
