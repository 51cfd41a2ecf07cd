"""One picture at a time, then any number of prompts for it: segment-anything's and SAM-HQ's `SamPredictor`.

The predictors are the only classes in samhq that keep state between calls, because that is their published interface.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Shaped, UInt8
from torch import Tensor, nn

from samhq.compat.segment_anything.refusals import NoImageError, RefusedImageError, RefusedPromptError
from samhq.compat.segment_anything.sam import Sam, with_published_interface
from samhq.compat.segment_anything.transforms import ResizeLongestSide
from samhq.image.rgb import rgb_pixels
from samhq.model.prepared_pictures import PreparedPictures
from samhq.types import ImageEmbedding


@dataclass(frozen=True)
class _Picture:
    """The state of the current picture, replaced as a whole, so that no thread sees half of another one."""

    features: Tensor | None = None
    interm_features: list[Tensor] | None = None
    original_size: tuple[int, int] | None = None
    input_size: tuple[int, int] | None = None
    is_set: bool = False


class _SetPicture(NamedTuple):
    """The parts of the state that a call uses, once a picture is set."""

    features: Tensor
    early: Tensor | None
    original_size: tuple[int, int]
    input_size: tuple[int, int]


def _part_of_picture(name: str) -> Any:
    """A published attribute of the predictor, which is a field of its picture."""

    def put(predictor: SamPredictor, value: Any) -> None:
        predictor._picture = replace(predictor._picture, **{name: value})

    return property(lambda predictor: getattr(predictor._picture, name), put)


class SamPredictor:
    """Masks for the prompts of one picture; the picture is encoded once.

    `features` [1,C,g,g], `interm_features` (the encoder's early maps, [] for plain SAM), `original_size` and
    `input_size` (height, width before and after the resize) describe the picture; None before `set_image`. They
    may be saved and put back together, with `is_image_set`, to go on without encoding again.

    Threads: a call of `predict` works on one whole picture, the one that was set when it began, whatever other threads
    set meanwhile. Threads that each set pictures need a predictor each; `SamPredictor(model)` costs nothing, and one
    model may be shared.
    """

    _picture: _Picture

    def __init__(self, sam_model: nn.Module) -> None:
        self.model: Sam = with_published_interface(sam_model)
        self.transform = ResizeLongestSide(self.model.config.side)
        self._pictures = PreparedPictures()
        self.reset_image()

    @property
    def device(self) -> torch.device:
        """The device of the model."""
        return self.model.device

    def set_image(self, image: UInt8[np.ndarray, "H W 3"], image_format: str = "RGB") -> None:
        """Encodes the picture, uint8 [H,W,3] in 0..255, with channels in the order `image_format`.

        Raises:
            RefusedImageError: a format other than "RGB" and "BGR".
            ImageError: a picture of another shape or type.
        """
        if image_format not in ("RGB", "BGR"):
            raise RefusedImageError(f'Expected image_format "RGB" or "BGR", got {image_format!r}. Convert it first.')
        picture = rgb_pixels(image)
        if image_format != self.model.image_format:
            picture = picture[..., ::-1]
        resized = np.array(self.transform.apply_image(picture))
        self.set_torch_image(torch.from_numpy(resized).permute(2, 0, 1)[None], picture.shape[:2])

    @torch.no_grad()
    def set_torch_image(self, transformed_image: Shaped[Tensor, "I 3 h w"], original_image_size: Sequence[int]) -> None:
        """Encodes a picture [1,3,h,w], RGB in 0..255, resized already so that its longer side is the model's.

        `original_image_size` is (height, width) before the resize.

        Raises:
            RefusedImageError: another shape or size.
        """
        side, shape = self.model.config.side, transformed_image.shape
        if len(shape) != 4 or shape[1] != 3 or max(shape[2:]) != side:
            raise RefusedImageError(
                f"Expected a picture [1, 3, h, w] with a longer side of {side}, got {list(shape)}. "
                "Resize it with predictor.transform.apply_image_torch."
            )
        height, width = original_image_size
        try:
            features, early = self.model.encode_published(self.model.preprocess(transformed_image))
        except BaseException:
            self.reset_image()  # The picture before must not be used after a failure.
            raise
        sizes = (int(height), int(width)), (int(shape[2]), int(shape[3]))
        self._picture = _Picture(features, early, *sizes, is_set=True)  # at once: other threads see all of it or none

    def predict(
        self,
        point_coords: Shaped[np.ndarray, "N 2"] | None = None,
        point_labels: Shaped[np.ndarray, " N"] | None = None,
        box: Shaped[np.ndarray, " 4"] | Shaped[np.ndarray, "1 4"] | None = None,
        mask_input: Shaped[np.ndarray, "1 G G"] | None = None,
        multimask_output: bool = True,
        return_logits: bool = False,
        hq_token_only: bool = False,
    ) -> tuple[Shaped[np.ndarray, "K H W"], Float[np.ndarray, " K"], Float[np.ndarray, "K G G"]]:
        """Masks bool [K,H,W] (float logits with `return_logits`), scores float32 [K], low-resolution logits [K,4g,4g].

        For one object, in pixels of the picture: `point_coords` [N,2] as (x, y) with `point_labels` [N], 1 on and
        0 off the object; `box` (x0, y0, x1, y1); `mask_input` [1,4g,4g], low-resolution logits of an earlier call.
        K is 3 for plain SAM with `multimask_output`, in the network's order; else 1: HQ models answer with the best
        of the three, corrected by the HQ mask, or with the HQ mask alone (`hq_token_only`). Scores are the predicted
        IoU of SAM's mask; the network predicts none for the HQ mask.

        Raises:
            NoImageError: no picture was set.
            RefusedPromptError: points without labels, more than one box, other shapes or labels, NaN.
            ConfigError: `hq_token_only` of a plain SAM.
        """
        picture = self._set_picture()
        size = picture.original_size
        points, labels = _one(point_coords, "point_coords"), _one(point_labels, "point_labels")
        if points is not None:
            if points.shape[-1] != 2:
                raise RefusedPromptError(
                    f"Expected point_coords [points, 2] as (x, y), got shape {list(points.shape[1:])}. Give two a row."
                )
            points = self.transform.apply_coords(points, size)
        boxes = None if box is None else self.transform.apply_boxes(_single_box(box), size)
        prompt = points, labels, boxes, _one(mask_input, "mask_input")
        masks, scores, low_res = self._predicted(picture, prompt, multimask_output, return_logits, hq_token_only)
        return masks[0].cpu().numpy(), scores[0].float().cpu().numpy(), low_res[0].float().cpu().numpy()

    @torch.no_grad()
    def predict_torch(
        self,
        point_coords: Shaped[Tensor, "B N 2"] | Shaped[np.ndarray, "B N 2"] | None,
        point_labels: Shaped[Tensor, "B N"] | Shaped[np.ndarray, "B N"] | None,
        boxes: Shaped[Tensor, "B *one 4"] | Shaped[np.ndarray, "B *one 4"] | None = None,
        mask_input: Shaped[Tensor, "M 1 G G"] | Shaped[np.ndarray, "M 1 G G"] | None = None,
        multimask_output: bool = True,
        return_logits: bool = False,
        hq_token_only: bool = False,
    ) -> tuple[Shaped[Tensor, "B K H W"], Float[Tensor, "B K"], Float[Tensor, "B K G G"]]:
        """As `predict` for B objects, with tensors in model pixels: use `transform.apply_coords_torch` and others.

        Labels are 1, 0 or -1, SAM's own "not a point". One mask may serve all prompts.

        Raises:
            NoImageError: no picture was set.
            RefusedPromptError: as `samhq.compat.segment_anything.prompts.flat_prompts`.
            ConfigError: `hq_token_only` of a plain SAM.
        """
        prompts = point_coords, point_labels, boxes, mask_input
        return self._predicted(self._set_picture(), prompts, multimask_output, return_logits, hq_token_only)

    @torch.no_grad()
    def _predicted(
        self,
        picture: _SetPicture,
        prompts: tuple[Any, Any, Any, Any],
        several: bool,
        return_logits: bool,
        hq_only: bool,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Masks, scores and low-resolution logits of one picture, whichever picture is set meanwhile."""
        embedding = self._embedding(picture)
        flat = self.model.prompts(*prompts, len(embedding))
        low = self.model.answer(embedding, flat, several, hq_only)
        frame = self.model.frame(picture.input_size, picture.original_size)
        if return_logits:
            return frame.logits_to_image(low.logits), low.iou, low.logits
        return frame.masks_to_image(low.logits, self.model.mask_threshold), low.iou, low.logits

    def get_image_embedding(self) -> Float[Tensor, "I C g g"]:
        """The picture's features.

        Raises:
            NoImageError: no picture was set.
        """
        return self._set_picture().features

    def reset_image(self) -> None:
        """Forgets the picture."""
        self._picture = _Picture()

    is_image_set: bool = _part_of_picture("is_set")
    features: Tensor | None = _part_of_picture("features")
    interm_features: list[Tensor] | None = _part_of_picture("interm_features")
    original_size: tuple[int, int] | None = _part_of_picture("original_size")
    input_size: tuple[int, int] | None = _part_of_picture("input_size")

    def _set_picture(self) -> _SetPicture:
        picture = self._picture
        if (
            not picture.is_set
            or picture.features is None
            or picture.original_size is None
            or picture.input_size is None
        ):
            raise NoImageError("Expected a picture before prompts, got none. Call set_image first.")
        early = (
            picture.interm_features[0] if picture.interm_features is not None and len(picture.interm_features) else None
        )
        return _SetPicture(picture.features, early, picture.original_size, picture.input_size)

    def _embedding(self, picture: _SetPicture) -> ImageEmbedding:
        """The embedding of a picture; its HQ map is made again only when the features or weights change."""
        features, early = picture.features, picture.early
        sources = (features,) if early is None else (features, early)
        return self._pictures.prepare(self.model, sources, lambda: self.model.embedding(features, list(sources[1:])))


def _one(value: Any, name: str) -> np.ndarray | None:
    """One prompt's numbers as a batch of one; None stays None."""
    return None if value is None else _numbers(value, name)[None]


def _single_box(box: Any) -> np.ndarray:
    corners = _numbers(box, "box")
    if corners.shape not in ((4,), (1, 4)):
        raise RefusedPromptError(
            f"Expected one box (x0, y0, x1, y1), got shape {list(corners.shape)}. For several objects use "
            "predict_torch with boxes=predictor.transform.apply_boxes_torch(boxes, size)."
        )
    return corners


def _numbers(value: Any, name: str) -> np.ndarray:
    try:
        return np.asarray(value, np.float64)
    except (TypeError, ValueError) as error:
        raise RefusedPromptError(
            f"Expected {name} as an array of numbers, got {type(value).__name__}: {error} "
            "Convert it with numpy.array, a tensor with .cpu().numpy()."
        ) from error
