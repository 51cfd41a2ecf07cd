"""transformers' Sam2VideoProcessor: videos to sessions, prompts into them, masks back. Knows nothing about networks.

Source: processing_sam2_video.py of transformers 5.23 (arguments and outputs).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from samhq.compat.transformers.sam2_processor import Sam2Processor
from samhq.compat.transformers.sam2_video_session import Sam2VideoInferenceSession
from samhq.config import BOTTOM_RIGHT, TOP_LEFT
from samhq.errors import PromptError, naming
from samhq.image.inputs import Array
from samhq.options import whole_number
from samhq.types import IGNORED
from samhq.video.frames import open_frames
from samhq.video.memory import TrackOptions
from samhq.video.prompts import check_number
from samhq.video.tracker import Clicks, square_mask


class Sam2VideoProcessor(Sam2Processor):
    """Makes sessions of videos and adds prompts to them; also prepares frames that come one by one, as pictures."""

    def init_video_session(
        self,
        video: Any = None,
        inference_device: Any = "cpu",
        inference_state_device: Any = None,
        processing_device: Any = None,
        video_storage_device: Any = None,
        max_vision_features_cache_size: int = 1,
        dtype: Any = None,
        *,
        options: TrackOptions | None = None,
    ) -> Sam2VideoInferenceSession:
        """The session of a video: a file, its bytes, a folder of pictures, a list of frames, or an array [T,H,W,3].

        Without `video` frames come one by one. Frames are decoded when they are needed, and the model's device and
        dtype count, so the devices and `dtype` have no effect. `options` say how objects are followed; by default all
        memories are kept, and a prompt on a tracked frame counts like any other.

        Raises:
            ImageError: the video cannot be read.
            ConfigError: a cache of less than one frame.
        """
        del inference_device, inference_state_device, processing_device, video_storage_device, dtype
        whole_number("max_vision_features_cache_size", max_vision_features_cache_size, 1)
        frames = None if video is None else open_frames(_channels_last(video))
        return Sam2VideoInferenceSession(frames, self.target_size, options, cached=max_vision_features_cache_size)

    def add_inputs_to_inference_session(
        self,
        inference_session: Sam2VideoInferenceSession,
        frame_idx: int,
        obj_ids: Any,
        input_points: Any = None,
        input_labels: Any = None,
        input_boxes: Any = None,
        input_masks: Array | Sequence[Array] | None = None,
        original_size: Sequence[int] | Tensor | None = None,
        clear_old_inputs: bool = True,
    ) -> None:
        """Adds prompts for one object id or several on a frame, which the model uses when it is called next.

        Points are `[image][object][point][x, y]`, labels `[image][object][point]`, boxes
        `[image][object][x0, y0, x1, y1]`, with one image, and one object for each id; masks are one [H,W] for each id.
        Coordinates are the video's pixels. `original_size` (H, W) is needed before the first frame of a stream.
        Without `clear_old_inputs` points join earlier ones of the object on this frame.

        Raises:
            PromptError: no prompts, points without labels, masks together with others, a box that joins earlier points,
                other numbers of prompts than of ids, or a frame that is not there.
        """
        numbers = obj_ids.tolist() if hasattr(obj_ids, "tolist") else obj_ids
        ids = list(numbers) if isinstance(numbers, (list, tuple)) else [numbers]
        for obj_id in ids:
            check_number(obj_id)
        if len(set(ids)) != len(ids) or not ids:
            raise PromptError(
                f"Expected one or more object ids, each once, got {ids}. Give one prompt for each object."
            )
        if input_masks is not None:
            if input_points is not None or input_boxes is not None:
                raise PromptError("Expected masks alone, got points or boxes too. Give them in a call of their own.")
            for obj_id, mask in zip(ids, _masks(input_masks, len(ids)), strict=True):
                inference_session.add_mask(frame_idx, obj_id, square_mask(mask, self.target_size))
            return
        self._know_size(inference_session, original_size)
        clicks = self._clicks(inference_session, ids, input_points, input_labels, input_boxes, clear=clear_old_inputs)
        for obj_id, object_clicks in zip(ids, clicks, strict=True):
            inference_session.add_clicks(frame_idx, obj_id, object_clicks, more=not clear_old_inputs)

    def _know_size(self, session: Sam2VideoInferenceSession, original_size: Sequence[int] | Tensor | None) -> None:
        if original_size is not None:
            session.video_height, session.video_width = (int(side) for side in original_size)
        if session.video_height is None or session.video_width is None:
            raise PromptError(
                "Expected original_size with the first points or boxes of a stream, got none. Give (height, width) of "
                "its frames, such as inputs.original_sizes[0]."
            )

    def _clicks(
        self, session: Sam2VideoInferenceSession, ids: list[int], points: Any, labels: Any, boxes: Any, *, clear: bool
    ) -> list[Clicks]:
        """Each object's points in model pixels, the corners of its box first; without padding."""
        if (points is None) != (labels is None):
            raise PromptError("Expected points and labels together, got one without the other. Give both.")
        if points is None and boxes is None:
            raise PromptError("Expected points, boxes or masks, got none. Give one of them for each object id.")
        if boxes is not None and not clear:
            raise PromptError(
                "Expected clear_old_inputs=True with a box, which comes before all points, got False. Give the box "
                "with the first points."
            )
        size = [(session.video_height, session.video_width)]
        features = self(
            input_points=points, input_labels=labels, input_boxes=boxes, original_sizes=size, return_tensors="pt"
        )
        for name in ("input_points", "input_boxes"):
            if name in features and features[name].shape[1] != len(ids):
                raise PromptError(
                    f"Expected {name} for each of {len(ids)} object ids, got {features[name].shape[1]}. The outermost "
                    "level is the image, the next one the objects."
                )
        return [_clicks_of(features, place, obj_id) for place, obj_id in enumerate(ids)]


def _clicks_of(features: Any, place: int, obj_id: int) -> Clicks:
    parts = []
    if "input_boxes" in features and not features["input_boxes"][0, place].isnan().any():
        corners = features["input_boxes"][0, place].reshape(2, 2)
        parts.append(Clicks(corners, torch.tensor([TOP_LEFT, BOTTOM_RIGHT])))
    if "input_points" in features:
        labels = features["input_labels"][0, place]
        given = labels != IGNORED
        parts.append(Clicks(features["input_points"][0, place][given], labels[given]))
    clicks = parts[0] + parts[1] if len(parts) == 2 else parts[0] if parts else None
    if clicks is None or not len(clicks.labels):
        raise PromptError(f"Expected a point or a box for object {obj_id}, got neither. Leave out its id.")
    return clicks


def _masks(masks: Any, count: int) -> list[Float[Tensor, "H W"]]:
    """One mask of zeros and ones for each object; numbers of at least 0.5 are on the object.

    Raises:
        PromptError: another number of masks, or shapes that are no masks.
    """
    several = list(masks) if isinstance(masks, (list, tuple)) else [masks]
    if len(several) != count:
        raise PromptError(
            f"Expected a list of one mask for each of {count} object ids, got {len(several)}. Give [mask, ...]."
        )
    planes = []
    for number, mask in enumerate(several):
        with naming("mask", number, count):
            planes.append(_plane(mask))
    return planes


def _plane(mask: Any) -> Float[Tensor, "H W"]:
    values = mask.detach().cpu() if isinstance(mask, Tensor) else torch.from_numpy(np.ascontiguousarray(mask))
    height, width = values.shape[-2:] if values.ndim >= 2 else (0, 0)
    if values.ndim > 4 or values.numel() != height * width or not values.numel():
        raise PromptError(
            f"Expected one mask [height, width], got shape {list(values.shape)}. Give one for each object."
        )
    plane = values.reshape(height, width)
    return plane.float() if plane.is_floating_point() else (plane > 0).float()


def _channels_last(video: Any) -> Any:
    """A tensor or array [T,3,H,W] as [T,H,W,3]; anything else as it is."""
    shape: Any = getattr(video, "shape", ())
    if len(shape) != 4 or shape[1] != 3 or shape[3] == 3:
        return video
    return video.permute(0, 2, 3, 1) if isinstance(video, Tensor) else np.moveaxis(video, 1, 3)
