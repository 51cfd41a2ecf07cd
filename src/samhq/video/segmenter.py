"""A model that follows objects through videos, ready for use. No hidden state: each video has its own tracker."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import torch

from samhq.config import HQMode
from samhq.device import as_device, as_dtype
from samhq.errors import ConfigError, PromptError
from samhq.inference.segment import Segmenter
from samhq.model.sam import Sam
from samhq.options import one_of
from samhq.other_arguments import LOAD, TRACKER, translated
from samhq.video.follows import follows_with_memory
from samhq.video.frames import open_frames
from samhq.video.matching_tracker import MatchingFollowing
from samhq.video.memory import Corrections, Keep, TrackOptions
from samhq.video.memory_following import MemoryFollowing
from samhq.video.prompts import VideoPrompt, check_once, points_last
from samhq.video.result import FrameMasks
from samhq.video.stream import OnError, VideoTracker
from samhq.video.tracker import ObjectTracker

#: From the prompts to the end, to the beginning, or first to the end and then to the beginning.
Direction = Literal["forward", "backward", "both"]


class VideoSegmenter:
    """A model for videos: `track` follows prompted objects; `tracker` takes prompts while frames come.

    SAM 2 and HQ-SAM 2 follow with their memory. All other models follow by matching their features of frames.
    """

    def __init__(self, model: Sam, *, memory_dtype: str | torch.dtype = "bfloat16") -> None:
        self.model = model.eval()
        self.memory_dtype = as_dtype(memory_dtype)

    def __repr__(self) -> str:
        method = f"memory {self.memory_dtype}" if follows_with_memory(self.model) else "matching"
        return f"VideoSegmenter({self.name}, {self.model.device}, {self.model.dtype}, {method})"

    @property
    def name(self) -> str:
        """The model's name, such as "sam2.1_hiera_tiny"."""
        return self.model.config.name

    @translated(TRACKER)
    def tracker(
        self,
        *,
        corrections: Corrections = "keep",
        keep: Keep = "window",
        overlap: bool = True,
        fill_holes: int = 0,
        max_prompted: int | None = None,
        hq: HQMode | None = None,
    ) -> VideoTracker:
        """A tracker for one video.

        `corrections`: prompts on already tracked frames count ("keep"), change only that frame ("as-tracked", as in
        HQ-SAM 2's predictor), or are lost on the next pass ("original", as in SAM 2's). `keep`: memories far from the
        current frame are forgotten ("window", for videos of any length) or kept ("all"). Without `overlap` each pixel
        belongs to at most one object. `fill_holes` fills background regions of up to this many pixels of the
        low-resolution mask. `max_prompted` is the number of prompted frames that a frame uses. `hq` as in
        `Segmenter.segment`.

        Models without memory have `overlap` and `hq` only.

        Raises: ConfigError: an unknown choice, one that the model does not have, or an HQ mask from a plain model.
        """
        options = TrackOptions(corrections=corrections, keep=keep, fill_holes=fill_holes, max_prompted=max_prompted)
        mode, model = self.model.hq_mode(hq), self.model
        if follows_with_memory(model):
            tracker = ObjectTracker(model, options, memory_dtype=self.memory_dtype, hq=mode)
            return VideoTracker(MemoryFollowing(tracker), overlap=overlap)
        if options != TrackOptions():
            raise ConfigError(
                f"Expected corrections, keep, fill_holes and max_prompted as they are by default, because {self.name} "
                f"has no memory of frames; got {options}. Leave them out, or load a SAM 2."
            )
        return VideoTracker(MatchingFollowing(Segmenter(model), hq=mode), overlap=overlap)

    def track(
        self,
        video: Any,
        prompts: Sequence[VideoPrompt],
        *,
        direction: Direction = "forward",
        on_error: OnError | None = None,
        **options: Any,
    ) -> Iterator[FrameMasks]:
        """The prompted objects' masks, frame by frame, from the first prompt to the end of the video.

        `video` is a file, its bytes or http address, a folder of pictures or a list of frames. Every object is followed
        from its first prompted frame on. "backward" goes from the last prompt to the first frame; "both" goes forward,
        and then gives each object on the frames before its first prompt. `on_error` is called with frames that cannot
        be decoded, which are left out; without it they end the video. `options` as in `tracker`.

        Raises: PromptError: no prompts, wrong ones, two masks or boxes for one object on one frame, or a frame that
            does not exist. ImageError: the video cannot be read, or frames of different sizes. ConfigError: an unknown
            option.
        """
        one_of("direction", direction, Direction)
        if not prompts:
            raise PromptError("Expected at least one prompt, got none. Give [VideoPrompt(1, 0, Prompt(box=...))].")
        check_once(prompts)
        source, tracker = open_frames(video), self.tracker(**options)
        for prompt in points_last(prompts):
            tracker.add(prompt)
        yield from tracker.track(source, reverse=direction == "backward", on_error=on_error)
        if direction == "both":
            yield from tracker.track_back(source, on_error=on_error)


@translated(LOAD)
def load_video_model(
    source: Any = None,
    *,
    device: str | torch.device | None = None,
    dtype: str | torch.dtype = "float32",
    memory_dtype: str | torch.dtype = "bfloat16",
) -> VideoSegmenter:
    """A model ready to follow objects: a published name, a file, a folder or a hub id; without one the starter.

    `device` and `dtype` as in `samhq.load`. `memory_dtype` is the type of SAM 2's stored memories: "bfloat16", as in
    the original, or "float32".

    Raises:
        ConfigError: an unknown name, device or dtype.
        CheckpointError: the file cannot be read or downloaded, or does not fit.
    """
    from samhq.checkpoint.load import load_model

    place = as_device(device)
    return VideoSegmenter(load_model(source, device=place, dtype=as_dtype(dtype, place)), memory_dtype=memory_dtype)
