"""Prompts of transformers' models, [I,P,...] tensors, to the network's flat list, and back.

Checks shapes here, once. Knows nothing about networks, pictures or files.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from samhq.config import MOST_LOGIT
from samhq.errors import PromptError
from samhq.types import BOTTOM_RIGHT, IGNORED, Prompts


@dataclass(frozen=True)
class Batch:
    """The `prompts` of `images` pictures, `per_image` for each; `padding` marks prompts that are only padding."""

    prompts: Prompts
    images: int
    per_image: int
    padding: Bool[Tensor, " P"] | None = None

    def fold(self, rows: Float[Tensor, " P *rest"]) -> Float[Tensor, "I p *rest"]:
        """Rows of prompts as [I,P,...]."""
        return rows.reshape(self.images, self.per_image, *rows.shape[1:])

    def blank(self, rows: Float[Tensor, " P *rest"], value: float) -> Float[Tensor, " P *rest"]:
        """The rows, with `value` in those of padding prompts."""
        if self.padding is None:
            return rows
        return rows.masked_fill(self.padding.view(-1, *(1,) * (rows.ndim - 1)), value)


def flatten_nested(
    images: int,
    grid: int,
    device: torch.device,
    points: Tensor | None = None,
    labels: Tensor | None = None,
    boxes: Tensor | None = None,
    masks: Tensor | None = None,
) -> Batch:
    """The prompts of `images` pictures, in model pixels: points [I,P,N,2], labels [I,P,N] (1 where left out),
    boxes [I,P,4], [I,1,P,4] or [I,P,1,4], masks [I,1,4g,4g] for all of a picture's prompts or [I,P,4g,4g].

    Without points and boxes there is one prompt for each picture; points or boxes of no objects give no prompts. Points
    labelled -10 and boxes of NaN are padding. If points or boxes were given, a prompt that has only padding is padding
    as a whole.

    Raises:
        PromptError: wrong shapes, counts that differ, unknown labels, or values that are not finite.
    """
    if labels is not None and points is None:
        raise PromptError("Expected input_points with the input_labels, got labels alone. Pass input_points too.")
    boxes = _without_group(boxes)
    _check_points(points, images)
    _check_boxes(boxes, images)
    per_image = 1
    if points is not None:
        per_image = points.shape[1]
    elif boxes is not None:
        per_image = boxes.shape[1]
    if boxes is not None and boxes.shape[1] != per_image:
        raise PromptError(
            f"Expected as many boxes as groups of points for each image, got {boxes.shape[1]} boxes and "
            f"{per_image} groups. A box and the points of the same object go together."
        )
    labels = _labels(points, labels)
    index = torch.arange(images, device=device).repeat_interleave(per_image)
    prompts = Prompts(
        index,
        None if points is None else points.to(device).flatten(0, 1).float(),
        None if labels is None else labels.to(device).flatten(0, 1).long(),
        None if boxes is None else boxes.to(device).flatten(0, 1).float(),
        None if masks is None else _masks(masks.to(device), images, per_image, 4 * grid),
    )
    return Batch(prompts, images, per_image, _padding(prompts))


def _without_group(boxes: Tensor | None) -> Tensor | None:
    """Boxes [I,P,4] from [I,1,P,4] or [I,P,1,4]; all else as it is."""
    if boxes is None or boxes.ndim != 4 or 1 not in boxes.shape[1:3]:
        return boxes
    return boxes[:, 0] if boxes.shape[1] == 1 else boxes[:, :, 0]


def _place(fine: Bool[Tensor, "I P *rest"]) -> str:
    """The first image and object that are not fine, as text.

    >>> _place(torch.tensor([[True, True], [True, False]]))
    'image 1, object 1'
    """
    image, thing = (~fine).nonzero()[0, :2].tolist()
    return f"image {image}, object {thing}"


def _check_points(points: Tensor | None, images: int) -> None:
    if points is None:
        return
    if points.ndim != 4 or points.shape[-1] != 2 or (points.shape[1] and not points.shape[2]):
        raise PromptError(
            "Expected input_points of shape [images, objects, points, 2], got "
            f"{list(points.shape)}. For one object an image add the second axis: input_points[:, None]."
        )
    _check_images("input_points", points, images)
    finite = torch.isfinite(points)
    if not bool(finite.all()):
        raise PromptError(
            f"Expected finite input_points, got NaN or infinity in {_place(finite)}. Label points that fill up "
            "with -10."
        )


def _check_boxes(boxes: Tensor | None, images: int) -> None:
    if boxes is None:
        return
    if boxes.ndim != 3 or boxes.shape[-1] != 4:
        raise PromptError(
            f"Expected input_boxes of shape [images, objects, 4] as (x0, y0, x1, y1), got {list(boxes.shape)}. "
            "For one image add the first axis: input_boxes[None]."
        )
    _check_images("input_boxes", boxes, images)
    fine = ~boxes.isinf().any(-1) & (boxes.isnan().any(-1) == boxes.isnan().all(-1))
    if not bool(fine.all()):
        raise PromptError(
            f"Expected finite input_boxes, got infinity or NaN in a part of the box of {_place(fine)}. All four NaN "
            "is no box."
        )


def _check_images(name: str, value: Tensor, images: int) -> None:
    if value.shape[0] != images:
        raise PromptError(
            f"Expected {name} for {images} image{'s' * (images > 1)}, got {value.shape[0]}. The first axis is images, "
            "the second one objects: several objects of one image are [1, objects, ...]."
        )


def _labels(points: Tensor | None, labels: Tensor | None) -> Tensor | None:
    if points is None or labels is None:
        return None if points is None else torch.ones(points.shape[:3], dtype=torch.int64)
    if labels.shape != points.shape[:3]:
        raise PromptError(
            f"Expected input_labels of shape {list(points.shape[:3])}, one for each point, got {list(labels.shape)}. "
            "Give one label for each point."
        )
    labels = labels.long() if labels.dtype == torch.bool else labels
    known = (labels == IGNORED) | ((labels >= -1) & (labels <= BOTTOM_RIGHT) & (labels == labels.round()))
    if not bool(known.all()):
        raise PromptError(
            "Expected input_labels of 1 (on the object), 0 (off it), -1 (no point), 2 and 3 (corners of a box) or "
            f"-10 (padding), got {sorted(set(labels[~known].tolist()))[:5]}, first in {_place(known)}. "
            "Change the label."
        )
    return labels


def _masks(masks: Tensor, images: int, per_image: int, size: int) -> Float[Tensor, "P 1 G G"]:
    if (
        masks.ndim != 4
        or masks.shape[0] != images
        or masks.shape[1] not in (1, per_image)
        or masks.shape[2:] != (size, size)
    ):
        raise PromptError(
            f"Expected input_masks of shape [{images}, 1, {size}, {size}], one for all prompts of an image, or "
            f"[{images}, {per_image}, {size}, {size}], got {list(masks.shape)}. They are logits in the model's square, "
            "such as pred_masks[:, :, 0]."
        )
    floats = masks if masks.is_floating_point() else masks.float()
    fine = floats.abs() <= MOST_LOGIT
    if not bool(fine.all()):
        raise PromptError(
            f"Expected finite logits of at most {MOST_LOGIT:.0e} as input_masks, got NaN, infinity or more in "
            f"{_place(fine)}. Give back pred_masks of an earlier result."
        )
    return floats.expand(-1, per_image, -1, -1).flatten(0, 1)[:, None]


def _padding(prompts: Prompts) -> Bool[Tensor, " P"] | None:
    empty: list[Int64[Tensor, " P"] | Bool[Tensor, " P"]] = []
    if prompts.labels is not None:
        empty.append((prompts.labels == IGNORED).all(1))
    if prompts.boxes is not None:
        empty.append(prompts.boxes.isnan().all(1))
    padding = torch.stack(empty).all(0) if empty else None
    return padding if padding is not None and bool(padding.any()) else None


def similarity(value: Tensor | None, batch: Batch, heads: int, tokens: int, places: int) -> Tensor | None:
    """PerSAM's `attention_similarity` as [P,heads,tokens,places]; smaller shapes are repeated as torch does.

    Raises:
        PromptError: a shape that cannot be repeated to that.
    """
    if value is None:
        return None
    count = batch.images * batch.per_image
    return _repeated("attention_similarity", value, (count, heads, tokens, places), (count, heads, tokens, places))


def target(value: Tensor | None, batch: Batch, channels: int) -> Float[Tensor, "P 1 C"] | None:
    """PerSAM's `target_embedding` as [P,1,C]; smaller shapes are repeated as torch does.

    Raises:
        PromptError: a shape that cannot be repeated to [I,P,1,C].
    """
    if value is None:
        return None
    shape = (batch.images, batch.per_image, 1, channels)
    return _repeated("target_embedding", value, shape, ("images", "objects", 1, channels)).flatten(0, 1)


def _repeated(name: str, value: Tensor, shape: tuple[int, ...], words: tuple[object, ...]) -> Tensor:
    shape_of_value = (1,) * (len(shape) - value.ndim) + tuple(value.shape)
    if len(shape_of_value) != len(shape) or any(a not in (1, b) for a, b in zip(shape_of_value, shape, strict=False)):
        raise PromptError(
            f"Expected {name} of shape [{', '.join(map(str, words))}] = {list(shape)}, or 1 along some axes, "
            f"got {list(value.shape)}. Reshape it."
        )
    return value.expand(shape)
