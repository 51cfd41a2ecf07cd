"""transformers' SamImageProcessor: pictures to the model's square, and masks back to the pictures.

A thin interface to `image/transform.py` and `image/frame.py`. Knows nothing about prompts or networks.

Source: image_processing_sam.py of transformers 5.23 (settings, arguments, outputs).
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
import torch
from jaxtyping import Float, Int64, Shaped
from PIL import Image
from torch import Tensor

from samhq.checkpoint.files import read_object, write_object
from samhq.checkpoint.hf_config import processor_to_transformers
from samhq.checkpoint.load import load_state, locate
from samhq.compat.transformers.configs import tolerant
from samhq.compat.transformers.features import BatchFeature
from samhq.compat.transformers.pretrained import OPTIONS, refuse_without_effect
from samhq.compat.transformers.uploads import NoUpload
from samhq.compat.transformers.whole_image import WholeImageSteps
from samhq.encoder_config import PIXEL_MEAN, PIXEL_STD
from samhq.errors import ConfigError, ImageError, PromptError, did_you_mean, naming
from samhq.image.frame import Frame
from samhq.image.read import as_array, describe, read_image
from samhq.image.transform import normalise_and_pad, resize_longest

Made = TypeVar("Made", bound="SamImageProcessor")


@tolerant
@dataclass
class SamImageProcessor(NoUpload, WholeImageSteps):
    """Settings as in transformers. The four sizes can be chosen; the others must be those of the models' training.

    Pixels are resized by Pillow, as in the original code. Whether values need rescaling is decided by their dtype and
    range: uint8, or floats in 0..1 or 0..255.
    """

    model_input_names: ClassVar[list[str]] = ["pixel_values"]

    do_resize: bool = True
    size: dict[str, int] = field(default_factory=lambda: {"longest_edge": 1024})
    mask_size: dict[str, int] = field(default_factory=lambda: {"longest_edge": 256})
    resample: int | None = 2
    do_rescale: bool = True
    rescale_factor: float | None = 1 / 255
    do_normalize: bool = True
    image_mean: list[float] = field(default_factory=lambda: [round(value / 255, 6) for value in PIXEL_MEAN])
    image_std: list[float] = field(default_factory=lambda: [round(value / 255, 6) for value in PIXEL_STD])
    do_pad: bool = True
    pad_size: dict[str, int] = field(default_factory=lambda: {"height": 1024, "width": 1024})
    mask_pad_size: dict[str, int] = field(default_factory=lambda: {"height": 256, "width": 256})
    do_convert_rgb: bool = True

    def __post_init__(self) -> None:
        for name in ("size", "mask_size"):
            setattr(self, name, {"longest_edge": _one_side(name, getattr(self, name), ("longest_edge",))})
        for name in ("pad_size", "mask_pad_size"):
            side = _one_side(name, getattr(self, name), ("height", "width"))
            setattr(self, name, {"height": side, "width": side})
        self._check()

    def _check(self) -> None:
        """Refuses settings that differ from those of the models' training."""
        fixed = {"do_resize": True, "do_normalize": True, "do_pad": True, "do_convert_rgb": True}
        for name, only in fixed.items():
            if getattr(self, name) is not only:
                raise ConfigError(f"Expected {name}={only}, got {getattr(self, name)!r}. The models need it.")
        if self.resample not in (None, 2):
            raise ConfigError(
                f"Expected resample=2 (bilinear), got {self.resample!r}. The models were trained with it."
            )
        factor = self.rescale_factor
        if factor is not None and not (isinstance(factor, (int, float)) and np.isclose(factor, (1 / 255, 1)).any()):
            raise ConfigError(f"Expected rescale_factor=1/255 (1 for pixels in 0..1), got {factor!r}. Leave it out.")
        for name, values in (("image_mean", PIXEL_MEAN), ("image_std", PIXEL_STD)):
            if not np.allclose(getattr(self, name), np.divide(values, 255), atol=1e-4):
                raise ConfigError(f"Expected {name} near {np.divide(values, 255).round(3).tolist()}, which the models "
                                  f"were trained with, got {getattr(self, name)!r}. Leave it out.")  # fmt: skip
        for small, large in (("size", "pad_size"), ("mask_size", "mask_pad_size")):
            inner, outer = getattr(self, small)["longest_edge"], getattr(self, large)["height"]
            if inner > outer:
                raise ConfigError(f"Expected {large} of at least {small}, got {outer} and {inner}. Make them equal.")

    @classmethod
    def from_pretrained(cls: type[Made], source: str | os.PathLike[str], **changes: Any) -> Made:
        """The settings in a folder or a repository of the hub, those of the model where it has none, with changes.

        Reads `preprocessor_config.json`, or `processor_config.json` as newer versions of transformers write it.

        Raises:
            ConfigError, CheckpointError: nothing is there, or settings that the models cannot work with.
        """
        refuse_without_effect(changes, source)
        settings = {name: value for name, value in changes.items() if name not in OPTIONS}
        return cls(**saved_settings(locate(source)))._changed(settings)

    def save_pretrained(self, folder: str | os.PathLike[str], processor_class: str | None = None) -> None:
        """Writes `preprocessor_config.json` into a folder, for transformers too.

        Raises:
            CheckpointError: the folder cannot be written.
        """
        values = self.to_dict()
        write_object(
            Path(folder) / "preprocessor_config.json",
            {**values, "processor_class": processor_class} if processor_class else values,
        )

    @classmethod
    def from_dict(cls: type[Made], values: Mapping[str, Any], **changes: Any) -> Made:
        """The settings in a dict, with changes.

        Raises:
            ConfigError: settings that the models cannot work with.
        """
        return cls(**values)._changed(changes)

    @classmethod
    def from_json_file(cls: type[Made], file: str | os.PathLike[str]) -> Made:
        """The settings in a file that `to_json_file` or transformers wrote.

        Raises:
            CheckpointError: it cannot be read.
            ConfigError: settings that the models cannot work with.
        """
        return cls.from_dict(read_object(Path(file)))

    def to_dict(self) -> dict[str, Any]:
        """The settings as transformers writes them."""
        return {**dataclasses.asdict(self), "image_processor_type": "SamImageProcessor"}

    def to_json_string(self) -> str:
        """`to_dict` as indented JSON."""
        return json.dumps(self.to_dict(), indent=2, sort_keys=True) + "\n"

    def to_json_file(self, file: str | os.PathLike[str]) -> None:
        """Writes `to_dict` into a file.

        Raises:
            CheckpointError: the file cannot be written.
        """
        write_object(Path(file), self.to_dict())

    def __call__(
        self, images: Any, segmentation_maps: Any = None, return_tensors: str | None = None, **changes: Any
    ) -> BatchFeature:
        """Pictures as `pixel_values` [I,3,S,S] float32, `original_sizes` and `reshaped_input_sizes` [I,2] as (H, W).

        `images` is one picture or several: paths, PIL images, arrays, tensors, a list of these, or an array with four
        axes. `segmentation_maps` [H,W], one for each picture, come back as `labels` [I,4g,4g] int64: integers scaled
        by nearest neighbour and padded with 0, in the frame of the model's low-resolution masks. They are for a loss;
        the model does not take them. `return_tensors`: "pt", "np", or None for lists of arrays.

        Raises:
            ImageError: what `read_image` refuses, or maps that do not fit their pictures.
            ConfigError: an unknown setting or kind of tensor.
        """
        if changes:
            return self._changed(changes)(images, segmentation_maps, return_tensors)
        arrays, several = [], _several(images, 4)
        for number, image in enumerate(several):
            with naming("image", number, len(several)):
                arrays.append(read_image(image))
        if not arrays:
            raise ImageError("Expected at least one image, got an empty list.")
        side, square = self.size["longest_edge"], self.pad_size["height"]
        frames = [Frame.fit(array.shape[:2], side) for array in arrays]
        values: dict[str, list[Any]] = {
            "pixel_values": [_pixels(array, side, square) for array in arrays],
            "original_sizes": [frame.original_hw for frame in frames],
            "reshaped_input_sizes": [frame.resized_hw for frame in frames],
        }
        if segmentation_maps is not None:
            values["labels"] = self._labels(_several(segmentation_maps, 3), frames)
        return BatchFeature({name: tensors(value, return_tensors) for name, value in values.items()})

    preprocess = __call__

    def _changed(self: Made, changes: Mapping[str, Any]) -> Made:
        known = [setting.name for setting in dataclasses.fields(self)]
        for name in changes:
            if name not in known:
                raise ConfigError(
                    f"Expected a setting of the image processor, got {name!r}. {did_you_mean(name, known)}"
                )
        return dataclasses.replace(self, **changes)

    def _labels(self, maps: Sequence[Any], frames: Sequence[Frame]) -> list[Int64[np.ndarray, "G G"]]:
        if len(maps) != len(frames):
            raise ImageError(f"Expected a segmentation map for each of {len(frames)} images, got {len(maps)}.")
        side, square = self.mask_size["longest_edge"], self.mask_pad_size["height"]
        labels = []
        for number, (label_map, frame) in enumerate(zip(maps, frames, strict=True)):
            with naming("image", number, len(frames)):
                labels.append(_label(label_map, frame, side, square))
        return labels

    def post_process_masks(
        self,
        masks: Any,
        original_sizes: Any,
        reshaped_input_sizes: Any,
        mask_threshold: float = 0.0,
        binarize: bool = True,
        pad_size: Mapping[str, int] | int | None = None,
    ) -> list[Tensor]:
        """For each picture its masks at its own size: bool [P,K,H,W], or float logits where `binarize` is False.

        `masks` are `pred_masks` [I,P,K,4g,4g], or a list of [P,K,4g,4g]; the sizes are what the processor returned.
        A pixel belongs to a mask when its logit is strictly above `mask_threshold`.

        Raises:
            PromptError: masks or sizes of the wrong shape or number.
            ConfigError: a `pad_size` that is no square.
        """
        square = _one_side("pad_size", self.pad_size if pad_size is None else pad_size, ("height", "width"))
        originals, resized = (
            _sizes("original_sizes", original_sizes),
            _sizes("reshaped_input_sizes", reshaped_input_sizes),
        )
        if not len(masks) == len(originals) == len(resized):
            raise PromptError(
                f"Expected masks, original_sizes and reshaped_input_sizes of the same images, got {len(masks)}, "
                f"{len(originals)} and {len(resized)}."
            )
        painted = []
        for logits, hw, inner in zip((_logits(mask_logits) for mask_logits in masks), originals, resized, strict=True):
            if min(hw + inner) < 1 or max(inner) > square:
                raise PromptError(
                    f"Expected sizes of at least 1 pixel, reshaped up to {square}, got {hw} and {inner}. "
                    "Check pad_size."
                )
            frame = Frame(hw, inner, square)
            painted.append(frame.masks_to_image(logits, mask_threshold) if binarize else frame.logits_to_image(logits))
        return painted


def tensors(values: list[Any], kind: str | None) -> Any:
    """A list of equal arrays or sizes as a tensor ("pt"), an array ("np"), or as it is (None).

    Raises:
        ConfigError: another kind.
    """
    if kind not in (None, "np", "pt"):
        raise ConfigError(
            f'Expected return_tensors "pt", "np" or None, got {kind!r}. TensorFlow and JAX take the arrays of "np".'
        )
    if kind is None:
        return values
    array = np.stack([np.asarray(value) for value in values])
    return torch.from_numpy(array) if kind == "pt" else array


def _pixels(image: np.ndarray, side: int, square: int) -> Float[np.ndarray, "3 S S"]:
    resized = torch.from_numpy(np.ascontiguousarray(resize_longest(image, side).transpose(2, 0, 1)))
    return normalise_and_pad(resized[None], square)[0].numpy()


def label_values(source: Any) -> Shaped[np.ndarray, "H W"]:
    """The numbers of a segmentation map.

    Raises:
        ImageError: no map of whole numbers.
    """
    values = np.squeeze(as_array(np.asarray(source) if isinstance(source, Image.Image) else source))
    if values.ndim != 2 or not values.size or (values.dtype.kind == "f" and (values != values.round()).any()):
        raise ImageError(f"Expected a segmentation map of whole numbers [height, width], got {describe(source)}.")
    return values


def _label(source: Any, frame: Frame, side: int, square: int) -> Int64[np.ndarray, "G G"]:
    values = label_values(source)
    if Frame.fit(values.shape, frame.side).resized_hw != frame.resized_hw:
        raise ImageError(
            f"Expected a segmentation map of its image's size {list(frame.original_hw)} (height, width), or drawn of "
            f"the whole image, got {list(values.shape)}."
        )
    height, width = Frame.fit(values.shape, side).resized_hw
    small = Image.fromarray(values.astype(np.int32)).resize((width, height), Image.Resampling.NEAREST)
    label = np.zeros((square, square), np.int64)
    label[:height, :width] = np.asarray(small)
    return label


def _several(value: Any, batch_ndim: int) -> list[Any]:
    """The items of a list, or of an array with a batch axis; anything else is one item."""
    if isinstance(value, (list, tuple)):
        return list(value)
    return list(value) if getattr(value, "ndim", 0) == batch_ndim else [value]


def _one_side(name: str, value: Any, keys: tuple[str, ...]) -> int:
    """The number in `{"longest_edge": 1024}`, `{"height": 1024, "width": 1024}` or 1024."""
    sides = {value.get(key) for key in keys} if isinstance(value, Mapping) else {value}
    side = sides.pop() if len(sides) == 1 else None
    if not isinstance(side, int) or isinstance(side, bool) or side < 1:
        forms = ", ".join(f'"{key}": 1024' for key in keys)
        raise ConfigError(f"Expected {name} as {{{forms}}}, a square's side in pixels, got {value!r}.")
    return side


def _sizes(name: str, value: Any) -> list[tuple[int, int]]:
    try:
        rows = value.tolist() if hasattr(value, "tolist") else [tuple(int(side) for side in row) for row in value]
        return [(int(height), int(width)) for height, width in rows]
    except (TypeError, ValueError) as error:
        raise PromptError(f"Expected {name} as (height, width) for each image, got {value!r:.60}.") from error


def _logits(value: Any) -> Float[Tensor, "P K G G"]:
    logits = torch.from_numpy(value) if isinstance(value, np.ndarray) else value
    if not isinstance(logits, Tensor) or logits.ndim != 4 or not logits.is_floating_point():
        raise PromptError(
            "Expected masks as pred_masks [images, prompts, masks, h, w] of float logits, got for an image "
            f"{describe(value)}. Do not threshold or squeeze them before."
        )
    return logits


def saved_settings(path: Path) -> dict[str, Any]:
    """The settings of an image processor in a folder's files, else those that suit its weights.

    Raises:
        ConfigError, CheckpointError: a file that cannot be read; neither settings nor weights.
    """
    for name in ("preprocessor_config.json", "processor_config.json"):
        if (path / name).is_file():
            values = read_object(path / name)
            inner = values.get("image_processor", values)
            return dict(inner) if isinstance(inner, Mapping) else values
    return dict(processor_to_transformers(load_state(path)[1].config))
