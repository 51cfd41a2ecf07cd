"""Objects found by colour in a clip of moving squares: what is found, and when, is known beforehand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from samhq.errors import PromptError
from samhq.results.prompt import Prompt
from samhq.text.search import Search
from samhq.video.frames import open_frames
from samhq.video.result import FrameMasks
from samhq.video.searching import SearchFollower, new_objects
from samhq.video.segmenter import VideoSegmenter
from tests.text import tiny_detectors as tiny_text
from tests.video import small

HEIGHT, WIDTH = 48, 64


def clip(count: int = 8, green_from: int = 4) -> list[np.ndarray]:
    """A red square moves to the right; a green one stands there from a later frame on."""
    frames = []
    for t in range(count):
        places = {"red": (5 + t, 12, 17 + t, 24)} | ({"green": (40, 30, 52, 42)} if t >= green_from else {})
        frames.append(tiny_text.blobs(places, (HEIGHT, WIDTH)))
    return frames


def follower(detector: Any, frames: list[np.ndarray], **options: Any) -> SearchFollower:
    search = Search.of(["red", "green"], detector=detector)
    return SearchFollower(VideoSegmenter(small.shared()), open_frames(frames), search, **options)


def run(one: SearchFollower, after: dict[str, Any] | None = None) -> list[FrameMasks]:
    return list(one.frames(after, lambda *_: None))


def test_what_is_found_on_the_first_frame_is_followed() -> None:
    detector = tiny_text.ColourDetector()
    one = follower(detector, clip())
    found = run(one)
    assert len(detector.calls) == 1
    assert [frame.index for frame in found] == list(range(8))
    assert len(found) == one.total()
    assert all((frame.ids, frame.labels) == ((1,), ("red",)) for frame in found)
    given = VideoSegmenter(small.shared()).tracker()
    given.prompt(1, box=[5, 12, 17, 24], frame=0)
    for frame, expected in zip(found, given.track(clip()), strict=True):
        assert np.array_equal(frame.masks, expected.masks), "as if the box had been given"


def test_the_search_looks_again_and_follows_what_is_new(monkeypatch: pytest.MonkeyPatch) -> None:
    detector = tiny_text.ColourDetector()
    seen: list[int] = []

    def only_green(prompts: list[Prompt], masks: np.ndarray) -> list[Prompt]:
        """The random network does not follow the square, so that what is new is said here."""
        seen.append(len(masks))
        return [prompt for prompt in prompts if (prompt.label == "green") == bool(len(masks))]

    monkeypatch.setattr("samhq.video.searching.new_objects", only_green)
    found = run(follower(detector, clip(), every=3))
    assert len(detector.calls) == 3, "on frames 0, 3 and 6"
    assert seen == [0, 1, 1]
    assert [frame.ids for frame in found] == [(1,)] * 6 + [(1, 2)] * 2
    assert found[6].labels == ("red", "green")


def test_the_first_frame_may_be_another() -> None:
    found = run(follower(tiny_text.ColourDetector(), clip(), first=5))
    assert [frame.index for frame in found] == [5, 6, 7]
    assert set(found[0].labels) == {"red", "green"}
    with pytest.raises(PromptError, match="from 0 to 7"):
        follower(tiny_text.ColourDetector(), clip(), first=8)


def test_nothing_found_gives_frames_without_masks() -> None:
    found = run(follower(tiny_text.ColourDetector(), [tiny_text.blobs({}, (HEIGHT, WIDTH))] * 3))
    assert [len(frame) for frame in found] == [0, 0, 0]


@pytest.mark.parametrize("stop", [1, 4, 6])
def test_an_interrupted_run_goes_on_as_if_it_had_not_been(stop: int) -> None:
    whole = run(follower(tiny_text.ColourDetector(), clip(), every=3))
    first = follower(tiny_text.ColourDetector(), clip(), every=3)
    begun = first.frames(None, lambda *_: None)
    head = [next(begun) for _ in range(stop)]
    rest = run(follower(tiny_text.ColourDetector(), clip(), every=3), first.position())
    assert len(head) + len(rest) == len(whole)
    for frame, expected in zip(head + rest, whole, strict=True):
        assert (frame.index, frame.ids, frame.labels) == (expected.index, expected.ids, expected.labels)
        assert np.array_equal(frame.masks, expected.masks)


def test_new_is_what_overlaps_no_followed_object() -> None:
    masks = np.zeros((3, HEIGHT, WIDTH), bool)
    masks[0, 10:20, 10:20] = True
    masks[1, 30:40, 30:50] = True
    prompts = [Prompt(box=box) for box in ([10, 10, 20, 20], [30, 30, 50, 34], [50, 5, 60, 15], [12, 12, 20, 20])]
    assert new_objects(prompts, masks) == [prompts[1], prompts[2]]
    assert new_objects(prompts, masks[:0]) == prompts
