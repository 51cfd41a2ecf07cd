"""One video between transformers' Sam2VideoProcessor, which adds prompts, and Sam2VideoModel, which follows objects.

Source: modeling_sam2_video.py of transformers 5.23 (names and arguments).
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace

from jaxtyping import Float
from torch import Tensor

from samhq.errors import ConfigError, PromptError
from samhq.model.sam2.sam2 import Sam2
from samhq.video.encoded import PreparedFrame
from samhq.video.frames import FrameSource
from samhq.video.memory import TrackOptions
from samhq.video.pixels import frame_pixels
from samhq.video.prompts import check_number
from samhq.video.tracker import Clicks, ObjectTracker


@dataclass(frozen=True)
class Waiting:
    """A prompt for an object on a frame, in model pixels, that has not been used yet; `more` joins earlier points.

    Clicks that come with a mask correct it.
    """

    clicks: Clicks | None = None
    mask: Float[Tensor, "S S"] | None = None
    more: bool = False


class Sam2VideoInferenceSession:
    """A video, its objects and their memories. `Sam2VideoProcessor.init_video_session` makes it.

    With `frames` it has a whole video, whose frames are decoded when they are needed. Without, frames come one by one
    through `Sam2VideoModel.forward(frame=...)`. `side` is the side of the network's input, `options` say how objects
    are followed, and `cached` is the number of frames whose features are kept.
    """

    def __init__(
        self,
        frames: FrameSource | None = None,
        side: int = 1024,
        options: TrackOptions | None = None,
        *,
        cached: int = 1,
    ) -> None:
        self.frames, self.side, self.options = frames, side, options or TrackOptions(keep="all")
        self.video_height: int | None = None
        self.video_width: int | None = None
        if frames is not None:
            self.video_height, self.video_width = frames.size_hw
        self.obj_ids: list[int] = []
        self._waiting: dict[tuple[int, int], Waiting] = {}
        self._tracker: ObjectTracker | None = None
        self._streamed: dict[int, Float[Tensor, "1 3 S S"]] = {}
        self._came = 0
        self._encoded: OrderedDict[int, PreparedFrame] = OrderedDict()
        self._most_encoded = max(cached, 1)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.num_frames} frames, objects {self.obj_ids})"

    @property
    def num_frames(self) -> int | None:
        """The number of frames of the video, or of those that came; None before the first."""
        return (self._came or None) if self.frames is None else len(self.frames)

    def get_obj_num(self) -> int:
        """The number of objects."""
        return len(self.obj_ids)

    def obj_id_to_idx(self, obj_id: int) -> int:
        """The place of an object among all; a new id becomes a new object.

        Raises:
            PromptError: no whole number.
        """
        check_number(obj_id)
        if obj_id not in self.obj_ids:
            self.obj_ids.append(obj_id)
        return self.obj_ids.index(obj_id)

    def obj_idx_to_id(self, obj_idx: int) -> int:
        """The id of the object at this place."""
        return self.obj_ids[obj_idx]

    def add_clicks(self, frame_idx: int, obj_id: int, clicks: Clicks, *, more: bool) -> None:
        """Keeps points in model pixels for the next call of the model; `more` adds them to earlier points there.

        Raises:
            PromptError: there is no such frame, or the id is no whole number.
        """
        waiting = (self._waiting.get((frame_idx, obj_id)) if more else None) or Waiting(more=more)
        clicks = clicks if waiting.clicks is None else waiting.clicks + clicks
        self._wait(frame_idx, obj_id, replace(waiting, clicks=clicks))

    def add_mask(self, frame_idx: int, obj_id: int, mask: Float[Tensor, "S S"]) -> None:
        """Keeps a mask of zeros and ones at the model's side for the next call of the model.

        Raises:
            PromptError: there is no such frame, or the id is no whole number.
        """
        self._wait(frame_idx, obj_id, Waiting(mask=mask))

    def add_new_frame(self, pixel_values: Float[Tensor, "*I 3 S S"], frame_idx: int | None = None) -> int:
        """The number of a frame that came: the next one, or `frame_idx`. Pixels [3,S,S] or [1,3,S,S], normalised.

        Raises:
            PromptError: the session has a whole video.
        """
        if self.frames is not None:
            raise PromptError(
                f"Expected no further frame, because the session has a video of {len(self.frames)} frames, got one. "
                "Make a session without video for frames that come one by one."
            )
        index = self._came if frame_idx is None else frame_idx
        if self.options.keep == "window":
            self._streamed.clear()
        self._streamed[index] = pixel_values.reshape(-1, *pixel_values.shape[-3:])
        self._came = max(self._came, index + 1)
        self._encoded.pop(index, None)
        return index

    def get_frame(self, frame_idx: int) -> Float[Tensor, "3 S S"]:
        """A frame's normalised pixels.

        Raises:
            PromptError: there is no such frame, or it is no longer kept.
            ImageError: it cannot be decoded.
        """
        self.check_frame(frame_idx)
        return (
            self._streamed[frame_idx][0]
            if self.frames is None
            else frame_pixels(self.frames.read(frame_idx), self.side)[0]
        )

    def check_frame(self, frame_idx: int) -> None:
        """Checks that a frame is there.

        Raises:
            PromptError: there is no such frame, or it is no longer kept.
        """
        if self.frames is not None:
            self.frames.check(frame_idx)
        elif frame_idx not in self._streamed:
            kept = (
                f"the last one, {max(self._streamed)}" if self.options.keep == "window" and self._came else self._came
            )
            raise PromptError(
                f"Expected a frame that came and is kept ({kept}), got {frame_idx}. Give model(session, frame=...) the "
                'next frame, or make the session with TrackOptions(keep="all").'
            )

    def encoded(self, frame_idx: int) -> PreparedFrame:
        """A frame with the encoder's features, which are kept for the frames that were used last.

        Raises:
            PromptError, ImageError: as `get_frame`.
        """
        assert self._tracker is not None
        frame = self._encoded.pop(frame_idx, None)
        if frame is None:
            frame = PreparedFrame(frame_idx, self.get_frame(frame_idx)[None], self._tracker.model)
        self._encoded[frame_idx] = frame
        while len(self._encoded) > self._most_encoded:
            self._encoded.popitem(last=False)
        return frame

    def ready(self, model: Sam2) -> ObjectTracker:
        """The tracker of the session's objects, with all prompts on frames that are there.

        Raises:
            ConfigError: the model's side is not that of the processor.
            PromptError: the objects were followed by another model.
        """
        if self._tracker is None:
            self._tracker = self._begun(model)
        if self._tracker.model is not model:
            raise PromptError(
                "Expected the model that has followed the session's objects so far, got another. Call "
                "session.reset_inference_session(), or make a new session."
            )
        for frame_idx, obj_id in [key for key in self._waiting if self._is_there(key[0])]:
            self._use(self._tracker, frame_idx, obj_id, self._waiting.pop((frame_idx, obj_id)))
        self._tracker.remember()
        return self._tracker

    def first_prompted(self) -> int:
        """The earliest prompted frame.

        Raises:
            PromptError: there is none.
        """
        objects = self._tracker.objects.values() if self._tracker else ()
        numbers = [number for tracked in objects for number in tracked.prompts_in_memory]
        if not numbers:
            raise PromptError(
                "Expected prompts before tracking, got none. Call processor.add_inputs_to_inference_session."
            )
        return min(numbers)

    def reset_tracking_data(self) -> None:
        """Forgets all objects; the frames stay."""
        self.obj_ids.clear()
        self._waiting.clear()
        self._tracker = None

    def reset_inference_session(self) -> None:
        """Forgets all objects and computed features; the frames stay."""
        self.reset_tracking_data()
        self._encoded.clear()

    def _begun(self, model: Sam2) -> ObjectTracker:
        if model.config.side != self.side:
            raise ConfigError(
                f"Expected a model that sees squares of {self.side} pixels, as the session's processor prepares them, "
                f"got {model.config.name} with {model.config.side}. Load both from the same source."
            )
        self._encoded.clear()
        return ObjectTracker(model, replace(self.options, length=None if self.frames is None else len(self.frames)))

    def _use(self, tracker: ObjectTracker, frame_idx: int, obj_id: int, waiting: Waiting) -> None:
        frame = self.encoded(frame_idx)
        if waiting.mask is not None:
            tracker.mask(frame, obj_id, waiting.mask)
        if waiting.clicks is not None:
            tracker.click(frame, obj_id, waiting.clicks, more=waiting.more)

    def _is_there(self, frame_idx: int) -> bool:
        return self.frames is not None or frame_idx in self._streamed

    def _wait(self, frame_idx: int, obj_id: int, waiting: Waiting) -> None:
        if self.frames is not None or frame_idx < self._came:
            self.check_frame(frame_idx)
        self.obj_id_to_idx(obj_id)
        self._waiting.pop((frame_idx, obj_id), None)
        self._waiting[frame_idx, obj_id] = waiting
