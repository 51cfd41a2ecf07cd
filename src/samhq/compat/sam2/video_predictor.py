"""SAM 2's and HQ-SAM 2's video predictors, with the original calls, shapes and rules.

Frames are decoded when they are needed; the original loads all of them first. All tracking results are kept, so that
calls may come in any order; `keep = "window"` limits memory instead.

Source: facebookresearch/sam2, sam2_video_predictor.py; SysCV/sam-hq, sam-hq2.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from samhq.checkpoint.load import load_model
from samhq.compat.sam2.arrays import numbers
from samhq.compat.sam2.build import overrides, with_side
from samhq.compat.sam2.clicks import as_clicks
from samhq.compat.sam2.state import InferenceState, StateError, StepResult
from samhq.device import as_device
from samhq.errors import PromptError
from samhq.image.inputs import Array, BoxInput, LabelsInput, PointsInput
from samhq.model.sam import Sam
from samhq.model.sam2.sam2 import Sam2
from samhq.progress import counted
from samhq.video.follows import check_follows
from samhq.video.frames import numbers_of_pass, open_frames
from samhq.video.memory import Corrections, Keep, Remembered, TrackOptions
from samhq.video.tracker import Clicks, absent_logits, at_video_size, square_mask

Predictor = TypeVar("Predictor", bound="SAM2VideoPredictor")
#: The attributes of the predictor that Hydra's overrides set in the original, with their types.
SETTINGS = {
    "fill_hole_area": int,
    "non_overlap_masks": bool,
    "clear_non_cond_mem_around_input": bool,
    "add_all_frames_to_correct_as_cond": bool,
    "memory_temporal_stride_for_eval": int,
    "max_cond_frames_in_attn": int,
    "binarize_mask_from_pts_for_mem_enc": bool,
}


class SAM2VideoPredictor:
    """Follows objects through a video, as `SAM2VideoPredictor` of sam2 does; objects do not depend on each other.

    The attributes are the original's and may be changed at any time. `memory_dtype` is bfloat16 in the original;
    float32 keeps full precision. `add_all_frames_to_correct_as_cond=False`, the original's default, loses clicks on
    frames that were tracked; True keeps them.
    """

    #: How prompts on tracked frames are used when these frames are not conditioning frames.
    corrections: Corrections = "original"

    def __init__(
        self,
        model: Sam,
        fill_hole_area: int = 0,
        non_overlap_masks: bool = False,
        clear_non_cond_mem_around_input: bool = False,
        add_all_frames_to_correct_as_cond: bool = False,
        *,
        memory_dtype: torch.dtype = torch.bfloat16,
        keep: Keep = "all",
    ) -> None:
        self.model: Sam2 = check_follows(model).eval()
        self.fill_hole_area = fill_hole_area
        self.non_overlap_masks = non_overlap_masks
        self.clear_non_cond_mem_around_input = clear_non_cond_mem_around_input
        self.add_all_frames_to_correct_as_cond = add_all_frames_to_correct_as_cond
        self.memory_temporal_stride_for_eval = 1
        self.max_cond_frames_in_attn = -1
        self.binarize_mask_from_pts_for_mem_enc = True
        self.memory_dtype = memory_dtype
        self.keep = keep
        self.progress = False  #: Whether `propagate_in_video` shows a progress bar.

    @classmethod
    def from_pretrained(cls: type[Predictor], model_id: str, **kwargs: Any) -> Predictor:
        """The predictor with the weights of a published name, a hub id, a file or a folder.

        Takes `device` and the arguments of `around`.

        Raises:
            ConfigError, CheckpointError: as `samhq.load`, or as `around`.
        """
        model = load_model(model_id, device=as_device(kwargs.pop("device", None)))
        return cls.around(model, **kwargs)

    @classmethod
    def around(
        cls: type[Predictor],
        model: Sam,
        *,
        hydra_overrides_extra: Sequence[str] = (),
        apply_postprocessing: bool = True,
        mode: str = "eval",
        vos_optimized: bool = False,
        **kwargs: Any,
    ) -> Predictor:
        """The predictor with this model and the settings of the published builder, which has these arguments.

        `mode` and `vos_optimized` have no effect. Overrides come last; the original ignores those of `fill_hole_area`.

        Raises:
            ConfigError: a model without memory, or an unknown override.
        """
        del mode, vos_optimized
        settings = overrides(hydra_overrides_extra, {"image_size": int, **SETTINGS})
        kwargs.setdefault("fill_hole_area", 8 if apply_postprocessing else 0)
        predictor = cls(model, **kwargs)
        predictor.binarize_mask_from_pts_for_mem_enc = apply_postprocessing
        if not apply_postprocessing:
            predictor.model.stable_from = None
        with_side(predictor.model, settings.pop("image_size", predictor.image_size))
        for name, value in settings.items():
            setattr(predictor, name, value)
        return predictor

    def to(self: Predictor, *place: Any, **options: Any) -> Predictor:
        """The predictor itself, with its model on another device or of another number type, as `nn.Module.to`."""
        self.model.to(*place, **options)
        return self

    def eval(self: Predictor) -> Predictor:
        """The predictor itself, which never trains."""
        return self

    def parameters(self) -> Iterator[torch.nn.Parameter]:
        """The model's parameters."""
        return self.model.parameters()

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        return self.model.device

    @property
    def image_size(self) -> int:
        """The side of the network's input square."""
        return self.model.config.side

    def init_state(
        self,
        video_path: Any,
        offload_video_to_cpu: bool = False,
        offload_state_to_cpu: bool = False,
        async_loading_frames: bool = False,
    ) -> InferenceState:
        """The state of one video: a file, its bytes, a folder of pictures, or a list of frames.

        The last three arguments are accepted and have no effect: frames are never all in memory.

        Raises:
            ImageError: it cannot be read.
        """
        del offload_video_to_cpu, offload_state_to_cpu, async_loading_frames
        return InferenceState(self.model, open_frames(video_path), self._options(None))

    def add_new_points_or_box(
        self,
        inference_state: InferenceState,
        frame_idx: int,
        obj_id: int,
        points: PointsInput | None = None,
        labels: LabelsInput | None = None,
        clear_old_points: bool = True,
        normalize_coords: bool = True,
        box: BoxInput | None = None,
    ) -> StepResult:
        """The frame's number, the objects' ids, and their logits [N,1,H,W] on it after these clicks and this box.

        Raises:
            PromptError: no points and no box, points without labels, or a box that joins earlier points; also a
                frame that is not there.
        """
        frame = self._ready(inference_state).encoded(frame_idx)
        clicks = as_clicks(points, labels, box, clear_old_points=clear_old_points)
        height, width = frame.frame.original_hw if normalize_coords else (1, 1)
        scale = torch.tensor([self.image_size / width, self.image_size / height], dtype=torch.float64)
        clicks = Clicks((clicks.points.double() * scale).float(), clicks.labels)
        inference_state.tracker.click(frame, obj_id, clicks, more=not clear_old_points)
        return frame_idx, *self._masks(inference_state, frame_idx)

    def add_new_points(self, *args: Any, **kwargs: Any) -> StepResult:
        """The older name of `add_new_points_or_box`."""
        return self.add_new_points_or_box(*args, **kwargs)

    def add_new_mask(self, inference_state: InferenceState, frame_idx: int, obj_id: int, mask: Array) -> StepResult:
        """As `add_new_points_or_box`, with a mask [H,W]: bool, or numbers that are at least 0.5 on the object.

        Raises:
            PromptError: not two-dimensional, without pixels, no finite numbers, or a frame that does not exist.
        """
        frame = self._ready(inference_state).encoded(frame_idx)
        values = _mask(mask)
        inference_state.tracker.mask(frame, obj_id, square_mask(values.float(), self.image_size))
        return frame_idx, *self._masks(inference_state, frame_idx)

    def propagate_in_video_preflight(self, inference_state: InferenceState) -> None:
        """Stores the prompts given so far in memory.

        Raises:
            StateError: no object was prompted, or one has lost all its prompted frames.
        """
        tracker = self._ready(inference_state).tracker
        if not tracker.objects:
            raise StateError("Expected prompts before tracking, got none. Call add_new_points_or_box or add_new_mask.")
        tracker.remember()
        self._share(inference_state)
        for object_id, tracked in tracker.objects.items():
            if not tracked.memory.prompted:
                raise StateError(
                    f"Expected prompts for every object, got none for object {object_id}. Prompt or remove it."
                )

    def propagate_in_video(
        self,
        inference_state: InferenceState,
        start_frame_idx: int | None = None,
        max_frame_num_to_track: int | None = None,
        reverse: bool = False,
    ) -> Iterator[StepResult]:
        """For each frame its number, the objects' ids and their logits [N,1,H,W].

        Starts at the first prompted frame, also in reverse, and gives `max_frame_num_to_track` frames after the first,
        as the original does.

        Raises:
            StateError: as `propagate_in_video_preflight`.
            PromptError: the first frame does not exist.
        """
        self.propagate_in_video_preflight(inference_state)
        state, tracker = inference_state, inference_state.tracker
        if start_frame_idx is None:
            start_frame_idx = min(min(tracked.memory.prompted) for tracked in tracker.objects.values())
        state.frames.check(start_frame_idx)
        numbers = numbers_of_pass(start_frame_idx, max_frame_num_to_track, len(state.frames), reverse=reverse)
        for index in counted(numbers, "frame", "propagate in video", show=self.progress):
            remembered = tracker.follow(state.encoded(index), reverse=reverse)
            yield (
                index,
                list(remembered),
                self._at_video_size(state, [tracked.logits for tracked in remembered.values()]),
            )

    def clear_all_prompts_in_frame(
        self, inference_state: InferenceState, frame_idx: int, obj_id: int, need_output: bool = True
    ) -> StepResult | None:
        """Removes an object's prompts on a frame; returns the masks there, or None without `need_output`.

        Raises:
            PromptError: there is no such object.
        """
        self._ready(inference_state).tracker.clear_prompts(frame_idx, obj_id)
        return (frame_idx, *self._masks(inference_state, frame_idx)) if need_output else None

    def reset_state(self, inference_state: InferenceState) -> None:
        """Forgets all objects; the video stays."""
        inference_state.tracker.objects.clear()

    def remove_object(
        self, inference_state: InferenceState, obj_id: int, strict: bool = False, need_output: bool = True
    ) -> tuple[list[int], list[tuple[int, Float[Tensor, "N 1 H W"]]]]:
        """Forgets an object; returns the ids of the others, and their masks on the frames where it was prompted.

        Raises:
            StateError: with `strict`, there is no such object.
        """
        tracker = self._ready(inference_state).tracker
        if obj_id not in tracker.objects:
            if strict:
                raise StateError(f"Expected the id of an object, got {obj_id}. There are {list(tracker.objects)}.")
            return list(tracker.objects), []
        prompted = sorted(tracker.object(obj_id).prompted_frames)
        tracker.remove(obj_id)
        if not tracker.objects or not need_output:
            return list(tracker.objects), []
        return list(tracker.objects), [(frame, self._masks(inference_state, frame)[1]) for frame in prompted]

    def _share(self, state: InferenceState) -> None:
        """Shares prompted frames between objects; this predictor shares nothing."""

    def _ready(self, state: InferenceState) -> InferenceState:
        """The state, updated with the current attributes."""
        state.tracker.options = self._options(len(state.frames))
        state.tracker.memory_dtype = self.memory_dtype
        return state

    def _options(self, length: int | None) -> TrackOptions:
        most = self.max_cond_frames_in_attn
        return TrackOptions(
            corrections="keep" if self.add_all_frames_to_correct_as_cond else self.corrections,
            keep=self.keep,
            fill_holes=self.fill_hole_area,
            binary_prompts=self.binarize_mask_from_pts_for_mem_enc,
            max_prompted=None if most == -1 else most,
            stride=self.memory_temporal_stride_for_eval,
            forget_near_prompts=self.clear_non_cond_mem_around_input,
            length=length,
        )

    def _masks(self, state: InferenceState, frame_idx: int) -> tuple[list[int], Float[Tensor, "N 1 H W"]]:
        """All objects' ids and their latest logits on a frame; -1024 for an object without a mask there."""
        objects = state.tracker.objects
        remembered: list[Remembered | None] = [tracked.at(frame_idx) for tracked in objects.values()]
        none = absent_logits(self.model.config.grid, self.device)
        return list(objects), self._at_video_size(
            state, [none if tracked is None else tracked.logits for tracked in remembered]
        )

    def _at_video_size(self, state: InferenceState, logits: list[Tensor]) -> Float[Tensor, "N 1 H W"]:
        if not logits:
            return torch.zeros(0, 1, *state.frame.original_hw, device=self.device)
        return at_video_size(torch.cat(logits), state.frame, overlap=not self.non_overlap_masks)


class SAM2HQVideoPredictor(SAM2VideoPredictor):
    """As `SAM2HQVideoPredictor` of sam-hq2, which follows all objects together.

    A frame on which one object is prompted is a prompted frame for all: objects without a mask there count as absent. A
    click on a tracked frame changes that frame's mask, which later frames see as a tracked one. Objects cannot be added
    after tracking began. If all objects are prompted on the same frames, the results are those of `SAM2VideoPredictor`.
    """

    corrections: Corrections = "as-tracked"

    def add_new_points_or_box(
        self, inference_state: InferenceState, frame_idx: int, obj_id: int, *args: Any, **kwargs: Any
    ) -> StepResult:
        """As that of `SAM2VideoPredictor`.

        Raises:
            StateError: a new object after tracking began.
        """
        _check_known(inference_state, obj_id)
        return super().add_new_points_or_box(inference_state, frame_idx, obj_id, *args, **kwargs)

    def add_new_mask(self, inference_state: InferenceState, frame_idx: int, obj_id: int, mask: Array) -> StepResult:
        """As that of `SAM2VideoPredictor`.

        Raises:
            StateError: a new object after tracking began.
        """
        _check_known(inference_state, obj_id)
        return super().add_new_mask(inference_state, frame_idx, obj_id, mask)

    def _share(self, state: InferenceState) -> None:
        """Makes every object's prompted frames those of all, sorted by time."""
        objects = state.tracker.objects.values()
        for index in sorted({index for tracked in objects for index in tracked.memory.prompted}):
            if any(index not in tracked.memory.prompted for tracked in objects):
                state.tracker.share(state.encoded(index))
        for tracked in objects:
            tracked.memory.prompted = dict(sorted(tracked.memory.prompted.items()))


def _check_known(state: InferenceState, obj_id: int) -> None:
    objects = state.tracker.objects
    if obj_id not in objects and any(tracked.memory.backward for tracked in objects.values()):
        raise StateError(
            f"Expected one of the objects {list(objects)} after tracking began, got {obj_id}. Call reset_state, or use "
            "SAM2VideoPredictor, which takes new objects at any time."
        )


def _mask(mask: Any) -> Tensor:
    """A mask [H,W]: floats as they are, anything else as bool.

    Raises:
        PromptError: another shape, or no finite numbers.
    """
    values = numbers(mask, "a mask")
    if values.ndim != 2 or not values.numel():
        raise PromptError(f"Expected a mask [height, width], got {list(values.shape)}. Give one object's mask.")
    floating = mask.is_floating_point() if isinstance(mask, Tensor) else np.asarray(mask).dtype.kind == "f"
    return values if floating else values > 0
