"""Objects followed from frame to frame. That the numbers are the original's is in tests/golden/test_sam2_video.py."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from samhq.errors import PromptError
from samhq.video.encoded import EncodedFrame
from samhq.video.memory import Keep, TrackOptions
from samhq.video.tracker import Clicks, ObjectTracker, square_mask, without_holes, without_overlap
from tests.video import small

CLICK = Clicks(torch.tensor([[11.0, 28.0]]), torch.tensor([1]))
AWAY = Clicks(torch.tensor([[50.0, 10.0]]), torch.tensor([0]))


def tracker(**options: object) -> ObjectTracker:
    return ObjectTracker(small.shared(), TrackOptions(**options), memory_dtype=torch.float32)  # type: ignore[arg-type]


def seen(t: int) -> EncodedFrame:
    return EncodedFrame(t, small.image(t), small.shared())


def passed(following: ObjectTracker, frames: range, reverse: bool = False) -> dict[int, dict[int, torch.Tensor]]:
    """The logits of each object on each frame."""
    following.remember()
    return {t: {n: one.logits for n, one in following.follow(seen(t), reverse=reverse).items()} for t in frames}


def same(a: dict[int, dict[int, torch.Tensor]], b: dict[int, dict[int, torch.Tensor]], within: float = 0.0) -> bool:
    return all((a[t][n] - b[t][n]).abs().max() <= within * a[t][n].abs().mean() for t in a for n in a[t]) and [*a] == [
        *b
    ]


@pytest.mark.parametrize("reverse", [False, True])
def test_forgetting_what_no_frame_looks_at_changes_nothing(reverse: bool) -> None:
    order = range(29, -1, -1) if reverse else range(30)
    found = []
    keeps: tuple[Keep, ...] = ("all", "window")
    for keep in keeps:
        following = tracker(keep=keep)
        following.click(seen(order[0]), 1, CLICK)
        found.append(passed(following, order, reverse))
        kept = following.object(1).memory.tracked
        assert len(kept) == (29 if keep == "all" else 15)
    assert same(*found)


def test_objects_do_not_depend_on_each_other() -> None:
    together = tracker()
    together.click(seen(0), 1, CLICK)
    together.click(seen(0), 5, AWAY + CLICK)
    both = passed(together, range(8))
    for number, clicks in ((1, CLICK), (5, AWAY + CLICK)):
        alone = tracker()
        alone.click(seen(0), number, clicks)
        single = passed(alone, range(8))
        assert same({t: {number: both[t][number]} for t in both}, single, within=1e-4)
    assert not same({t: {1: both[t][1]} for t in both}, {t: {1: both[t][5]} for t in both}, within=0.1)


def test_a_correction_counts_or_is_lost_by_name() -> None:
    found = {}
    for corrections in ("keep", "as-tracked", "original"):
        following = tracker(corrections=corrections, keep="all")
        following.click(seen(0), 1, CLICK)
        before = passed(following, range(8))
        corrected = following.click(seen(4), 1, AWAY).logits
        assert not torch.equal(corrected, before[4][1])
        found[corrections] = (before, passed(following, range(8)), corrected)
    before, after, _ = found["original"]
    assert same(before, after)
    for corrections in ("keep", "as-tracked"):
        before, after, corrected = found[corrections]
        assert torch.equal(after[4][1], corrected)
        assert not torch.allclose(after[6][1], before[6][1], atol=1e-3)
    assert not torch.equal(found["keep"][1][6][1], found["as-tracked"][1][6][1])


def test_clicks_are_added_and_refine_the_mask_before() -> None:
    steps, at_once = tracker(), tracker()
    steps.click(seen(0), 1, CLICK)
    more = steps.click(seen(0), 1, AWAY, more=True).logits
    assert len(steps.object(1).clicks[0].labels) == 2
    assert not torch.equal(more, at_once.click(seen(0), 1, CLICK + AWAY).logits)


def test_a_mask_is_its_own_answer() -> None:
    following = tracker()
    mask = torch.zeros(64, 64)
    mask[16:40, 8:32] = 1
    answer = following.mask(seen(0), 1, mask)
    assert torch.equal(answer.logits[0, 0] > 0, mask[::4, ::4] > 0)
    assert answer.object_score.item() == 10
    assert passed(following, range(2))[0][1] is answer.logits
    empty = following.mask(seen(0), 2, torch.zeros(64, 64))
    assert empty.object_score.item() == -10
    assert torch.equal(empty.pointer, small.shared().no_obj_ptr)


def test_prompts_can_be_taken_back() -> None:
    plain, cleared = tracker(keep="all"), tracker(keep="all")
    for following in (plain, cleared):
        following.click(seen(0), 1, CLICK)
    cleared.click(seen(3), 1, AWAY)
    passed(cleared, range(6))
    cleared.clear_prompts(3, 1)
    assert cleared.object(1).prompted_frames == {0}
    assert same(passed(plain, range(6)), passed(cleared, range(6)))


def test_an_object_can_be_removed() -> None:
    following = tracker()
    following.click(seen(0), 1, CLICK)
    following.click(seen(0), 12, AWAY)
    following.remove(1)
    assert list(passed(following, range(2))[1]) == [12]
    with pytest.raises(PromptError, match=r"number of an object, got 13. Known: 12"):
        following.remove(13)


def test_features_of_earlier_prompts_are_let_go() -> None:
    following = tracker()
    for t in range(4):
        following.click(seen(t), 1, CLICK)
    waiting = following.object(1).pending
    assert [waiting[t].features is None for t in range(4)] == [True, True, True, False]


def test_memory_may_be_stored_in_bfloat16() -> None:
    following = ObjectTracker(small.shared())
    following.click(seen(0), 1, CLICK)
    exact = tracker()
    exact.click(seen(0), 1, CLICK)
    rounded, whole = passed(following, range(5)), passed(exact, range(5))
    assert all(
        one.map is not None and one.map.dtype == torch.bfloat16 for one in following.object(1).memory.tracked.values()
    )
    assert torch.equal(rounded[0][1], whole[0][1])
    assert not same(rounded, whole)
    assert same(rounded, whole, within=0.2)


def test_small_holes_are_filled() -> None:
    logits = torch.ones(1, 1, 8, 8)
    logits[0, 0, 2:4, 2] = -1
    logits[0, 0, 4, 3] = -1  # joined by its corner
    logits[0, 0, :, 6:] = -1
    filled = without_holes(logits, 3)
    assert torch.equal(filled[0, 0, :, 6:], logits[0, 0, :, 6:])
    assert (filled[0, 0, :, :6] > 0).all()
    assert torch.equal(without_holes(logits, 2), logits)


def test_each_pixel_can_be_left_to_its_highest_object() -> None:
    logits = torch.tensor([[[[3.0, -1.0]]], [[[2.0, 4.0]]]])
    assert (without_overlap(logits) > 0)[:, 0, 0].tolist() == [[True, False], [False, True]]


def test_masks_come_to_the_models_side() -> None:
    mask = torch.from_numpy(np.arange(20) < 10).float()[None].expand(10, -1)
    square = square_mask(mask, 64)
    assert square.shape == (64, 64)
    assert square.mean() == 0.5
