"""Frames that come one after another, with prompts before and in between."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest

from samhq.errors import ImageError, PromptError, SamHQWarning
from samhq.model.sam import Sam
from samhq.video.result import FrameMasks
from samhq.video.segmenter import VideoSegmenter
from samhq.video.stream import VideoTracker
from tests import tiny
from tests.video import small


def tracker(**options: Any) -> VideoTracker:
    return VideoSegmenter(small.shared(), memory_dtype="float32").tracker(**options)


def equal(one: FrameMasks, other: FrameMasks) -> bool:
    return (
        (one.index, one.ids, one.labels) == (other.index, other.ids, other.labels)
        and bool((one.masks == other.masks).all())
        and bool((one.scores == other.scores).all())
    )


def test_a_camera_gives_what_a_list_gives() -> None:
    images = small.images(6)
    results = []
    for frames in (images, iter(images)):
        following = tracker()
        following.prompt(1, box=small.BOX, label="square")
        results.append(list(following.track(frames)))
    assert [one.index for one in results[1]] == list(range(6))
    assert all(equal(a, b) for a, b in zip(*results, strict=True))
    assert results[0][3].labels == ("square",)


@pytest.mark.parametrize("model", [small.shared(), tiny.shared(tiny.HQ)], ids=["memory", "matching"])
def test_clicks_off_an_object_cannot_start_it(model: Sam) -> None:
    off: dict[str, Any] = {"points": [[12, 18], [30, 30]], "labels": [0, 0]}
    following = VideoSegmenter(model).tracker()
    following.prompt(1, box=small.BOX)
    following.prompt(2, **off, frame=1)
    with pytest.raises(PromptError, match=r"Object 2 on frame 1: Expected a point on the object .* got 2 points off"):
        list(following.track(small.images(2)))
    assert following.ids == [1]
    assert following.prompt(2, **off, mask=np.ones((40, 60), bool)) is not None
    assert following.prompt(3, points=[[12, 18], [30, 30]], labels=[0, 1]) is not None


@pytest.mark.parametrize("model", [small.shared(), tiny.shared(tiny.HQ)], ids=["memory", "matching"])
def test_clicks_off_an_object_correct_its_mask_on_a_frame_to_come(model: Sam) -> None:
    masks = []
    for now in (True, False):
        following = VideoSegmenter(model).tracker()
        following.prompt(1, mask=np.ones((40, 60), bool))
        if not now:
            following.prompt(1, points=[[50, 30]], labels=[0], frame=1)
        for found in following.track(iter(small.images(2))):
            last = found
        masks.append(following.prompt(1, points=[[50, 30]], labels=[0]) if now else last)
    one, other = masks
    assert one is not None
    assert one.mask(1).any()
    assert equal(one, other)


def test_prompts_may_come_while_frames_come() -> None:
    following = tracker()
    ids = []
    for masks in following.track(iter(small.images(8))):
        if masks.index == 1:
            now = following.prompt(1, points=[[12, 18]])
            assert now is not None
            assert (now.index, now.ids) == (1, (1,))
        if masks.index == 4:
            both = following.prompt(7, points=[[40, 30]])
            assert both is not None
            assert both.ids == (1, 7)
            assert (both.mask(1) == masks.mask(1)).all()
        if masks.index == 6:
            following.remove(1)
        ids.append(masks.ids)
    assert ids == [(), (), (1,), (1,), (1,), (1, 7), (1, 7), (7,)]
    assert following.ids == [7]


def test_an_object_added_later_is_the_one_prompted_beforehand() -> None:
    before, later = tracker(), tracker()
    for following in (before, later):
        following.prompt(1, box=small.BOX)
    before.prompt(2, points=[[40, 30]], frame=3)
    expected = [(m.ids, m.masks) for m in before.track(small.images(7))]
    found = []
    for masks in later.track(iter(small.images(7))):
        if masks.index == 3:
            now = later.prompt(2, points=[[40, 30]])
            assert now is not None
            masks = now
        found.append((masks.ids, masks.masks))
    assert [ids for ids, _ in found] == [ids for ids, _ in expected]
    assert all((a == b).all() for (_, a), (_, b) in zip(found, expected, strict=True))


def test_points_are_added_and_a_box_starts_over() -> None:
    following = tracker()
    stream = following.track(iter(small.images(3)))
    next(stream)
    following.prompt(1, points=[[12, 18]])
    following.prompt(1, points=[[40, 30]], labels=[0])
    assert following.state.tracker.object(1).clicks[0].labels.tolist() == [1, 0]
    following.prompt(1, box=small.BOX)
    assert following.state.tracker.object(1).clicks[0].labels.tolist() == [2, 3]


def test_a_mask_with_points_is_refined_by_them() -> None:
    mask = np.zeros((40, 60), bool)
    mask[12:24, 5:17] = True
    following = tracker()
    following.prompt(1, mask=mask)
    following.prompt(2, mask=mask, points=[[12, 18]])
    (masks,) = following.track(small.images(1))
    assert masks.mask(1).sum() > 0
    assert (masks.mask(1) & mask).sum() / (masks.mask(1) | mask).sum() > 0.7
    assert not (masks.mask(1) == masks.mask(2)).all()


def test_a_pass_may_begin_and_end_anywhere() -> None:
    following = tracker(keep="all")
    following.prompt(1, points=[[12, 18]], frame=2)
    assert [m.index for m in following.track(small.images(8), stop=5)] == [2, 3, 4]
    assert [m.index for m in following.track(small.images(8), start=5)] == [5, 6, 7]
    assert [m.index for m in following.track(small.images(8), reverse=True)] == [2, 1, 0]


def test_backward_gives_objects_where_their_first_prompt_comes_later() -> None:
    following = tracker()
    following.prompt(1, box=small.BOX, frame=0)
    following.prompt(2, points=[[40, 30]], frame=2)
    following.prompt(3, points=[[40, 30]], frame=4)
    list(following.track(small.images(6)))
    back = [(m.index, m.ids) for m in following.track_back(small.images(6))]
    assert back == [(3, (3,)), (2, (3,)), (1, (2, 3)), (0, (2, 3))]
    assert [m.index for m in following.track_back(small.images(6), before=2)] == [1, 0]


def test_without_overlap_a_pixel_has_one_object() -> None:
    following = tracker(overlap=False)
    following.prompt(1, box=small.BOX)
    following.prompt(2, points=[[12, 18]])
    for masks in following.track(small.images(4)):
        assert masks.masks.sum(0).max() <= 1


def test_frames_that_cannot_be_read_are_named_and_left_out() -> None:
    images: list[Any] = small.images(5)
    images[2] = np.zeros((0, 3), np.uint8)
    following = tracker()
    following.prompt(1, box=small.BOX)
    lost: dict[int, str] = {}
    kept = [m.index for m in following.track(images, on_error=lambda index, error: lost.update({index: str(error)}))]
    assert kept == [0, 1, 3, 4]
    assert list(lost) == [2]
    following = tracker()
    following.prompt(1, box=small.BOX)
    with pytest.raises(ImageError, match="frame 2"):
        list(following.track(iter(images)))


def test_frames_of_another_size_are_refused() -> None:
    following = tracker()
    with pytest.raises(ImageError, match="one size"):
        list(following.track(iter([small.image(0), small.image(1, 44, 60)])))


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ({"frame": 9, "points": [[1, 1]]}, "from 0 to 2"),
        ({"points": [[100, 1]]}, r"Object 4 on frame 0: .*point"),
        ({}, "Object 4 on frame 0: .*empty"),
        ({"mask": np.zeros((3, 4), bool)}, "Object 4 on frame 0: .*mask"),
    ],
)
def test_wrong_prompts_are_named(prompt: dict[str, Any], message: str) -> None:
    following = tracker()
    following.prompt(4, **prompt)
    with pytest.raises(PromptError, match=message):
        list(following.track(small.images(3)))


def test_a_reversed_stream_gives_what_a_reversed_list_gives() -> None:
    images, results = small.images(6), []
    for frames in (images, reversed(images)):
        following = tracker()
        following.prompt(1, box=small.BOX, frame=5)
        results.append([])
        for frame in following.track(frames, start=5, reverse=True):
            results[-1].append(frame)
            if frame.index == 3 and frames is not images:
                with pytest.raises(PromptError, match="got frame 4"):
                    following.prompt(2, points=[[40, 30]], frame=4)
    assert [one.index for one in results[1]] == [5, 4, 3, 2, 1, 0]
    assert all(equal(a, b) for a, b in zip(*results, strict=True))


def test_a_camera_does_not_go_back() -> None:
    following = tracker()
    following.prompt(1, box=small.BOX)
    for frame in following.track(iter(small.images(4))):
        if frame.index == 2:
            with pytest.raises(PromptError, match="on frame 2 or one still to come, got frame 1 for object 2"):
                following.prompt(2, points=[[40, 30]], frame=1)
            assert following.prompt(3, points=[[40, 30]], frame=3) is None
    assert frame.ids == (1, 3)
    following.prompt(2, points=[[40, 30]], frame=1)  # for the next pass
    assert next(following.track(small.images(4))).index == 1


def test_a_prompt_for_a_frame_that_never_came_is_refused() -> None:
    following = tracker()
    following.prompt(1, box=small.BOX, frame=9)
    with pytest.raises(PromptError, match="frame 9, where object 1 is prompted"):
        list(following.track(iter(small.images(3))))


def test_a_cameras_memory_may_be_written_again() -> None:
    buffer = np.empty((40, 60, 3), np.uint8)

    def camera() -> Any:
        for image in small.images(4):
            buffer[:] = image
            yield buffer

    following = tracker()
    following.prompt(1, box=small.BOX)
    shown = list(following.track(camera()))
    assert (shown[0].image == small.image(0)).all()


def test_a_box_mostly_outside_is_cut_to_the_frame() -> None:
    results = []
    for box in ([-90, -90, 20, 20], [0, 0, 20, 20]):
        following = tracker()
        following.prompt(4, box=box)
        context = (
            pytest.warns(SamHQWarning, match="^Object 4 on frame 0: .*mostly outside") if box[0] else nullcontext()
        )
        with context:
            results.append([one.masks for one in following.track(small.images(2))])
    assert all(map(np.array_equal, *results))


def test_a_prompt_on_the_last_frame_is_known_to_the_pass_back() -> None:
    following = tracker()
    following.prompt(1, box=small.BOX)
    images = small.images(4)
    list(following.track(images))
    following.prompt(2, points=[[40, 30]])
    assert [(one.index, one.ids) for one in following.track_back(images)] == [(2, (2,)), (1, (2,)), (0, (2,))]


def test_removing_forgets_waiting_prompts_and_names() -> None:
    following = tracker()
    following.prompt(1, box=small.BOX, label="cat")
    following.prompt(2, box=small.BOX)
    following.remove(1)  # Its prompt still waits.
    following.prompt(1, points=[[12, 18]])
    (found,) = following.track(small.images(1))
    assert (found.ids, found.labels) == ((2, 1), (None, None))


def test_a_wrong_prompt_does_not_take_the_next_one_with_it() -> None:
    following = tracker()
    following.prompt(1, box=[0, 0, 9])
    following.prompt(2, box=small.BOX)
    with pytest.raises(PromptError, match="Object 1"):
        list(following.track(small.images(1)))
    (found,) = following.track(small.images(1))
    assert found.ids == (2,)


def test_a_flipped_mask_is_taken() -> None:
    following = tracker()
    following.prompt(1, mask=np.zeros((40, 60), bool)[::-1])
    (found,) = following.track(small.images(1))
    assert found.ids == (1,)


def test_frames_before_the_first_are_refused() -> None:
    with pytest.raises(PromptError, match="from 0 to 3"):
        list(tracker().track(small.images(4), start=-2))


def test_a_prompt_on_a_frame_that_cannot_be_decoded_is_named_at_once() -> None:
    following = tracker()
    following.prompt(1, box=small.BOX)
    following.prompt(2, box=small.BOX, frame=1)
    images: list[Any] = small.images(4)
    images[1] = b"no picture"
    frames = following.track(iter(images), on_error=lambda *_: None)
    assert next(frames).index == 0
    with pytest.raises(PromptError, match="Object 2 is prompted on a frame that cannot be decoded"):
        next(frames)
