"""Blocks that are decided or multiplied out give the pixels and counts of enlarging the whole."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.pretended import DEVICE, Cuda, moved
from torch import Tensor

from samhq.image.frame import Frame
from samhq.inference import enlarge
from samhq.inference.enlarge import Enlarger
from samhq.masks import runs

CPU = torch.device("cpu")
UNSURE = 1e-4  #: a logit so near a level may fall on either side by rounding


def logits(kind: str, grid: int, seed: int, count: int = 3) -> Tensor:
    source = torch.Generator().manual_seed(seed)
    coarse = {"smooth": 3, "edges": 6, "noise": grid}[kind]
    drawn = 4 * torch.randn(count, 1, coarse, coarse, generator=source)
    return torch.nn.functional.interpolate(drawn, (grid, grid), mode="bicubic" if coarse < grid else "nearest")[:, 0]


def check(frame: Frame, low: Tensor, threshold: float, offset: float) -> None:
    whole = frame.logits_to_image(low[:, None])[:, 0]
    height, width = frame.original_hw
    for mask, full in zip(Enlarger(frame, low.shape[-1], CPU).masks(low, threshold, offset), whole, strict=True):
        for count, level in ((mask.above, threshold + offset), (mask.below, threshold - offset)):
            doubt = int(((full - level).abs() < UNSURE).sum())
            assert abs(count - int((full > level).sum())) <= doubt
        ours = runs.mask_of(mask.changes((0, 0, width, height), height), (height, width))
        differs = torch.from_numpy(ours) != (full > threshold)
        assert bool(((full - threshold).abs()[differs] < UNSURE).all())
        assert int(differs.sum()) <= 3


@pytest.mark.parametrize("kind", ["smooth", "edges", "noise"])
@pytest.mark.parametrize("size_hw", [(613, 480), (90, 120), (1024, 1024), (40, 1300), (7, 5), (1, 90)], ids=str)
def test_pixels_and_counts(kind: str, size_hw: tuple[int, int]) -> None:
    check(Frame.fit(size_hw, 1024), logits(kind, 256, 1), 0.0, 1.0)


@pytest.mark.parametrize("kind", ["smooth", "edges", "noise"])
@pytest.mark.parametrize("size_hw", [(613, 480), (40, 300), (7, 5)], ids=str)
@pytest.mark.parametrize("threshold", [0.0, -2.0])
def test_masks_that_a_gpu_makes_together(
    kind: str, size_hw: tuple[int, int], threshold: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of five masks two at a time, in several steps; the program waits for groups and steps, not for masks."""
    monkeypatch.setattr(enlarge, "_TOGETHER", 2 * size_hw[0] * size_hw[1])
    frame, low = Frame.fit(size_hw, 256), logits(kind, 64, 1, 5)
    expected = [*Enlarger(frame, 64, CPU).masks(low, threshold, 1.0)]
    with Cuda() as cuda:
        enlarger = Enlarger(frame, 64, DEVICE)
        cuda.waits.clear()
        found = [*enlarger.masks(moved(low), threshold, 1.0)]
    for ours, cpu in zip(found, expected, strict=True):
        assert (ours.above, ours.below) == (cpu.above, cpu.below)
        for name in ("full", "mixed", "bits"):
            np.testing.assert_array_equal(getattr(ours, name), getattr(cpu, name))
    assert cuda.waits.total() <= 3 * 5
    monkeypatch.setattr(enlarge, "_DEVICE", 1)
    with Cuda():
        for ours, cpu in zip(enlarger.masks(moved(low[:2]), threshold, 1.0), expected, strict=False):
            assert (ours.above, ours.below) == (cpu.above, cpu.below)
            np.testing.assert_array_equal(ours.bits, cpu.bits)


def test_no_masks_on_a_gpu() -> None:
    with Cuda():
        assert not [*Enlarger(Frame.fit((9, 9), 64), 16, DEVICE).masks(moved(torch.zeros(0, 16, 16)), 0.0, 1.0)]
        (empty,) = Enlarger(Frame.fit((9, 9), 64), 16, DEVICE).masks(moved(torch.full((1, 16, 16), -9.0)), 0.0, 1.0)
    assert (empty.above, empty.below, len(empty.bits), empty.full.any()) == (0, 0, 0, False)


@settings(deadline=None, max_examples=60)
@given(
    st.tuples(st.integers(1, 150), st.integers(1, 150)),
    st.sampled_from([64, 96]),
    st.sampled_from(["smooth", "edges", "noise"]),
    st.sampled_from([0.0, 1.5, -2.0]),
    st.sampled_from([0.0, 1.0]),
    st.integers(0, 9),
)
def test_any_size_and_level(
    size_hw: tuple[int, int], side: int, kind: str, threshold: float, offset: float, seed: int
) -> None:
    check(Frame.fit(size_hw, side), logits(kind, side // 4, seed), threshold, offset)


def test_steps_do_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    frame, low = Frame.fit((300, 200), 1024), logits("noise", 256, 3)
    whole = list(Enlarger(frame, 256, CPU).masks(low, 0.0, 1.0))
    monkeypatch.setattr(enlarge, "_CACHE", 1)
    for one, other in zip(whole, Enlarger(frame, 256, CPU).masks(low, 0.0, 1.0), strict=True):
        assert (one.above, one.below) == (other.above, other.below)
        assert np.array_equal(one.bits, other.bits)


def test_most_blocks_of_a_clear_mask_are_decided() -> None:
    y, x = torch.meshgrid(torch.arange(256.0), torch.arange(256.0), indexing="ij")
    disc = (60 - ((x - 120) ** 2 + (y - 140) ** 2).sqrt()).clamp(-10, 10)[None]
    (mask,) = Enlarger(Frame.fit((2000, 3000), 1024), 256, CPU).masks(disc, 0.0, 1.0)
    assert len(mask.mixed) < 80
    assert mask.full.sum() > 10


@pytest.mark.parametrize(("fill", "area"), [(5.0, 90 * 120), (-5.0, 0)])
def test_all_and_nothing(fill: float, area: int) -> None:
    (mask,) = Enlarger(Frame.fit((90, 120), 1024), 256, CPU).masks(torch.full((1, 256, 256), fill), 0.0, 1.0)
    assert (mask.above, mask.below, len(mask.mixed)) == (area, area, 0)
    assert runs.pixels_on(mask.changes((0, 0, 120, 90), 90)) == area


def test_no_masks() -> None:
    assert list(Enlarger(Frame.fit((9, 9), 64), 16, CPU).masks(torch.zeros(0, 16, 16), 0.0, 1.0)) == []


def test_a_crop_lies_where_it_belongs() -> None:
    frame, low = Frame.fit((50, 70), 64), logits("edges", 16, 5)
    for mask in Enlarger(frame, 16, CPU).masks(low, 0.0, 1.0):
        alone = runs.mask_of(mask.changes((0, 0, 70, 50), 50), (50, 70))
        placed = runs.mask_of(mask.changes((30, 20, 100, 70), 90), (90, 130))
        assert np.array_equal(placed[20:70, 30:100], alone)
        assert placed.sum() == alone.sum()
