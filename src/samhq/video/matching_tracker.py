"""Follows objects with any model for pictures: features show where an object went, and the model paints its mask there.

The prompt is the box around the object's place. For models with memory, `tracker` is better.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from samhq.config import HQMode
from samhq.image.boxes import boxes_from_masks
from samhq.image.read import as_array
from samhq.inference.segment import EncodedImage, Segmenter
from samhq.masks import rle
from samhq.masks.rle import RLE
from samhq.results.prompt import Prompt
from samhq.results.prompt_arrays import mask_array, mask_logits
from samhq.shapes import Bool, Float32, UInt8
from samhq.video.matching import CELLS, Reference, matching_features, propagate, shares_of
from samhq.video.prompts import check_begins, check_object

_RECENT = 4  #: Tracked frames that a frame is compared with, beside prompted ones.
_PROMPTED = 3  #: Prompted frames that a frame is compared with.
KEPT_FEATURES = 8  #: Prompted frames of an object whose features are kept, those nearest to the current frame.
_PROMPT_REACH = 20  #: Cells that an object may be away from its place on a prompted frame.
_SURE, _LIKELY = 0.5, 0.3  #: Shares above which a cell certainly, or possibly, belongs to the object.
_PART = 0.15  #: Smallest size of a part that is kept, relative to the largest part.
_MARGIN, _GATE = 0.5, 1.5  #: Cells by which the prompted box, and the mask at most, extend beyond the place.
_FINE = 4  #: Steps within a cell when places are located.


@dataclass(eq=False)
class MatchedFrame:
    """A frame with the model's features, which are computed when they are first needed."""

    index: int
    image: UInt8[np.ndarray, "H W 3"]
    segmenter: Segmenter

    @cached_property
    def encoded(self) -> EncodedImage:
        """The frame, ready for prompts."""
        return self.segmenter.encode(self.image)

    @cached_property
    def features(self) -> Float[Tensor, "c h w"]:
        """The features of its cells."""
        return matching_features(self.encoded.embedding, self.encoded.frame)


@dataclass(frozen=True, eq=False)
class Matched:
    """An object on a frame: its mask, the mask's predicted IoU (0 without a mask), shares and features of cells."""

    mask: Bool[np.ndarray, "H W"]
    score: float
    shares: Float[Tensor, "h w"]
    features: Float[Tensor, "c h w"]


@dataclass(frozen=True)
class MatchedMask:
    """A prompted frame far from the current one: only the object's mask as RLE, and its predicted IoU."""

    code: RLE
    score: float


@dataclass
class MatchedObject:
    """One object: its masks on prompted frames and on the last tracked ones, and prompts by frame."""

    prompted: dict[int, Matched] = field(default_factory=dict)
    tracked: dict[int, Matched] = field(default_factory=dict)
    prompts: dict[int, Prompt] = field(default_factory=dict)
    reverse: bool = False  #: Whether `tracked` is from a pass backward in time.
    far: dict[int, MatchedMask] = field(default_factory=dict)  #: Prompted frames without features.

    def at(self, frame: int) -> Matched | None:
        """The object's latest mask on a frame."""
        return self.prompted.get(frame) or self.tracked.get(frame)

    @property
    def prompts_in_memory(self) -> Collection[int]:
        """The prompted frames whose masks are kept."""
        return {*self.prompted, *self.far}

    def references(self, frame: int) -> dict[int, int]:
        """The frames to compare a frame with, and the reach in cells on each."""
        distances = {number: abs(number - frame) for number, tracked in self.tracked.items() if tracked.mask.any()}
        near = sorted(distances, key=lambda number: distances[number])[:_RECENT]
        since = min([abs(number - frame) for number in (*near, *self.prompted)])
        prompted = sorted(self.prompted, key=lambda number: abs(number - frame))[:_PROMPTED]
        return {number: max(_PROMPT_REACH, _reach(since)) for number in prompted} | {
            number: _reach(distances[number]) for number in near
        }

    def begin(self, frame: int, *, reverse: bool) -> None:
        """Forgets tracked masks that are not behind this frame in the direction of the pass."""
        same = self.reverse == reverse
        behind = {n: tracked for n, tracked in self.tracked.items() if (n > frame if reverse else n < frame)}
        self.tracked, self.reverse = behind if same else {}, reverse

    def restore_features(self, video_frame: MatchedFrame) -> None:
        """Computes the features of a prompted frame again if they are not kept."""
        kept = self.far.pop(video_frame.index, None)
        if kept is not None:
            self.prompted[video_frame.index] = _matched(video_frame, rle.decode(kept.code), kept.score)

    def forget_features(self, frame: int) -> None:
        """Keeps the features of the prompted frames nearest to this one; of the others only the masks.

        A mask prompt of the others is forgotten too: points then correct the mask that is there.
        """
        for number in sorted(self.prompted, key=lambda number: abs(number - frame))[KEPT_FEATURES:]:
            matched = self.prompted.pop(number)
            self.far[number] = MatchedMask(rle.encode(matched.mask), matched.score)
            if number in self.prompts and self.prompts[number].mask is not None:
                del self.prompts[number]

    def forget_far(self, frame: int) -> None:
        """Keeps the tracked masks that the next frame needs, and that of this frame."""
        used = [number for number in self.references(frame) if number in self.tracked]
        self.tracked = {number: tracked for number, tracked in self.tracked.items() if number in (*used, frame)}


def _reach(frames: int) -> int:
    """How many cells an object may move in so many frames."""
    return min(4 + 2 * frames, CELLS)


class MatchingFollowing:
    """Follows objects, identified by any integers, with a model for pictures."""

    def __init__(self, segmenter: Segmenter, *, hq: HQMode | None = None) -> None:
        self.segmenter, self.hq = segmenter, hq
        self.objects: dict[int, MatchedObject] = {}

    def encode(self, image: UInt8[np.ndarray, "H W 3"], index: int) -> MatchedFrame:
        """The frame with this number; the encoder runs when its features are first needed."""
        return MatchedFrame(index, image, self.segmenter)

    def prompt(self, video_frame: MatchedFrame, object_id: int, prompt: Prompt) -> None:
        """Sets the object's mask on a frame. Points alone correct the mask that is there; a mask alone becomes it.

        Tracked masks are forgotten: if they were right, the prompted frame says the same, and if not, they mislead.

        Raises:
            PromptError: wrong shapes, ranges, order or labels; only points off an object that has no mask there.
        """
        tracked = self.objects.get(object_id, MatchedObject())
        tracked.restore_features(video_frame)
        answer = tracked.at(video_frame.index)
        if answer is None or not answer.mask.any():
            check_begins(prompt)
        completed = _completed(prompt, tracked.prompts.get(video_frame.index), answer)
        mask, score = self._mask(video_frame, completed)
        tracked.prompts[video_frame.index] = completed
        tracked.prompted[video_frame.index] = _matched(video_frame, mask, score)
        tracked.tracked.clear()
        tracked.forget_features(video_frame.index)
        self.objects[object_id] = tracked

    def remember(self) -> None:
        """Does nothing: prompts are in memory at once."""

    @torch.inference_mode()
    def follow(
        self, video_frame: MatchedFrame, *, reverse: bool = False, only: Collection[int] | None = None
    ) -> dict[int, Matched]:
        """The objects on the next frame; `only` leaves out all other objects. Prompted frames keep their masks."""
        for tracked in self.objects.values():
            tracked.restore_features(video_frame)
            tracked.forget_features(video_frame.index)
        chosen = {number: tracked for number, tracked in self.objects.items() if only is None or number in only}
        for tracked in chosen.values():
            tracked.begin(video_frame.index, reverse=reverse)
        new = {number: tracked for number, tracked in chosen.items() if video_frame.index not in tracked.prompted}
        for number, matched in self._followed(video_frame, new).items():
            new[number].tracked[video_frame.index] = matched
            new[number].forget_far(video_frame.index)
        answers = {number: tracked.at(video_frame.index) for number, tracked in chosen.items()}
        return {number: answer for number, answer in answers.items() if answer is not None}

    def shown(
        self, video_frame: MatchedFrame, answers: Sequence[Matched | None], *, overlap: bool
    ) -> tuple[Bool[np.ndarray, "P H W"], Float32[np.ndarray, " P"]]:
        """Masks at the video's size with their predicted IoU, 0 for an object that was not found."""
        size = video_frame.image.shape[:2]
        masks = np.zeros((len(answers), *size), bool)
        scores = np.array([0.0 if answer is None else answer.score for answer in answers], np.float32)
        for row, answer in enumerate(answers):
            if answer is not None:
                masks[row] = answer.mask
        if not overlap and (masks.sum(0) > 1).any():
            shares = [torch.zeros(1, 1) if answer is None else answer.shares.cpu() for answer in answers]
            large = torch.stack([_resized(share, size) for share in shares])
            best = torch.where(torch.from_numpy(masks), large, -1).argmax(0).numpy()
            masks &= best == np.arange(len(masks))[:, None, None]
        return masks, scores

    def remove(self, object_id: int) -> None:
        """Forgets an object.

        Raises:
            PromptError: there is no such object.
        """
        check_object(object_id, self.objects)
        del self.objects[object_id]

    def saved(self) -> dict[int, dict[str, Any]]:
        """The objects' masks and features as plain values and tensors."""
        return {
            number: {
                "prompted": _values_by_frame(tracked.prompted),
                "tracked": _values_by_frame(tracked.tracked),
                "reverse": tracked.reverse,
                "far": {frame: (kept.code, kept.score) for frame, kept in tracked.far.items()},
            }
            for number, tracked in self.objects.items()
        }

    def restore(self, state: dict[int, dict[str, Any]]) -> None:
        """Replaces the objects by those of `saved`."""
        device = self.segmenter.model.device
        self.objects = {
            number: MatchedObject(
                _from_values(saved["prompted"], device),
                _from_values(saved["tracked"], device),
                reverse=saved["reverse"],
                far={frame: MatchedMask(*kept) for frame, kept in saved.get("far", {}).items()},
            )
            for number, saved in state.items()
        }

    def _mask(self, video_frame: MatchedFrame, prompt: Prompt) -> tuple[np.ndarray, float]:
        """The prompted mask [H,W] and its predicted IoU; a bool mask alone stays as it is, with 1, or 0 if empty."""
        if prompt.mask is not None and prompt.points is None and prompt.box is None:
            mask_logits(prompt.mask, video_frame.encoded.frame)  # Checks its form and size.
            mask = mask_array(prompt.mask, video_frame.image.shape[:2])
            if mask.dtype == np.bool_:
                return np.array(mask, order="C").reshape(video_frame.image.shape[:2]), float(mask.any())
        result = self.segmenter.segment(video_frame.encoded, prompts=[prompt], hq=self.hq)
        return result.masks[0], float(result.scores[0]) if result.masks[0].any() else 0.0

    def _followed(self, video_frame: MatchedFrame, objects: Mapping[int, MatchedObject]) -> dict[int, Matched]:
        """The objects' masks on the frame; an object that is not there has an empty one."""
        size = video_frame.image.shape[:2]
        places = {number: object_place(shares, size) for number, shares in self._shares(video_frame, objects).items()}
        visible = {number: place for number, place in places.items() if place is not None}
        absent = _matched(video_frame, np.zeros(size, bool), 0.0) if len(visible) < len(objects) else None
        followed = {number: absent for number in objects if number not in visible and absent is not None}
        if visible:
            prompts = [Prompt(box=place.box) for place in visible.values()]
            result = self.segmenter.segment(video_frame.encoded, prompts=prompts, multimask=False, hq=self.hq)
            for row, (number, place) in enumerate(visible.items()):
                mask = result.masks[row] & place.gate
                followed[number] = _matched(video_frame, mask, float(result.scores[row]) if mask.any() else 0.0)
        return followed

    def _shares(
        self, video_frame: MatchedFrame, objects: Mapping[int, MatchedObject]
    ) -> dict[int, Float[Tensor, "h w"]]:
        """Each object's shares of cells; objects with the same reference frames are computed together."""
        groups: dict[tuple[tuple[int, int], ...], list[int]] = {}
        for number, tracked in objects.items():
            groups.setdefault(tuple(sorted(tracked.references(video_frame.index).items())), []).append(number)
        shares_of_objects: dict[int, Float[Tensor, "h w"]] = {}
        for frames, numbers in groups.items():
            references = []
            for frame, reach in frames:
                matched = [objects[number].at(frame) for number in numbers]
                answers = [answer for answer in matched if answer is not None]
                shares = torch.stack([answer.shares for answer in answers])
                references.append(Reference(answers[0].features, shares, reach))
            shares_of_objects |= dict(zip(numbers, propagate(video_frame.features, references), strict=True))
        return shares_of_objects


@dataclass(frozen=True, eq=False)
class ObjectPlace:
    """Where an object is: its box (x0, y0, x1, y1), and the pixels that may belong to it."""

    box: tuple[float, float, float, float]
    gate: Bool[np.ndarray, "H W"]


def object_place(shares: Float[Tensor, "h w"], size_hw: tuple[int, int]) -> ObjectPlace | None:
    """The place of an object with these shares of cells on a frame; None if no cell is surely object.

    Parts far smaller than the largest one are left out.
    """
    from scipy import ndimage

    height, width = size_hw
    fine_hw = shares.shape[0] * _FINE, shares.shape[1] * _FINE
    fine = _resized(shares.cpu(), fine_hw).numpy()
    parts, count = ndimage.label(fine > _SURE)
    if not count:
        return None
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    around = boxes_from_masks((sizes >= _PART * sizes.max())[parts])
    margin = _MARGIN * _FINE
    x, y = width / fine_hw[1], height / fine_hw[0]
    box = (
        max(0.0, (around[0] - margin) * x),
        max(0.0, (around[1] - margin) * y),
        min(float(width), (around[2] + 1 + margin) * x),
        min(float(height), (around[3] + 1 + margin) * y),
    )
    near = ndimage.binary_dilation(fine > _LIKELY, iterations=round(_GATE * _FINE))
    return ObjectPlace(box, _resized(torch.from_numpy(near).float(), size_hw).numpy() > 0.5)


def _resized(values: Float[Tensor, "h w"], size_hw: tuple[int, int]) -> Float[Tensor, "H W"]:
    return F.interpolate(values[None, None], size=size_hw, mode="bilinear")[0, 0]


def _matched(video_frame: MatchedFrame, mask: np.ndarray, score: float) -> Matched:
    rows, columns = video_frame.features.shape[1:]
    shares = shares_of(mask, (rows, columns)).to(video_frame.features.device)
    return Matched(mask, score, shares, video_frame.features)


def _completed(prompt: Prompt, before: Prompt | None, answer: Matched | None) -> Prompt:
    """A prompt of points alone with the frame's earlier prompt, or else with a box around the mask that it corrects."""
    if prompt.points is None or prompt.box is not None or prompt.mask is not None:
        return prompt
    points, labels = _clicks(prompt)
    if before is not None:
        earlier, earlier_labels = _clicks(before)
        return replace(
            before, points=np.concatenate([earlier, points]), labels=np.concatenate([earlier_labels, labels])
        )
    if answer is None or not answer.mask.any():
        return prompt
    x0, y0, x1, y1 = boxes_from_masks(answer.mask)
    corners = np.concatenate([points[labels == 1], [[x0, y0], [x1 + 1, y1 + 1]]])
    return replace(prompt, box=[*corners.min(0), *corners.max(0)])


def _clicks(prompt: Prompt) -> tuple[Float32[np.ndarray, "N 2"], np.ndarray]:
    """The points of a prompt, possibly none, and their labels."""
    points = np.zeros((0, 2), np.float32) if prompt.points is None else as_array(prompt.points).reshape(-1, 2)
    labels = np.ones(len(points), int) if prompt.labels is None else as_array(prompt.labels).reshape(-1)
    return points.astype(np.float32), labels


def _values_by_frame(matched_by_frame: Mapping[int, Matched]) -> dict[int, tuple[Any, ...]]:
    return {
        frame: (torch.from_numpy(matched.mask), matched.score, matched.shares, matched.features)
        for frame, matched in matched_by_frame.items()
    }


def _from_values(values_by_frame: Mapping[int, tuple[Any, ...]], device: torch.device) -> dict[int, Matched]:
    """The inverse of `_values_by_frame`, with tensors on the device."""
    return {
        frame: Matched(mask.numpy(), score, shares.to(device), features.to(device))
        for frame, (mask, score, shares, features) in values_by_frame.items()
    }
