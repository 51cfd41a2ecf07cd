"""Follows objects through a video, one frame at a time: prompts and frames in, low-resolution masks out.

Holds the memory of each object. Knows nothing about the source of frames or the use of masks; coordinates are the
model's. Objects are independent of each other; objects whose memories have the same layout share a run of the network.

Source: Ravi et al., SAM 2 (arXiv 2408.00714), section 4; facebookresearch/sam2, sam2_video_predictor.py.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from samhq.config import NOT_A_POINT, HQMode
from samhq.image.frame import Frame, resize_antialiased
from samhq.model.sam2.memory import at_model_side
from samhq.model.sam2.sam2 import ABSENT, Followed, Sam2
from samhq.types import Prompts
from samhq.video.encoded import EncodedFrame, PreparedFrame
from samhq.video.memory import ObjectMemory, Recalled, Remembered, TrackOptions
from samhq.video.prompts import check_object

_SURE = 10.0  #: Logit of a given mask's pixels, and its object score.
_LIMIT = 32.0  #: Limit of earlier logits that are used as a mask prompt.
_FILLED = 0.1  #: Logit of a filled hole.
_OBJECTS_AT_ONCE = 16  #: Objects in one run of the network.


@dataclass(frozen=True)
class Clicks:
    """Points [N,2] in model pixels with labels [N]; the corners of a box are points with labels 2 and 3."""

    points: Float[Tensor, "N 2"]
    labels: Int64[Tensor, " N"]

    def __add__(self, later: Clicks) -> Clicks:
        return Clicks(torch.cat([self.points, later.points]), torch.cat([self.labels, later.labels]))


@dataclass(frozen=True)
class Pending:
    """The answer to a prompt, whose memory map is made when tracking continues."""

    answer: Remembered
    features: Float[Tensor, "1 C g g"] | None  #: The encoder's features, until the memory map is made.
    conditions: bool  #: Whether the frame becomes one of the prompted frames.


@dataclass
class TrackedObject:
    """One object: its memories, its prompts by frame, and answers to prompts that are not in memory yet."""

    memory: ObjectMemory = field(default_factory=ObjectMemory)
    clicks: dict[int, Clicks] = field(default_factory=dict)
    masks: dict[int, Float[Tensor, "S S"]] = field(default_factory=dict)
    pending: dict[int, Pending] = field(default_factory=dict)

    def at(self, frame: int) -> Remembered | None:
        """The object's latest answer on a frame."""
        waiting = self.pending.get(frame)
        return waiting.answer if waiting else self.memory.at(frame)

    @property
    def prompts_in_memory(self) -> Collection[int]:
        """The prompted frames that later frames use."""
        return self.memory.prompted

    @property
    def prompted_frames(self) -> set[int]:
        """Frames with prompts."""
        return {*self.clicks, *self.masks}


class ObjectTracker:
    """Follows objects, identified by any integers, from frame to frame with SAM 2 or HQ-SAM 2."""

    def __init__(
        self,
        model: Sam2,
        options: TrackOptions | None = None,
        *,
        memory_dtype: torch.dtype = torch.bfloat16,
        hq: HQMode | None = None,
    ) -> None:
        self.model = model
        self.options = options or TrackOptions()
        self.memory_dtype = memory_dtype
        self.hq = hq
        self.objects: dict[int, TrackedObject] = {}

    def encode(self, image: UInt8[np.ndarray, "H W 3"], index: int) -> EncodedFrame:
        """The frame with this number, ready for prompts and tracking."""
        return EncodedFrame(index, image, self.model)

    @torch.inference_mode()
    def click(self, video_frame: PreparedFrame, object_id: int, clicks: Clicks, *, more: bool = False) -> Remembered:
        """The object's mask on a frame from clicks and a box; `more` adds them to earlier ones there.

        The object's last mask on this frame, if there is one, is refined. A new number is a new object.
        """
        tracked = self.objects.setdefault(object_id, TrackedObject())
        before = tracked.clicks.get(video_frame.index) if more else None
        clicks = clicks if before is None else before + clicks
        earlier = tracked.at(video_frame.index)
        tracked.clicks[video_frame.index] = clicks
        tracked.masks.pop(video_frame.index, None)
        features = self._features(video_frame, tracked.memory)
        mask = None if earlier is None else earlier.logits.clamp(-_LIMIT, _LIMIT)
        followed = self._follow(video_frame, features, [clicks], mask, multimask=len(clicks.labels) <= 1)
        return self._set_pending(video_frame, tracked, _by_object(followed)[0])

    @torch.inference_mode()
    def mask(self, video_frame: PreparedFrame, object_id: int, mask: Float[Tensor, "S S"]) -> Remembered:
        """The object's mask on a frame, given as zeros and ones at the model's side; replaces earlier prompts there."""
        tracked = self.objects.setdefault(object_id, TrackedObject())
        tracked.masks[video_frame.index] = mask
        tracked.clicks.pop(video_frame.index, None)
        model_mask = mask[None, None].to(self.model.device, self.model.dtype)
        logits = model_mask.float() * (2 * _SURE) - _SURE
        low = resize_antialiased(logits, (self.model.config.grid * 4,) * 2)
        prompt = self.model.mask_logits_of(model_mask)
        followed = self._follow(video_frame, video_frame.embedding.features, [None], prompt, multimask=False)
        present = bool((mask > 0).any())
        pointer = followed.pointer if present else self.model.no_obj_ptr.expand_as(followed.pointer)
        score = torch.full_like(followed.object_score, _SURE if present else -_SURE)
        return self._set_pending(video_frame, tracked, Remembered(low, pointer, score))

    def remember(self) -> None:
        """Makes the memories of all prompts since the last call; tracking continues from them."""
        for tracked in self.objects.values():
            for index in list(tracked.pending):
                self._settle(tracked, index)

    @torch.inference_mode()
    def follow(
        self, video_frame: PreparedFrame, *, reverse: bool = False, only: Collection[int] | None = None
    ) -> dict[int, Remembered]:
        """The objects on the next frame; `reverse` is backward in time, `only` leaves out all other objects.

        Frames that were prompted keep their masks. Objects that were never prompted are left out.
        """
        chosen = {
            object_id: tracked
            for object_id, tracked in self.objects.items()
            if (only is None or object_id in only) and tracked.memory.prompted
        }
        new = {
            object_id: tracked
            for object_id, tracked in chosen.items()
            if video_frame.index not in tracked.memory.prompted and video_frame.index not in tracked.memory.fixed
        }
        for group in self._layouts(video_frame.index, new, reverse=reverse):
            memories = [new[object_id].memory for object_id, _ in group]
            self._track(video_frame, memories, [recalled for _, recalled in group])
        answers = {}
        for object_id, tracked in chosen.items():
            memory = tracked.memory
            memory.backward[video_frame.index] = reverse
            answer = memory.at(video_frame.index)
            assert answer is not None
            answers[object_id] = answer
            if video_frame.index in memory.prompted:
                self._forget_near(memory, video_frame.index)
            if self.options.keep == "window":
                memory.forget_far(video_frame.index, self._maps, self._pointers, self.options.stride)
        return answers

    @torch.inference_mode()
    def share(self, video_frame: PreparedFrame) -> None:
        """Makes a frame a prompted one for all objects: objects without a mask there count as absent.

        HQ-SAM 2's predictor does so with frames on which any object is prompted.
        """
        for tracked in self.objects.values():
            memory = tracked.memory
            if video_frame.index in memory.prompted:
                continue
            answer = memory.tracked.pop(video_frame.index, None)
            if answer is None:
                score = torch.full((1, 1), _SURE, device=self.model.device)
                nothing = absent_logits(self.model.config.grid, self.model.device)
                answer = Remembered(nothing, self.model.no_obj_ptr.detach(), score)
            binary = self.options.binary_prompts
            map_ = self._maps_of(video_frame.embedding.features, answer.logits, answer.object_score, binary=binary)
            memory.prompted[video_frame.index] = replace(answer, map=map_)

    def clear_prompts(self, frame: int, object_id: int) -> None:
        """Removes an object's prompts on a frame; a mask in memory there counts as tracked.

        Raises:
            PromptError: there is no such object.
        """
        tracked = self.object(object_id)
        for by_frame in (tracked.clicks, tracked.masks, tracked.pending):
            by_frame.pop(frame, None)
        tracked.memory.fixed.discard(frame)
        answer = tracked.memory.prompted.pop(frame, None)
        if answer is not None:
            tracked.memory.tracked[frame] = answer
            tracked.memory.backward.pop(frame, None)

    def remove(self, object_id: int) -> None:
        """Forgets an object.

        Raises:
            PromptError: there is no such object.
        """
        self.object(object_id)
        del self.objects[object_id]

    def object(self, object_id: int) -> TrackedObject:
        """The object with this number.

        Raises:
            PromptError: there is none.
        """
        check_object(object_id, self.objects)
        return self.objects[object_id]

    @property
    def _maps(self) -> int:
        return self.model.memory_config.maps

    @property
    def _pointers(self) -> int:
        limit, length = self.model.memory_config.pointers, self.options.length
        return limit if length is None else min(length, limit)

    def _features(self, video_frame: PreparedFrame, memory: ObjectMemory) -> Float[Tensor, "1 C g g"]:
        """The frame's features for a prompt: with memory if the object was tracked here, else without."""
        if video_frame.index not in memory.backward or not memory.prompted:
            return self.model.without_memory(video_frame.embedding.features)
        recalled = self._recall(memory, video_frame.index, reverse=memory.backward[video_frame.index])
        return self._conditioned(video_frame, [recalled])

    def _recall(self, memory: ObjectMemory, frame: int, *, reverse: bool) -> Recalled:
        return memory.recall(frame, self._maps, self._pointers, self.options, reverse=reverse)

    def _conditioned(self, video_frame: PreparedFrame, recalled: Sequence[Recalled]) -> Float[Tensor, "P C g g"]:
        """The frame's features after attention to the memories of some objects, which have equal layout."""
        maps = [torch.cat(rows) for rows in zip(*(memories.maps for memories in recalled), strict=True)]
        pointers = [torch.cat(rows) for rows in zip(*(memories.pointers for memories in recalled), strict=True)]
        times = [distance / max(self._pointers - 1, 1) for distance in recalled[0].distances]
        memory = self.model.gather(maps, list(recalled[0].ages), pointers, times)
        return self.model.conditioned(video_frame.embedding.features, memory)

    def _layouts(
        self, frame: int, objects: dict[int, TrackedObject], *, reverse: bool
    ) -> Iterator[list[tuple[int, Recalled]]]:
        """Objects with their recalled memories, grouped by layout."""
        groups: dict[tuple[tuple[int, ...], tuple[int, ...]], list[tuple[int, Recalled]]] = {}
        for object_id, tracked in objects.items():
            recalled = self._recall(tracked.memory, frame, reverse=reverse)
            groups.setdefault((recalled.ages, recalled.distances), []).append((object_id, recalled))
        for group in groups.values():
            for start in range(0, len(group), _OBJECTS_AT_ONCE):
                yield group[start : start + _OBJECTS_AT_ONCE]

    def _track(self, video_frame: PreparedFrame, memories: list[ObjectMemory], recalled: list[Recalled]) -> None:
        """Follows objects of one layout onto a frame, and stores them in memory."""
        features = self._conditioned(video_frame, recalled)
        followed = self._follow(video_frame, features, [None] * len(memories), None, multimask=True)
        maps = self._maps_of(video_frame.embedding.features, followed.logits, followed.object_score, binary=False)
        for memory, answer, map_ in zip(memories, _by_object(followed), _split_rows(maps), strict=True):
            memory.tracked[video_frame.index] = replace(answer, logits=self._filled(answer.logits), map=map_)

    def _follow(
        self,
        video_frame: PreparedFrame,
        features: Float[Tensor, "P C g g"],
        clicks: Sequence[Clicks | None],
        mask: Float[Tensor, "P 1 G G"] | None,
        *,
        multimask: bool,
    ) -> Followed:
        """The decoder's answer; for an object without clicks, a "not a point" takes their place."""
        no_click = Clicks(torch.zeros(1, 2), torch.full((1,), NOT_A_POINT))
        all_clicks = [object_clicks or no_click for object_clicks in clicks]
        prompts = Prompts(
            torch.arange(len(all_clicks)),
            torch.stack([object_clicks.points for object_clicks in all_clicks]),
            torch.stack([object_clicks.labels for object_clicks in all_clicks]),
            masks=mask,
        )
        return self.model.follow(
            replace(video_frame.embedding, features=features), prompts, multimask=multimask, hq=self.hq
        )

    def _set_pending(self, video_frame: PreparedFrame, tracked: TrackedObject, answer: Remembered) -> Remembered:
        """Keeps the answer to a prompt; answers on other frames enter memory now, which frees their features."""
        for index in [index for index in tracked.pending if index != video_frame.index]:
            self._encode_pending(tracked, index)
        answer = replace(answer, logits=self._filled(answer.logits))
        first = video_frame.index not in tracked.memory.backward
        conditions = first or self.options.corrections == "keep"
        tracked.pending[video_frame.index] = Pending(answer, video_frame.embedding.features, conditions)
        return answer

    @torch.inference_mode()
    def _encode_pending(self, tracked: TrackedObject, index: int) -> Pending:
        """The waiting answer with its memory map; its features are freed."""
        waiting = tracked.pending[index]
        if waiting.features is not None:
            answer, binary = waiting.answer, self.options.binary_prompts
            map_ = self._maps_of(waiting.features, answer.logits, answer.object_score, binary=binary)
            waiting = replace(waiting, answer=replace(answer, map=map_), features=None)
            tracked.pending[index] = waiting
        return waiting

    def _settle(self, tracked: TrackedObject, index: int) -> None:
        """Moves a waiting answer into the object's memory."""
        waiting = self._encode_pending(tracked, index)
        del tracked.pending[index]
        memory = tracked.memory
        (memory.prompted if waiting.conditions else memory.tracked)[index] = waiting.answer
        if not waiting.conditions and self.options.corrections == "as-tracked":
            memory.fixed.add(index)
        self._forget_near(memory, index)
        for prompted in memory.prompted:
            memory.tracked.pop(prompted, None)

    def _forget_near(self, memory: ObjectMemory, index: int) -> None:
        if self.options.forget_near_prompts:
            memory.forget_near(index, self.options.stride * self._maps)

    def _maps_of(
        self,
        features: Float[Tensor, "I C g g"],
        logits: Float[Tensor, "P 1 G G"],
        score: Float[Tensor, "P 1"],
        *,
        binary: bool,
    ) -> Float[Tensor, "P c g g"]:
        large = at_model_side(logits, self.model.config.side)
        return self.model.remember(features, large, score, binary=binary).to(self.memory_dtype)

    def _filled(self, logits: Float[Tensor, "1 1 G G"]) -> Float[Tensor, "1 1 G G"]:
        return without_holes(logits, self.options.fill_holes) if self.options.fill_holes else logits


def _by_object(followed: Followed) -> list[Remembered]:
    """The decoder's answer, object by object."""
    parts = (_split_rows(followed.logits), _split_rows(followed.pointer), _split_rows(followed.object_score))
    return [Remembered(*part) for part in zip(*parts, strict=True)]


def _split_rows(values: Tensor) -> list[Tensor]:
    """The rows, each as a tensor with one row."""
    return [values[row : row + 1] for row in range(len(values))]


def without_holes(logits: Float[Tensor, "P 1 G G"], max_area: int) -> Float[Tensor, "P 1 G G"]:
    """Logits in which background regions of up to `max_area` pixels (8-connected) are just above 0.

    As in the original, regions that touch the border count too.
    """
    from scipy import ndimage

    filled = logits.clone()
    for row, mask in zip(filled[:, 0], (logits[:, 0] <= 0).cpu().numpy(), strict=True):
        regions, _ = ndimage.label(mask, np.ones((3, 3)))
        small = np.bincount(regions.ravel()) <= max_area
        small[0] = False
        row[torch.from_numpy(small[regions]).to(row.device)] = _FILLED
    return filled


def square_mask(mask: Float[Tensor, "H W"], side: int) -> Float[Tensor, "S S"]:
    """A mask of zeros and ones at the model's side; pixels that are mostly mask are 1."""
    return (resize_antialiased(mask[None, None], (side, side))[0, 0] >= 0.5).float()


def absent_logits(grid: int, device: torch.device) -> Float[Tensor, "1 1 G G"]:
    """The logits of an object without an answer on a frame."""
    return torch.full((1, 1, 4 * grid, 4 * grid), ABSENT, device=device)


def at_video_size(logits: Float[Tensor, "P 1 G G"], frame: Frame, *, overlap: bool = True) -> Float[Tensor, "P 1 H W"]:
    """Logits of objects at the video's size; without `overlap` each pixel belongs to at most one object."""
    large = frame.logits_to_image(logits)
    return large if overlap or len(large) < 2 else without_overlap(large)


def without_overlap(logits: Float[Tensor, "P 1 H W"]) -> Float[Tensor, "P 1 H W"]:
    """Logits in which every pixel belongs to its highest object; the others get at most -10 there."""
    highest = logits.argmax(dim=0, keepdim=True)
    owned = highest == torch.arange(len(logits), device=logits.device)[:, None, None, None]
    return torch.where(owned, logits, logits.clamp(max=-_SURE))
