"""Finds objects of a video by class names, on one frame or repeatedly, and follows them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from samhq.image.boxes import boxes_from_masks
from samhq.results.prompt import Prompt
from samhq.shapes import Bool, Float32
from samhq.text.search import Search
from samhq.video.frames import FrameSource
from samhq.video.prompts import VideoPrompt
from samhq.video.result import FrameMasks
from samhq.video.segmenter import VideoSegmenter
from samhq.video.stream import OnError, VideoTracker

SAME = 0.5  #: A detection is a followed object if their boxes have at least this IoU.


class SearchFollower:
    """The objects that a search finds on frame `first`, followed to the end of the video.

    With `every` the search runs again after that many frames, and new objects are followed: detections whose box has an
    IoU below 0.5 with the box of every followed object. Objects are numbered from 1 in the order in which they are
    found. `options` are those of the tracker.

    Raises:
        PromptError: there is no frame `first`.
    """

    def __init__(
        self,
        segmenter: VideoSegmenter,
        source: FrameSource,
        search: Search,
        *,
        first: int = 0,
        every: int | None = None,
        **options: Any,
    ) -> None:
        source.check(first)
        self._segmenter, self._source, self._search = segmenter, source, search
        self._first, self._every, self._options = first, every, options
        self._tracker: VideoTracker | None = None
        self._last, self._next = first - 1, first

    def total(self) -> int:
        """The number of frames from the first search on."""
        return len(self._source) - self._first

    def frames(self, after: dict[str, Any] | None, on_error: OnError) -> Iterator[FrameMasks]:
        """The frames, all or those after an earlier position.

        Raises:
            ImageError, PromptError: as `VideoTracker.track` and `Search.detect`.
        """
        tracker = self._tracker = self._segmenter.tracker(**self._options)
        if after is not None:
            tracker.state.restore(after["objects"])
            tracker.labels |= after["labels"]
            self._last, self._next = after["frame"], after["next"]
        if self._last + 1 >= len(self._source):
            return
        for frame in tracker.track(self._source, start=self._last + 1, on_error=on_error):
            shown = self._searched(tracker, frame) if self._looks_at(frame.index) else frame
            self._last = frame.index
            yield shown

    def position(self) -> dict[str, Any]:
        """The last frame, the frame of the next search, and the objects' memories."""
        assert self._tracker is not None
        state = {"objects": self._tracker.state.saved(), "labels": dict(self._tracker.labels)}
        return {"frame": self._last, "next": self._next, **state}

    def _looks_at(self, index: int) -> bool:
        """Whether to search this frame; if a frame cannot be decoded, the next one is searched."""
        if index < self._next:
            return False
        self._next = index + self._every if self._every else len(self._source)
        return True

    def _searched(self, tracker: VideoTracker, frame: FrameMasks) -> FrameMasks:
        """The frame with new objects of the search and the followed objects."""
        (detections,) = self._search.detect([frame.image], [self._source.name(frame.index)])
        for prompt in new_objects(self._search.prompts(detections), frame.masks):
            number = max(tracker.ids, default=0) + 1
            frame = tracker.add(VideoPrompt(number, frame.index, prompt, prompt.label)) or frame
        tracker.state.remember()  # So that `position` has the new objects too.
        return frame


def new_objects(prompts: list[Prompt], masks: Bool[np.ndarray, "P H W"]) -> list[Prompt]:
    """The prompts whose box matches no followed object; `masks` are those of the followed objects."""
    boxes = boxes_from_masks(masks[masks.any(axis=(1, 2))]).astype(np.float32)
    boxes[:, 2:] += 1  # A detector's box ends after the last pixel.
    return [prompt for prompt in prompts if (_ious(boxes, np.asarray(prompt.box, np.float32)) < SAME).all()]


def _ious(boxes: Float32[np.ndarray, "P 4"], box: Float32[np.ndarray, " 4"]) -> Float32[np.ndarray, " P"]:
    low, high = np.maximum(boxes[:, :2], box[:2]), np.minimum(boxes[:, 2:], box[2:])
    shared = np.maximum(high - low, 0).prod(axis=1)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1) + (box[2:] - box[:2]).prod() - shared
    return np.divide(shared, areas, out=np.zeros_like(shared), where=areas > 0)
