"""One picture, or several, then any number of prompts for them: SAM 2's and HQ-SAM 2's `SAM2ImagePredictor`.

Keeps state between calls, because that is the published interface.

Source: sam2/sam2_image_predictor.py of facebookresearch/sam2 and of sam-hq2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Shaped
from PIL import Image
from torch import Tensor

from samhq.compat.sam2.arrays import check_labels, numbers
from samhq.compat.sam2.build import as_sam2, build_sam2_hf
from samhq.compat.sam2.refusals import NoImageError, RefusedImageError, RefusedPromptError
from samhq.compat.sam2.transforms import SAM2Transforms
from samhq.errors import ConfigError
from samhq.image.frame import Frame
from samhq.image.inputs import Array, BoxesInput, LabelsInput, PointsInput
from samhq.image.read import describe, read_image
from samhq.image.rgb import unread
from samhq.image.transform import SquareForm, to_pixels
from samhq.model.prepared_pictures import PreparedPictures
from samhq.types import BOTTOM_RIGHT, IGNORED, TOP_LEFT, ImageEmbedding, LowRes, Prompts

LIMIT = 32.0  #: Returned low-resolution logits are clipped to plus and minus this.

#: Masks, predicted IoU, low-resolution logits.
Answer = tuple[np.ndarray, np.ndarray, np.ndarray]


class SAM2ImagePredictor:
    """Masks for the prompts of a picture, or of several; each picture is encoded once.

    `sam_model` is a SAM 2, or a video predictor, whose model is used. A pixel belongs to a mask if its logit is above
    `mask_threshold`. Holes of at most `max_hole_area` and specks of at most `max_sprinkle_area` low-resolution pixels
    are removed from masks, not from returned logits.
    """

    def __init__(
        self,
        sam_model: Any,
        mask_threshold: float = 0.0,
        max_hole_area: float = 0.0,
        max_sprinkle_area: float = 0.0,
        **kwargs: Any,
    ) -> None:
        del kwargs  # as the published class
        self.model = as_sam2(sam_model)
        self.mask_threshold = mask_threshold
        self.max_hole_area, self.max_sprinkle_area = max_hole_area, max_sprinkle_area
        self._pictures = PreparedPictures()
        self.reset_predictor()

    @classmethod
    def from_pretrained(cls, model_id: str, **kwargs: Any) -> SAM2ImagePredictor:
        """A predictor with the model of a hub repository, such as "facebook/sam2.1-hiera-large"."""
        return cls(build_sam2_hf(model_id, **kwargs), **kwargs)

    @property
    def device(self) -> torch.device:
        """The device of the model."""
        return self.model.device

    @property
    def _transforms(self) -> SAM2Transforms:
        side = self.model.config.side
        return SAM2Transforms(side, self.mask_threshold, self.max_hole_area, self.max_sprinkle_area)

    def reset_predictor(self) -> None:
        """Forgets all pictures."""
        self._is_image_set = self._is_batch = False
        self._embedding: ImageEmbedding | None = None
        self._frames: list[Frame] = []

    @property
    def _orig_hw(self) -> list[tuple[int, int]]:
        return [frame.original_hw for frame in self._frames]

    @property
    def _features(self) -> dict[str, Any] | None:
        if self._embedding is None:
            return None
        return {"image_embed": self._embedding.features, "high_res_feats": list(self._embedding.levels)}

    def set_image(self, image: np.ndarray | Image.Image) -> None:
        """Encodes a picture: an RGB array [H,W,3] or a PIL image of any mode.

        Raises:
            RefusedImageError: another type, such as a tensor.
            ImageError: an array that is not a picture.
        """
        self.reset_predictor()
        self._set([image])
        self._is_image_set = True

    def set_image_batch(self, image_list: Sequence[np.ndarray]) -> None:
        """Encodes pictures of any sizes, for `predict_batch`.

        Raises:
            RefusedImageError: no list, an empty one, or with something that is no picture.
            ImageError: an array that is no picture.
        """
        self.reset_predictor()
        if not isinstance(image_list, list | tuple) or not image_list:
            raise RefusedImageError(f"Expected a list of pictures, got {type(image_list).__name__}. Give at least one.")
        self._set(image_list)
        self._is_image_set = self._is_batch = True

    @torch.no_grad()
    def _set(self, images: Sequence[Any]) -> None:
        parts, frames = [], []
        for image in images:
            if not isinstance(image, np.ndarray | Image.Image):
                raise RefusedImageError(
                    f"Expected an RGB array [H, W, 3] or a PIL image, got {describe(image)}. {unread(image)}"
                )
            pixels, frame = to_pixels(read_image(image), SquareForm.for_model(self.model.config))
            parts.append(self.model.encode(pixels.to(self.device)))
            frames.append(frame)
        levels = tuple(torch.cat(some) for some in zip(*(part.levels for part in parts), strict=True))
        self._embedding = ImageEmbedding(torch.cat([part.features for part in parts]), levels=levels)
        self._frames = frames

    def predict(
        self,
        point_coords: PointsInput | None = None,
        point_labels: LabelsInput | None = None,
        box: BoxesInput | None = None,
        mask_input: Array | None = None,
        multimask_output: bool = True,
        return_logits: bool = False,
        normalize_coords: bool = True,
        *,
        hq_token_only: bool = False,
    ) -> Answer:
        """Masks float32 [K,H,W] of 0 and 1, scores [K], logits [K,4g,4g]; with several objects [B,K,...] each.

        `point_coords` [N,2] or [B,N,2] as (x, y) with `point_labels`, 1 on and 0 off the object; `box` [4] or [B,4] as
        (x0, y0, x1, y1); `mask_input` [1,4g,4g] or [B,1,4g,4g], logits of an earlier call. Coordinates are pixels of
        the picture, or without `normalize_coords` shares of its width and height. K is 3 with `multimask_output`, else
        1. With `return_logits` masks are full-size logits. After `set_image_batch` it uses the last picture, as the
        original does. HQ models add the HQ mask to each mask. `hq_token_only` gives only the HQ mask, with one score,
        the best of SAM's (the original gives three scores).

        Raises:
            NoImageError: no picture was set.
            RefusedPromptError: points without labels, numbers of objects that differ, other shapes.
            ConfigError: `hq_token_only` of a model without HQ heads.
        """
        number = self._number(-1)
        frame = self._frames[number]
        prompts = self._prompts(number, point_coords, point_labels, box, mask_input, normalize_coords)
        low, masks = self._answer(prompts, frame, multimask_output, return_logits, hq_token_only)
        return _arrays(masks, low)

    def predict_batch(
        self,
        point_coords_batch: Sequence[Any] | None = None,
        point_labels_batch: Sequence[Any] | None = None,
        box_batch: Sequence[Any] | None = None,
        mask_input_batch: Sequence[Any] | None = None,
        multimask_output: bool = True,
        return_logits: bool = False,
        normalize_coords: bool = True,
        *,
        hq_token_only: bool = False,
    ) -> tuple[list[np.ndarray], list[np.ndarray], list[np.ndarray]]:
        """As `predict` for each picture of `set_image_batch`: lists with one entry, or None, for each picture.

        Raises:
            NoImageError: no batch of pictures was set.
            RefusedPromptError: as `predict`, or a list of another length.
        """
        if not self._is_batch:
            raise NoImageError("Expected a batch of pictures before prompts, got none. Call set_image_batch first.")
        rows = [
            _entries(given, len(self._frames))
            for given in (point_coords_batch, point_labels_batch, box_batch, mask_input_batch)
        ]
        answers = []
        for number, (points, labels, box, mask) in enumerate(zip(*rows, strict=True)):
            prompts = self._prompts(number, points, labels, box, mask, normalize_coords)
            low, masks = self._answer(prompts, self._frames[number], multimask_output, return_logits, hq_token_only)
            answers.append(_arrays(masks, low))
        masks_list, ious, lows = zip(*answers, strict=True)
        return list(masks_list), list(ious), list(lows)

    def _predict(
        self,
        point_coords: Shaped[Tensor, "B N 2"] | None,
        point_labels: Shaped[Tensor, "B N"] | None,
        boxes: Shaped[Tensor, "B 4"] | None = None,
        mask_input: Shaped[Tensor, "B 1 G G"] | None = None,
        multimask_output: bool = True,
        return_logits: bool = False,
        img_idx: int = -1,
        *,
        hq_token_only: bool = False,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """As `predict`, with tensors in pixels of the model's square; masks are bool, or logits."""
        number = self._number(img_idx)
        given = (point_coords, boxes)
        count = max(
            (len(value) for value in given if value is not None), default=1 if mask_input is None else len(mask_input)
        )
        prompts = _joined(count, number, point_coords, point_labels, boxes, mask_input).to(self.device)
        low, masks = self._answer(prompts, self._frames[number], multimask_output, return_logits, hq_token_only)
        return masks, low.iou, low.logits

    def get_image_embedding(self) -> Float[Tensor, "I C g g"]:
        """The pictures' features, "no memory" added.

        Raises:
            NoImageError: no picture was set.
        """
        self._number(0)
        assert self._embedding is not None
        return self._embedding.features

    def _number(self, index: int) -> int:
        """The picture with an index, which may count from the end.

        Raises:
            NoImageError: no picture was set.
        """
        if not self._is_image_set:
            raise NoImageError("Expected a picture before prompts, got none. Call set_image first.")
        return range(len(self._frames))[index]

    def _prep_prompts(
        self,
        point_coords: Any,
        point_labels: Any,
        box: Any,
        mask_logits: Any,
        normalize_coords: bool,
        img_idx: int = -1,
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None, Tensor | None]:
        """Masks [B,1,4g,4g], points [B,N,2], labels [B,N] and boxes [B,2,2] in model pixels, or None, for scripts
        that call the network's parts.

        Raises:
            NoImageError: no picture was set.
            RefusedPromptError: shapes that do not fit.
        """
        number = self._number(img_idx)
        points, labels, boxes, masks = self._checked(
            number, point_coords, point_labels, box, mask_logits, normalize_coords
        )
        parts = (masks, points, labels, None if boxes is None else boxes.view(-1, 2, 2))
        mask, coords, kinds, corners = (None if part is None else part.float().to(self.device) for part in parts)
        return mask, coords, None if kinds is None else kinds.int(), corners

    def _prompts(self, number: int, points: Any, labels: Any, box: Any, mask: Any, normalise: bool) -> Prompts:
        """One picture's prompts in model pixels.

        Raises:
            RefusedPromptError: shapes that do not fit.
        """
        checked = self._checked(number, points, labels, box, mask, normalise)
        places, _, corners, masks = checked
        count = next((len(part) for part in (places, corners, masks) if part is not None), 1)
        return _joined(count, number, *checked).to(self.device)

    def _checked(
        self, number: int, points: Any, labels: Any, box: Any, mask: Any, normalise: bool
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None, Tensor | None]:
        """One picture's points, labels, boxes [B,4] and masks, with coordinates in model pixels.

        Raises:
            RefusedPromptError: shapes that do not fit.
        """
        frame = self._frames[number]
        side = 4 * self.model.config.grid
        places = _tensor(points, 3, "point_coords as [N, 2] or [B, N, 2]", (2,))
        kinds = _tensor(labels, 2, "point_labels as [N] or [B, N]")
        corners = _tensor(box, 2, "box as [4] or [B, 4]", (4,))
        masks = _tensor(mask, 4, f"mask_input as [1, {side}, {side}] or [B, 1, {side}, {side}]", (1, side, side))
        if (places is None) != (kinds is None):
            raise RefusedPromptError(
                "Expected points and labels together, got one of them. Give one label for each point."
            )
        if places is not None and kinds is not None and places.shape[:2] != kinds.shape:
            raise RefusedPromptError(
                f"Expected a label for each point, got {list(kinds.shape)} labels for {list(places.shape[:2])} points. "
                "Give one label for each point."
            )
        if kinds is not None:
            check_labels(kinds)
        counts = {len(tensor) for tensor in (places, corners) if tensor is not None} or {
            1 if masks is None else len(masks)
        }
        if len(counts) > 1 or (masks is not None and len(masks) not in (1, *counts)):
            raise RefusedPromptError(
                f"Expected points, boxes and masks for equally many objects, got {sorted(counts)}. Repeat the rows."
            )
        scale = frame.points_to_model if normalise else lambda xy: xy.float() * frame.side
        if places is not None:
            places = scale(places)
        if corners is not None:
            corners = scale(corners.view(-1, 2, 2)).flatten(1)
        return places, kinds, corners, masks

    @torch.no_grad()
    def _answer(
        self, prompts: Prompts, frame: Frame, multimask: bool, return_logits: bool, hq_token_only: bool
    ) -> tuple[LowRes, Tensor]:
        """Low-resolution results, and masks or logits at the picture's size."""
        if hq_token_only and not self.model.config.hq:
            raise ConfigError(
                f"Expected a model with HQ heads for hq_token_only, got {self.model.config.name}, which has none. "
                "Leave hq_token_only out."
            )
        encoded = self._embedding
        assert encoded is not None
        prepared = self._pictures.prepare(self.model, (encoded.features,), lambda: encoded)
        embedding = replace(prepared, levels=encoded.levels)
        low = self.model.decode(
            embedding, prompts, candidates="all" if multimask else "single", hq="only" if hq_token_only else None
        )
        logits = self._transforms.cleaned(low.logits)
        full = frame.logits_to_image(logits) if return_logits else frame.masks_to_image(logits, self.mask_threshold)
        return LowRes(low.logits.clamp(-LIMIT, LIMIT), low.iou), full


def _joined(
    count: int,
    number: int,
    points: Tensor | None,
    labels: Tensor | None,
    boxes: Tensor | None,
    masks: Tensor | None,
) -> Prompts:
    """Prompts of one picture. Boxes become labelled corners, so that labels 2 and 3 among points mean the same."""
    if boxes is not None:
        corners = boxes.reshape(-1, 2, 2).float()
        kinds = torch.tensor([[TOP_LEFT, BOTTOM_RIGHT]], device=corners.device).expand(len(corners), -1)
        points = corners if points is None else torch.cat([corners, points.float()], 1)
        labels = kinds if labels is None else torch.cat([kinds, labels.long()], 1)
    if masks is not None:
        masks = masks.float().expand(count, -1, -1, -1)
    owner = torch.full((count,), number, dtype=torch.int64)
    if points is None or labels is None:
        return Prompts(owner, masks=masks)
    labels = labels.long()
    return Prompts(owner, points.float(), torch.where(labels < -1, IGNORED, labels), masks=masks)


def _tensor(value: Any, rank: int, expected: str, last: tuple[int, ...] = ()) -> Tensor | None:
    """Numbers as a float tensor with one row for each object and sizes that end with `last`.

    Raises:
        RefusedPromptError: other shapes, or no numbers.
    """
    if value is None:
        return None
    tensor = numbers(value, expected)
    if tensor.ndim == rank - 1:
        tensor = tensor[None]
    if tensor.ndim != rank or (last and tuple(tensor.shape[-len(last) :]) != last):
        raise RefusedPromptError(f"Expected {expected}, got shape {list(np.shape(value))}. Give another shape.")
    return tensor


def _arrays(masks: Tensor, low: LowRes) -> Answer:
    """The results of `predict`; a single object has no axis of its own, however it was given."""
    arrays = masks.float().cpu().numpy(), low.iou.float().cpu().numpy(), low.logits.float().cpu().numpy()
    masks_array, iou, logits = arrays if len(masks) > 1 else (array[0] for array in arrays)
    return masks_array, iou, logits


def _entries(values: Sequence[Any] | None, count: int) -> Sequence[Any]:
    """A list with this many entries; None becomes a list of None.

    Raises:
        RefusedPromptError: another length.
    """
    if values is None:
        return [None] * count
    if len(values) != count:
        raise RefusedPromptError(
            f"Expected an entry for each of {count} pictures, got {len(values)}. Use None for none."
        )
    return values
