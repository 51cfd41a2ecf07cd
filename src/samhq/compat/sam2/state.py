"""The state of SAM 2's video predictor between its calls: a dict, as in the original, and its tracker."""

from __future__ import annotations

from typing import Any

from jaxtyping import Float
from torch import Tensor

from samhq.errors import PromptError
from samhq.image.frame import Frame
from samhq.model.sam2.sam2 import Sam2
from samhq.video.encoded import EncodedFrame
from samhq.video.frames import FrameSource
from samhq.video.memory import TrackOptions
from samhq.video.tracker import ObjectTracker

#: A frame's number, the objects' ids, their logits at the video's size.
StepResult = tuple[int, list[int], Float[Tensor, "N 1 H W"]]


#: The keys that are computed from the objects.
_OBJECTS = ("obj_ids", "obj_id_to_idx", "obj_idx_to_id")


class StateError(PromptError, RuntimeError):
    """A call that is not yet allowed; a RuntimeError, as in the original."""


class InferenceState(dict[str, Any]):
    """One video and its objects, with the useful keys of the original:

    `num_frames`, `video_height`, `video_width`, `device`, `images` (the source of the frames), `obj_ids`,
    `obj_id_to_idx` and `obj_idx_to_id`.
    """

    def __init__(self, model: Sam2, frames: FrameSource, options: TrackOptions) -> None:
        height, width = frames.size_hw
        super().__init__(
            num_frames=len(frames), video_height=height, video_width=width, device=model.device, images=frames
        )
        self.frames = frames
        self.frame = Frame.fit((height, width), model.config.side, squash=True)
        self.tracker = ObjectTracker(model, options)
        self._encoded: EncodedFrame | None = None

    def __missing__(self, key: str) -> Any:
        ids = list(self.tracker.objects)
        computed = {
            "obj_ids": ids,
            "obj_id_to_idx": {number: place for place, number in enumerate(ids)},
            "obj_idx_to_id": dict(enumerate(ids)),
        }
        if key not in computed:
            raise KeyError(key)
        return computed[key]

    def __contains__(self, key: object) -> bool:
        return key in _OBJECTS or super().__contains__(key)

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a key, the objects' keys included."""
        try:
            return self[key]
        except KeyError:
            return default

    def encoded(self, index: int) -> EncodedFrame:
        """The frame with this number; the last used one is kept.

        Raises:
            ImageError: it cannot be decoded.
            PromptError: there is no such frame.
        """
        if self._encoded is None or self._encoded.index != index:
            self._encoded = self.tracker.encode(self.frames.read(index), index)
        return self._encoded
