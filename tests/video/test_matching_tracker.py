"""The starter follows drawn objects over a photograph; it has no memory of frames."""

from __future__ import annotations

from functools import cache, lru_cache
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import samhq
from samhq.errors import PromptError
from samhq.image.sample_picture import sample_picture
from samhq.results.prompt import Prompt
from samhq.video.followers import PromptFollower
from samhq.video.frames import open_frames
from samhq.video.matching_tracker import Matched, MatchedObject, MatchingFollowing, object_place
from samhq.video.prompts import VideoPrompt
from samhq.video.result import FrameMasks
from samhq.video.saved import read_state, write_state
from samhq.video.segmenter import VideoSegmenter, load_video_model
from tests import tiny

RED, BLUE = (210, 40, 40), (40, 60, 220)
BOXES = {1: [28, 28, 92, 92], 2: [180, 108, 234, 162]}


@cache
def ground() -> np.ndarray:
    return np.asarray(Image.open(sample_picture()).convert("L").convert("RGB").resize((288, 192)))


def disc(x: float, y: float, radius: float) -> np.ndarray:
    rows, columns = np.mgrid[:192, :288]
    return (columns + 0.5 - x) ** 2 + (rows + 0.5 - y) ** 2 < radius**2


def true(t: int) -> dict[int, np.ndarray]:
    """Object 1 goes right and is gone on frames 4 and 5; object 2 goes up."""
    one = disc(60 + 14 * t, 60 + 3 * t, 30) & (t not in (4, 5))
    return {1: one, 2: disc(207, 135 - 6 * t, 25)}


@lru_cache(maxsize=16)
def picture(t: int) -> np.ndarray:
    drawn = ground().copy()
    for number, mask in true(t).items():
        drawn[mask] = RED if number == 1 else BLUE
    return drawn


@cache
def model() -> VideoSegmenter:
    return load_video_model(device="cpu")


def iou(found: np.ndarray, mask: np.ndarray) -> float:
    return float((found & mask).sum() / max((found | mask).sum(), 1))


@cache
def forward() -> tuple[FrameMasks, ...]:
    prompts = [VideoPrompt(number, 0, Prompt(box=box)) for number, box in BOXES.items()]
    return tuple(model().track([picture(t) for t in range(8)], prompts))


def test_objects_are_followed_and_found_again() -> None:
    for t, found in enumerate(forward()):
        assert found.ids == (1, 2)
        for number, mask in true(t).items():
            if mask.any():
                assert iou(found.mask(number), mask) > 0.85, (t, number)
                assert found.scores[number - 1] > 0.5
            else:
                assert not found.mask(number).any()
                assert found.scores[number - 1] == 0


def test_backward_from_the_last_frame() -> None:
    prompts = [VideoPrompt(2, 3, Prompt(box=[182, 92, 232, 142]))]
    found = list(model().track([picture(t) for t in range(5)], prompts, direction="both"))
    assert [frame.index for frame in found] == [3, 4, 2, 1, 0]
    assert all(iou(frame.mask(2), true(frame.index)[2]) > 0.85 for frame in found)


def test_what_is_kept_does_not_grow() -> None:
    tracker = model().tracker()
    tracker.prompt(2, box=BOXES[2])
    sizes = []
    for _ in tracker.track(iter([picture(0)] * 8)):
        saved = tracker.state.saved()
        sizes.append(len(saved[2]["prompted"]) + len(saved[2]["tracked"]))
    assert max(sizes) == sizes[5] == sizes[-1] <= 6


def kept_features(state: MatchingFollowing) -> int:
    return len(state.saved()[1]["prompted"])


def test_many_prompted_frames_keep_their_masks_but_few_features(tmp_path: Path) -> None:
    frames = [picture(t % 8)[::4, ::4] for t in range(24)]
    masks = [disc(20 + t, 20, 12)[:48, :72] for t in range(24)]
    tracker = VideoSegmenter(tiny.shared(tiny.HQ)).tracker()
    sizes = []
    tracker.prompt(1, mask=masks[0])
    for found in tracker.track(iter(frames)):
        tracker.prompt(1, mask=masks[found.index])
        sizes.append(kept_features(tracker.state))
    assert max(sizes) == sizes[8] == sizes[-1] <= 8
    assert sorted(tracker.state.objects[1].prompts_in_memory) == list(range(24))
    assert all(prompt.mask is None for frame, prompt in tracker.state.objects[1].prompts.items() if frame < 16)
    write_state(tmp_path / "state.pt", {"objects": tracker.state.saved()})
    again = VideoSegmenter(tiny.shared(tiny.HQ)).tracker()
    again.state.restore(read_state(tmp_path / "state.pt")["objects"])
    for passing in (tracker, again):
        for found in passing.track(frames, start=0):
            assert (found.mask(1) == masks[found.index]).all()
            assert found.scores.tolist() == [1.0]
            assert kept_features(passing.state) <= 8
    (first,) = again.track(iter(frames[:1]), start=0)
    assert (first.mask(1) == masks[0]).all(), "far from the frame where the pass ended"
    assert again.prompt(1, points=[[20, 20]]) is not None, "its mask prompt was forgotten; the point corrects its mask"


def test_clicks_correct_a_frame_that_was_tracked() -> None:
    """A mask that lost half of the object; a click on the lost half brings it back, and later frames follow."""
    tracker = model().tracker()
    half = true(0)[1] & (np.arange(288) < 60)
    tracker.prompt(1, mask=half)
    for found in tracker.track([picture(t) for t in range(2)]):
        before = found
    assert before.index == 1
    after = tracker.prompt(1, points=[[95, 63]])
    assert after is not None
    assert iou(after.mask(1), true(1)[1]) > max(0.85, iou(before.mask(1), true(1)[1]))
    again = tracker.prompt(1, points=[[70, 60]])  # Added to the first click.
    assert again is not None
    assert iou(again.mask(1), true(1)[1]) > 0.85
    (later,) = tracker.track(iter([picture(2)]))
    assert iou(later.mask(1), true(2)[1]) > 0.85


def test_a_given_mask_is_the_answer() -> None:
    tracker, mask = model().tracker(), true(0)[1]
    tracker.prompt(1, mask=mask)
    (found,) = tracker.track([picture(0)])
    assert (found.mask(1) == mask).all()
    assert found.scores.tolist() == [1.0]


def test_an_interrupted_run_continues_equally(tmp_path: Path) -> None:
    source = open_frames([picture(t) for t in range(6)])
    prompts = [VideoPrompt(1, 0, Prompt(box=BOXES[1])), VideoPrompt(2, 4, Prompt(box=[182, 86, 232, 136]))]
    first = PromptFollower(model(), source, prompts)
    frames = first.frames(None, lambda *_: None)
    for _ in range(3):
        next(frames)
    write_state(tmp_path / "state.pt", first.position())
    whole = [*frames]
    second = PromptFollower(model(), source, prompts).frames(read_state(tmp_path / "state.pt"), lambda *_: None)
    for one, other in zip(whole, second, strict=True):
        assert (one.index, one.ids) == (other.index, other.ids)
        assert (one.masks == other.masks).all()


def test_without_overlap_a_pixel_has_one_object() -> None:
    tracker = model().tracker(overlap=False)
    tracker.prompt(1, box=BOXES[1])
    tracker.prompt(2, box=[20, 20, 240, 170])
    for found in tracker.track([picture(t) for t in range(2)]):
        assert found.masks.sum(0).max() == 1
        assert found.masks[0].any()


def test_a_correction_replaces_what_was_tracked_before_it() -> None:
    """Wrong masks of the frames before would pull the object back to where it was lost."""
    tracker = model().tracker()
    tracker.prompt(2, box=BOXES[2])
    for frame in tracker.track(picture(t) for t in range(6)):
        followed = tracker.state.objects[2]
        assert isinstance(followed, MatchedObject)
        if frame.index == 3:
            assert set(followed.references(4)) == {0, 1, 2, 3}
            tracker.prompt(2, box=[180, 90, 234, 144])
            assert set(followed.references(4)) == {0, 3}
    assert set(followed.references(6)) == {0, 3, 4, 5}


def test_a_second_pass_uses_nothing_of_the_first() -> None:
    frames = [picture(t) for t in range(4)]
    tracker = model().tracker()
    tracker.prompt(1, box=BOXES[1])
    first, second = (list(tracker.track(frames, start=0)) for _ in range(2))
    assert all((one.masks == other.masks).all() for one, other in zip(first, second, strict=True))


@pytest.mark.parametrize("shape", [(10, 10), (1, 1), (2, 192, 288)])
def test_masks_of_other_sizes_are_refused(shape: tuple[int, ...]) -> None:
    tracker = model().tracker()
    tracker.prompt(1, mask=np.ones(shape, bool))
    with pytest.raises(PromptError, match="Object 1 on frame 0"):
        list(tracker.track([picture(0)]))


def test_a_mask_may_have_an_axis_of_length_one() -> None:
    tracker = model().tracker()
    tracker.prompt(1, mask=true(0)[1][None])
    [first, *_] = tracker.track([picture(0)])
    assert np.array_equal(first.masks[0], true(0)[1])


def test_masks_are_copied_and_an_empty_one_has_no_score() -> None:
    given = true(0)[1].copy()
    tracker = model().tracker()
    tracker.prompt(1, mask=given[::-1][::-1])
    tracker.prompt(2, mask=np.zeros_like(given))
    for found in tracker.track([picture(0)] * 2):
        assert found.mask(1).any()
        assert not found.mask(2).any()
        assert found.scores[1] == 0
        given[:] = False


def test_wrong_prompts_and_numbers_are_sentences() -> None:
    tracker = model().tracker()
    tracker.prompt(1, box=[0, 0, 9])
    with pytest.raises(PromptError, match="Object 1 on frame 0"):
        list(tracker.track([picture(0)]))
    with pytest.raises(PromptError, match="number of an object, got 5"):
        tracker.remove(5)
    assert tracker.ids == []


def test_clicks_off_an_object_that_is_not_there_are_refused() -> None:
    tracker = VideoSegmenter(tiny.shared(tiny.HQ)).tracker()
    tracker.prompt(1, mask=np.zeros((192, 288), bool))
    list(tracker.track([picture(0)]))
    with pytest.raises(PromptError, match=r"Expected a point on the object .* no mask .* got 1 point off it"):
        tracker.prompt(1, points=[[9, 9]], labels=[0])


def matched(value: bool) -> Matched:
    return Matched(np.full((4, 4), value), 0.5, torch.zeros(1, 1), torch.zeros(1, 1, 1))


def test_the_nearest_frames_are_compared_and_far_ones_with_more_reach() -> None:
    tracked = MatchedObject({0: matched(True)}, {t: matched(True) for t in range(10, 16)})
    tracked.tracked[16] = matched(False)  # An object that is not there shows nothing.
    assert tracked.references(17) == {0: 20, 15: 8, 14: 10, 13: 12, 12: 14}
    assert tracked.references(30)[0] == 34
    assert tracked.references(500)[0] == 64  # The whole frame.
    tracked.forget_far(17)
    assert sorted(tracked.tracked) == [12, 13, 14, 15]


def test_a_place_is_the_large_parts_with_a_margin() -> None:
    shares = torch.zeros(36, 64)
    shares[10:20, 20:40] = 1.0
    shares[30, 60] = 1.0  # Far smaller than the object.
    place = object_place(shares, (360, 640))
    assert place is not None
    assert place.box == pytest.approx((195, 95, 405, 205), abs=4)
    assert place.gate[100:200, 200:400].all()
    assert not place.gate[:, 440:560].any()
    assert object_place(torch.full((36, 64), 0.4), (360, 640)) is None


def test_a_video_model_without_a_name_is_the_starter() -> None:
    assert repr(model()) == "VideoSegmenter(starter, cpu, torch.float32, matching)"
    assert model().name == samhq.load().name
