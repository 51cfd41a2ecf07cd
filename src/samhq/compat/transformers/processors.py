"""transformers' SamProcessor and SamHQProcessor: pictures and prompts to a model's inputs, masks back.

Knows nothing about networks.

Source: processing_sam.py and processing_sam_hq.py of transformers 5.23 (arguments and outputs).
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
from torch import Tensor

from samhq.compat.transformers.features import BatchFeature
from samhq.compat.transformers.image_processor import SamImageProcessor, tensors
from samhq.compat.transformers.model_methods import check_saving
from samhq.compat.transformers.nesting import Padded, nested_prompts, pad
from samhq.compat.transformers.uploads import NoUpload
from samhq.errors import ConfigError
from samhq.image.frame import Frame
from samhq.types import IGNORED

Made = TypeVar("Made", bound="SamHQProcessor")

#: Arguments that group options of a call; each option may also be given directly.
GROUPS = frozenset({"images_kwargs", "common_kwargs"})


class SamHQProcessor(NoUpload):
    """Prepares pictures together with their prompts."""

    def __init__(self, image_processor: SamImageProcessor | None = None) -> None:
        if image_processor is not None and not isinstance(image_processor, SamImageProcessor):
            raise ConfigError(f"Expected a SamImageProcessor, got a {type(image_processor).__name__}.")
        self.image_processor = image_processor or SamImageProcessor()
        self.point_pad_value = IGNORED

    @classmethod
    def from_pretrained(cls: type[Made], source: str | os.PathLike[str], **changes: Any) -> Made:
        """The processor with the settings in a folder or a repository of the hub, or else those of the model there.

        Raises:
            ConfigError, CheckpointError: nothing is there, or settings that the models cannot work with.
        """
        return cls(SamImageProcessor.from_pretrained(source, **changes))

    def save_pretrained(self, folder: str | os.PathLike[str], **options: Any) -> None:
        """Writes `preprocessor_config.json` into a folder, for transformers too.

        Raises:
            CheckpointError: the folder cannot be written.
            ConfigError: an option that means nothing, or one that would upload the processor.
        """
        check_saving(options)
        self.image_processor.save_pretrained(folder, processor_class=type(self).__name__)

    def to_dict(self) -> dict[str, Any]:
        """The settings as transformers writes them."""
        return {"processor_class": type(self).__name__, "image_processor": self.image_processor.to_dict()}

    def to_json_string(self) -> str:
        """`to_dict` as indented JSON."""
        return json.dumps(self.to_dict(), indent=2, sort_keys=True) + "\n"

    @property
    def target_size(self) -> int:
        """The longer side of a resized picture."""
        return self.image_processor.size["longest_edge"]

    @property
    def model_input_names(self) -> list[str]:
        """Names of the outputs for pictures alone."""
        return [*self.image_processor.model_input_names, "original_sizes", "reshaped_input_sizes"]

    def __call__(
        self,
        images: Any,
        segmentation_maps: Any = None,
        input_points: Any = None,
        input_labels: Any = None,
        input_boxes: Any = None,
        *,
        return_tensors: str | None = None,
        point_pad_value: float | None = None,
        **changes: Any,
    ) -> BatchFeature:
        """The outputs of `SamImageProcessor`, and the prompts in model pixels, for `model(**inputs)`.

        `input_points` [I,P,N,2] from `[image][object][point][x, y]`, or from `[image][point][x, y]` with one object
        an image; `input_labels` [I,P,N] int64 (1 on the object, 0 off it); `input_boxes` [I,P,4] from
        `[image][object][x0, y0, x1, y1]`. All in pixels of the picture; lists, tuples, arrays and tensors; float32.

        Numbers of objects and points may differ: rows are padded at the end, points with `point_pad_value` (-10) and
        the label -10, boxes with NaN. Padding does not change any other result; a prompt that is only padding gives an
        empty mask with score 0. The result has labels if they were given or if points were padded.

        Every option may also stand in `images_kwargs` or `common_kwargs`, where transformers groups them.

        Raises:
            PromptError: nesting, numbers of images, objects, points or labels that do not fit.
            ImageError, ConfigError: as `SamImageProcessor`; an option that is given twice.
        """
        if not GROUPS.isdisjoint(changes):
            prompts = {"input_points": input_points, "input_labels": input_labels, "input_boxes": input_boxes}
            options = {"segmentation_maps": segmentation_maps, "return_tensors": return_tensors}
            named = {**prompts, **options, "point_pad_value": point_pad_value}
            alone = {name: value for name, value in named.items() if value is not None}
            return self(images, **without_groups({**alone, **changes}))
        features = self.image_processor(images, segmentation_maps, None, **changes)
        frames = [
            Frame(original, resized, self.target_size)
            for original, resized in zip(features["original_sizes"], features["reshaped_input_sizes"], strict=True)
        ]
        fill = self.point_pad_value if point_pad_value is None else point_pad_value
        padded = pad(nested_prompts(input_points, input_labels, input_boxes, len(frames)), fill)
        features.update(to_model(padded, frames, fill))
        return BatchFeature({name: tensors(list(value), return_tensors) for name, value in features.items()})

    def post_process_masks(self, *args: Any, **kwargs: Any) -> list[Tensor]:
        """As `SamImageProcessor.post_process_masks`."""
        return self.image_processor.post_process_masks(*args, **kwargs)


class SamProcessor(SamHQProcessor):
    """Prepares pictures together with their prompts; its second argument is not used, as in transformers."""

    def __call__(  # type: ignore[override]
        self,
        images: Any,
        text: None = None,
        segmentation_maps: Any = None,
        input_points: Any = None,
        input_labels: Any = None,
        input_boxes: Any = None,
        **options: Any,
    ) -> BatchFeature:
        """As `SamHQProcessor`.

        Raises:
            ConfigError: `text`, or as `SamHQProcessor`.
            PromptError, ImageError: as `SamHQProcessor`.
        """
        if text is not None:
            raise ConfigError(
                "Expected points or boxes, got `text`, which SAM does not understand. "
                "Use samhq.load(...).segment(image, text=...)."
            )
        return super().__call__(images, segmentation_maps, input_points, input_labels, input_boxes, **options)


def without_groups(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options by their own names, out of transformers' groups.

    >>> without_groups({"size": 64, "common_kwargs": {"return_tensors": "pt"}})
    {'size': 64, 'return_tensors': 'pt'}

    Raises:
        ConfigError: an option that is given twice, or a group that is no dict.
    """
    flat = {name: value for name, value in options.items() if name not in GROUPS}
    for group in sorted(GROUPS & options.keys()):
        values = options[group] or {}
        if not isinstance(values, Mapping):
            raise ConfigError(f"Expected {group} as a dict of options, got {values!r:.60}.")
        for name, value in values.items():
            if name in flat:
                raise ConfigError(f"Expected {name} once, got it in {group} and a second time. Leave one of them out.")
            flat[name] = value
    return flat


def to_model(padded: Padded, frames: list[Frame], fill: float) -> dict[str, np.ndarray]:
    """Arrays by the names that the model takes, with coordinates in model pixels and padding unchanged."""
    values = {}
    if padded.boxes is not None:
        pairs = zip(frames, padded.boxes, strict=True)
        values["input_boxes"] = np.stack([frame.boxes_to_model(boxes) for frame, boxes in pairs])
    if padded.points is not None:
        pairs = zip(frames, padded.points, strict=True)
        values["input_points"] = np.stack([frame.points_to_model(points) for frame, points in pairs])
        if padded.labels is not None:
            values["input_points"][padded.labels == IGNORED] = fill
            values["input_labels"] = padded.labels
    return values
