from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from samhq.errors import ImageError, PromptError
from samhq.image import frame as frame_module
from samhq.image.frame import Frame

sizes = st.tuples(st.integers(1, 90), st.integers(1, 90))


@pytest.mark.parametrize(
    ("original_hw", "resized_hw"),
    [
        ((600, 901), (682, 1024)),
        ((300, 450), (683, 1024)),
        ((500, 200), (1024, 410)),
        ((1024, 1024), (1024, 1024)),
        ((2048, 1025), (1024, 513)),  # 512.5 goes up, also where round() would take the even neighbour
        ((1, 5000), (1, 1024)),
    ],
)
def test_published_sizes(original_hw, resized_hw):
    assert Frame.fit(original_hw, 1024).resized_hw == resized_hw


@given(sizes, st.sampled_from([16, 64, 1024]))
def test_the_longer_side_fills_the_square(original_hw, side):
    frame = Frame.fit(original_hw, side)
    assert max(frame.resized_hw) == side
    assert min(frame.resized_hw) >= 1
    exact = min(original_hw) * side / max(original_hw)
    assert abs(min(frame.resized_hw) - exact) <= 0.5 + 1e-9 or min(frame.resized_hw) == 1


@pytest.mark.parametrize("size", [(0, 5), (5, 0), (-1, 3)])
def test_empty_pictures_are_refused(size):
    with pytest.raises(ImageError, match="at least one pixel"):
        Frame.fit(size, 1024)


def test_points_use_the_rounded_sizes():
    points = np.array([[[450.0, 600.0], [0, 0]]])
    expected = [450 * (1024 / 901), 600 * (682 / 600)]
    got = Frame.fit((600, 901), 1024).points_to_model(points)
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got[0, 0], np.array(expected).astype(np.float32))
    np.testing.assert_array_equal(got[0, 1], 0)


@pytest.mark.parametrize("dtype", [torch.int64, torch.float64, torch.float32, torch.float16])
def test_tensors_become_float32_tensors(dtype):
    points = torch.tensor([[450, 600]], dtype=dtype)
    frame = Frame.fit((600, 901), 1024)
    got = frame.points_to_model(points)
    assert got.dtype == torch.float32
    np.testing.assert_allclose(got.numpy(), frame.points_to_model(points.numpy()), rtol=1e-6)
    assert points.dtype == dtype


@given(sizes, st.lists(st.tuples(*[st.floats(-10, 100, width=32)] * 4), min_size=1, max_size=3))
def test_there_and_back(original_hw, boxes):
    frame = Frame.fit(original_hw, 64)
    boxes = np.array(boxes, np.float32)
    model = frame.boxes_to_model(boxes)
    np.testing.assert_array_equal(model.reshape(-1, 2), frame.points_to_model(boxes.reshape(-1, 2)))
    np.testing.assert_allclose(frame.boxes_to_image(model), boxes, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(
        frame.points_to_image(torch.from_numpy(model[:, :2])), boxes[:, :2], rtol=1e-5, atol=1e-5
    )


def plainly(frame: Frame, logits: torch.Tensor) -> torch.Tensor:
    square = F.interpolate(logits, (frame.side, frame.side), mode="bilinear", align_corners=False)
    cut = square[..., : frame.resized_hw[0], : frame.resized_hw[1]]
    return F.interpolate(cut, frame.original_hw, mode="bilinear", align_corners=False)


@settings(max_examples=60, deadline=None)
@given(sizes, st.sampled_from([16, 64, 80]), st.integers(0, 2), st.integers(1, 3), st.integers(0, 99))
def test_logits_are_those_of_the_whole_square(original_hw, side, prompts, candidates, seed):
    frame = Frame.fit(original_hw, side)
    logits = torch.randn(prompts, candidates, side // 4, side // 4, generator=torch.Generator().manual_seed(seed))
    got = frame.logits_to_image(logits)
    assert got.shape == (prompts, candidates, *original_hw)
    if prompts:
        assert torch.equal(got, plainly(frame, logits))


def test_logits_of_a_foreign_grid():
    frame = Frame.fit((30, 50), 64)
    logits = torch.randn(1, 1, 24, 24)
    assert torch.equal(frame.logits_to_image(logits), plainly(frame, logits))


@pytest.mark.parametrize("chunk", [1, 64 * 64 * 2, 1 << 24])
def test_masks_in_chunks_are_the_same_as_whole(monkeypatch, chunk):
    """What GPUs do, on a CPU."""
    monkeypatch.setattr(frame_module, "_CHUNK_PIXELS", chunk)
    frame = Frame.fit((45, 70), 64)
    logits = torch.randn(5, 3, 16, 16)
    for threshold in (0.0, 0.7):
        assert torch.equal(frame._masks_in_chunks(logits, threshold), plainly(frame, logits) > threshold)


def test_masks_of_tensors_are_where_logits_are_above():
    frame = Frame.fit((45, 70), 64)
    logits = torch.randn(5, 3, 16, 16, requires_grad=True)
    for threshold in (0.0, 0.7):
        full = plainly(frame, logits)
        sure = (full - threshold).abs() > 1e-5
        assert torch.equal(frame.masks_to_image(logits, threshold)[sure], (full > threshold)[sure])


def test_chunks_bound_the_floats_alive(monkeypatch):
    seen = []
    whole = Frame.logits_to_image
    monkeypatch.setattr(frame_module, "_CHUNK_PIXELS", 64 * 64 * 4)
    monkeypatch.setattr(Frame, "logits_to_image", lambda self, x: seen.append(len(x)) or whole(self, x))
    elsewhere = torch.randn(9, 2, 16, 16, device="meta")
    assert Frame.fit((45, 70), 64).masks_to_image(elsewhere).shape == (9, 2, 45, 70)
    assert sum(seen) == 18
    assert max(seen) <= 4


def test_zero_is_background():
    assert not Frame.fit((20, 30), 64).masks_to_image(torch.zeros(1, 1, 16, 16)).any()


def test_half_precision_is_raised_before_it_is_resized():
    frame = Frame.fit((45, 70), 64)
    logits = torch.randn(1, 1, 16, 16).bfloat16()
    assert torch.equal(frame.logits_to_image(logits), plainly(frame, logits.float()))


@settings(max_examples=30, deadline=None)
@given(sizes.filter(lambda hw: min(hw) > 12), st.integers(0, 99))
def test_a_mask_comes_back_from_its_prompt(original_hw, seed):
    height, width = original_hw
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    radius = rng.uniform(0.3, 0.5) * min(original_hw)
    mask = (y - rng.uniform(0, height)) ** 2 + (x - rng.uniform(0, width)) ** 2 < radius**2
    frame = Frame.fit(original_hw, 256)
    prompt = frame.mask_to_prompt(mask)
    assert prompt.shape == (1, 64, 64)
    assert prompt.dtype == np.float32
    assert torch.equal(frame.mask_to_prompt(torch.from_numpy(mask)), torch.from_numpy(prompt))
    assert prompt.min() >= -10
    assert prompt.max() <= 10
    back = frame.masks_to_image(prompt[None])[0, 0]
    assert (mask & back).sum() >= 0.8 * (mask | back).sum()


def test_a_mask_prompt_has_background_in_the_padding():
    prompt = Frame.fit((32, 64), 64).mask_to_prompt(torch.ones(32, 64, dtype=torch.bool))
    assert torch.equal(prompt[0, :8], torch.full((8, 16), 10.0))
    assert torch.equal(prompt[0, 8:], torch.full((8, 16), -10.0))


def test_logits_are_taken_as_they_are():
    prompt = Frame.fit((64, 64), 64).mask_to_prompt(np.full((64, 64), 3.5))
    np.testing.assert_allclose(prompt, np.full((1, 16, 16), 3.5))


@pytest.mark.parametrize(
    "mask",
    [np.zeros((1, 4, 4), bool), np.zeros((0, 4), bool), np.zeros((4, 4), np.uint8), np.full((4, 4), np.nan)],
)
def test_unusable_mask_prompts_are_refused(mask):
    with pytest.raises(PromptError, match=r"Expected .* got .*\. [A-Z`]"):
        Frame.fit((4, 4), 16).mask_to_prompt(mask)
