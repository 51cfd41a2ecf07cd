"""The two sources of a video's masks for `samhq.video.job`: a tracker of prompted objects, or boxes for each frame."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from samhq.config import HQMode
from samhq.inference.segment import Segmenter
from samhq.video.boxes import FrameBoxes, segment_by_boxes
from samhq.video.frames import FrameSource
from samhq.video.prompts import VideoPrompt, points_last
from samhq.video.result import FrameMasks
from samhq.video.segmenter import Direction, VideoSegmenter
from samhq.video.stream import OnError, VideoTracker


class PromptFollower:
    """Prompted objects, followed from frame to frame."""

    def __init__(
        self,
        segmenter: VideoSegmenter,
        source: FrameSource,
        prompts: Sequence[VideoPrompt],
        direction: Direction = "forward",
        **options: Any,
    ) -> None:
        for prompt in prompts:
            source.check(prompt.frame or 0)
        self._segmenter, self._source, self._prompts = segmenter, source, points_last(prompts)
        self._direction, self._options = direction, options
        self._tracker: VideoTracker | None = None
        self._at: tuple[str, int] = ("first", -1)

    def total(self) -> int:
        """The number of frames from the first prompt on in the direction, plus those of the second pass."""
        frames = [prompt.frame or 0 for prompt in self._prompts]
        forward, backward = len(self._source) - min(frames), max(frames) + 1
        first: dict[int, int] = {}
        for prompt in self._prompts:
            first[prompt.object] = min(first.get(prompt.object, len(self._source)), prompt.frame or 0)
        return {"forward": forward, "backward": backward, "both": forward + max(first.values())}[self._direction]

    def frames(self, after: dict[str, Any] | None, on_error: OnError) -> Iterator[FrameMasks]:
        """The frames, all or those after an earlier position."""
        tracker = self._tracker = self._segmenter.tracker(**self._options)
        reverse = self._direction == "backward"
        pass_name, last = ("first", None) if after is None else (after["pass"], after["frame"])
        if after is not None:
            tracker.state.restore(after["objects"])
        for prompt in self._prompts:
            if prompt.label is not None:
                tracker.labels.setdefault(prompt.object, prompt.label)
            if pass_name == "first" and (last is None or (((prompt.frame or 0) - last) * (-1 if reverse else 1)) > 0):
                tracker.add(prompt)
        if pass_name == "first":
            start = last if last is None else last + (-1 if reverse else 1)
            if start is None or 0 <= start < len(self._source):
                passed = tracker.track(self._source, start=start, reverse=reverse, on_error=on_error)
                yield from self._recording("first", passed)
        if self._direction == "both":
            begin = None if pass_name == "first" else last
            yield from self._recording("second", tracker.track_back(self._source, before=begin, on_error=on_error))

    def position(self) -> dict[str, Any]:
        """The pass, the last frame, and the objects' memories."""
        assert self._tracker is not None
        return {"pass": self._at[0], "frame": self._at[1], "objects": self._tracker.state.saved()}

    def _recording(self, pass_name: str, frames: Iterator[FrameMasks]) -> Iterator[FrameMasks]:
        """The frames, noting each one's pass and number for `position`."""
        for frame in frames:
            self._at = pass_name, frame.index
            yield frame


class BoxFollower:
    """Boxes for every frame, each frame by itself."""

    def __init__(self, segmenter: Segmenter, source: FrameSource, boxes: FrameBoxes, hq: HQMode | None = None) -> None:
        source.check(boxes.count - 1)
        self._segmenter, self._source, self._boxes, self._hq = segmenter, source, boxes, hq
        self._last = -1

    def total(self) -> int:
        """The number of frames."""
        return len(self._source)

    def frames(self, after: dict[str, Any] | None, on_error: OnError) -> Iterator[FrameMasks]:
        """The frames, all or those after an earlier position."""
        start = 0 if after is None else after["frame"] + 1
        frames = segment_by_boxes(
            self._segmenter, self._source, self._boxes, start=start, hq=self._hq, on_error=on_error
        )
        for frame in frames:
            self._last = frame.index
            yield frame

    def position(self) -> dict[str, Any]:
        """The last frame."""
        return {"frame": self._last}
