"""transformers' Sam2Processor: pictures and prompts to a SAM 2's inputs, masks back. Knows nothing about networks.

Source: processing_sam2.py of transformers 5.23 (arguments and outputs).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from jaxtyping import Float, Int64
from PIL import Image
from torch import Tensor

from samhq.checkpoint.files import write_object
from samhq.checkpoint.hf_config import processor_to_transformers
from samhq.checkpoint.load import locate
from samhq.compat.transformers.features import BatchFeature
from samhq.compat.transformers.image_processor import label_values, saved_settings, tensors
from samhq.compat.transformers.model_methods import check_saving
from samhq.compat.transformers.nesting import nested_prompts, pad
from samhq.compat.transformers.pretrained import SAM2_ATTENTION, Loading
from samhq.compat.transformers.processors import to_model
from samhq.compat.transformers.uploads import NoUpload
from samhq.config import MASK_THRESHOLD, SAM2_MODELS
from samhq.errors import ConfigError, ImageError, PromptError, naming
from samhq.image.frame import Frame
from samhq.image.read import read_image
from samhq.image.transform import SquareForm, to_square
from samhq.types import IGNORED
from samhq.video.tracker import without_overlap

Made = TypeVar("Made", bound="Sam2Processor")


class Sam2Processor(NoUpload):
    """Prepares pictures together with their prompts, for a model that sees a square of `target_size` pixels."""

    def __init__(self, target_size: int = 1024) -> None:
        if not isinstance(target_size, int) or target_size < 1:
            raise ConfigError(f"Expected target_size in pixels, got {target_size!r}. Write 1024.")
        self.target_size = target_size
        self.point_pad_value = IGNORED

    @property
    def image_processor(self: Made) -> Made:
        """The same object, which prepares pictures and gives masks back; transformers has two."""
        return self

    @classmethod
    def from_pretrained(cls: type[Made], source: str | os.PathLike[str], **options: Any) -> Made:
        """The processor with the settings in a folder or a repository of the hub, or else those of the model there.

        `options` are those of `Sam2Model.from_pretrained`, without effect here.

        Raises:
            ConfigError, CheckpointError: nothing is there, or no SAM 2.
        """
        Loading.of(options, source, SAM2_ATTENTION)
        size = saved_settings(locate(source)).get("size")
        if not isinstance(size, Mapping) or "height" not in size:
            raise ConfigError(
                f"Expected the processor of a SAM 2 with a size of height and width, got {size!r:.60} in {source}. "
                "Use SamProcessor for a SAM."
            )
        return cls(size["height"])

    def save_pretrained(self, folder: str | os.PathLike[str], **options: Any) -> None:
        """Writes `preprocessor_config.json` into a folder, for transformers too.

        Raises:
            CheckpointError: the folder cannot be written.
            ConfigError: an option that means nothing, or one that would upload the processor.
        """
        check_saving(options)
        settings = processor_to_transformers(SAM2_MODELS["sam2.1_hiera_tiny"].replace(side=self.target_size))
        write_object(Path(folder) / "preprocessor_config.json", {**settings, "processor_class": type(self).__name__})

    def __call__(
        self,
        images: Any = None,
        segmentation_maps: Any = None,
        input_points: Any = None,
        input_labels: Any = None,
        input_boxes: Any = None,
        original_sizes: Any = None,
        return_tensors: str | None = None,
        device: Any = None,
    ) -> BatchFeature:
        """`pixel_values` [I,3,S,S] float32, `original_sizes` [I,2] as (H, W), and the prompts in model pixels.

        Prompts and their padding are as in `SamHQProcessor`. With `original_sizes` in place of `images` only prompts
        are prepared, for pictures whose embeddings are known. `segmentation_maps` [H,W] of whole numbers, one for each
        picture, come back as `labels` [I,S/4,S/4] int64, scaled by nearest neighbours. Pictures are resized as floats,
        as the original does; transformers first rounds them to whole levels. Tensors are moved to `device`.

        Raises:
            PromptError: nesting, numbers of images, objects, points or labels that do not fit; neither pictures nor
                sizes.
            ImageError: what `read_image` refuses; maps that are none, or of another number.
        """
        values, frames = self._known(original_sizes) if images is None else self._prepared(images)
        if segmentation_maps is not None:
            values["labels"] = self._labels(segmentation_maps, len(frames))
        padded = pad(nested_prompts(input_points, input_labels, input_boxes, len(frames)), self.point_pad_value)
        values |= to_model(padded, frames, self.point_pad_value)
        features = BatchFeature({name: tensors(list(value), return_tensors) for name, value in values.items()})
        return features if device is None else features.to(device)

    def _prepared(self, images: Any) -> tuple[dict[str, Any], list[Frame]]:
        several = list(images) if isinstance(images, (list, tuple)) or getattr(images, "ndim", 0) == 4 else [images]
        if not several:
            raise ImageError("Expected at least one image, got an empty list.")
        prepared: list[tuple[Any, Frame]] = []
        for number, image in enumerate(several):
            with naming("image", number, len(several)):
                prepared.append(to_square(read_image(image), SquareForm(self.target_size, squashed=True)))
        frames = [frame for _, frame in prepared]
        pixels = [square[0] for square, _ in prepared]
        return {"pixel_values": pixels, "original_sizes": [frame.original_hw for frame in frames]}, frames

    def _known(self, original_sizes: Any) -> tuple[dict[str, Any], list[Frame]]:
        if original_sizes is None:
            raise PromptError("Expected images, or original_sizes for prompts alone, got neither. Give one of them.")
        frames = self._frames(original_sizes)
        return {"original_sizes": [frame.original_hw for frame in frames]}, frames

    def _frames(self, sizes: Any) -> list[Frame]:
        return [Frame.fit((int(height), int(width)), self.target_size, squash=True) for height, width in sizes]

    def _labels(self, maps: Any, count: int) -> list[Int64[np.ndarray, "G G"]]:
        several = list(maps) if isinstance(maps, (list, tuple)) or getattr(maps, "ndim", 0) == 3 else [maps]
        if len(several) != count:
            raise ImageError(f"Expected a segmentation map for each of {count} images, got {len(several)}.")
        labels = []
        for number, label_map in enumerate(several):
            with naming("image", number, count):
                values = Image.fromarray(label_values(label_map).astype(np.int32))
                small = values.resize((self.target_size // 4,) * 2, Image.Resampling.NEAREST)
                labels.append(np.asarray(small).astype(np.int64))
        return labels

    def post_process_masks(
        self,
        masks: Any,
        original_sizes: Any,
        mask_threshold: float = MASK_THRESHOLD,
        binarize: bool = True,
        max_hole_area: float = 0.0,
        max_sprinkle_area: float = 0.0,
        apply_non_overlapping_constraints: bool = False,
    ) -> list[Tensor]:
        """For each picture its masks at its own size: bool [P,K,H,W], or float logits where `binarize` is False.

        `masks` are `pred_masks` [I,P,K,4g,4g] or a list of [P,K,4g,4g]. With `apply_non_overlapping_constraints` a
        pixel belongs to at most one of a picture's objects, the one with the highest logit.

        Raises:
            PromptError: masks and sizes of different numbers.
            ConfigError: areas, which have no effect in transformers either.
        """
        if max_hole_area or max_sprinkle_area:
            raise ConfigError(
                f"Expected max_hole_area and max_sprinkle_area as 0, because transformers ignores them, got "
                f"{max_hole_area} and {max_sprinkle_area}. Use samhq.compat.sam2.SAM2ImagePredictor, which cleans."
            )
        frames = self._frames(original_sizes)
        if len(frames) != len(masks):
            raise PromptError(f"Expected masks and sizes of the same images, got {len(masks)} and {len(frames)}.")
        pairs = list(zip(frames, map(torch.as_tensor, masks), strict=True))
        if binarize and not apply_non_overlapping_constraints:
            return [frame.masks_to_image(logits, mask_threshold) for frame, logits in pairs]
        large = [frame.logits_to_image(logits) for frame, logits in pairs]
        if apply_non_overlapping_constraints:
            large = [_without_overlap(logits) for logits in large]
        return [logits > mask_threshold for logits in large] if binarize else large


def _without_overlap(logits: Float[Tensor, "P K H W"]) -> Float[Tensor, "P K H W"]:
    """Logits in which every pixel of a candidate belongs to at most one object."""
    if len(logits) < 2:
        return logits
    return torch.cat([without_overlap(logits[:, k : k + 1]) for k in range(logits.shape[1])], dim=1)
