"""transformers' `pipeline`: for "mask-generation" masks of everything and their scores, here; for "image-segmentation"
masks with labels, in `image_segmentation.py`.

A thin interface to `inference/automatic.py`. Unlike transformers' it takes lists of pictures of any sizes and crops
with fewer points, and prefers the smaller crop's mask where crops overlap, as segment-anything does.

Source: pipelines/mask_generation.py of transformers 5.23 (arguments and outputs).
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable
from functools import partial
from typing import Any

import numpy as np
import torch

from samhq.checkpoint.load import load_model
from samhq.compat.transformers.image_segmentation import WITHOUT_EFFECT, ImageSegmentationPipeline
from samhq.compat.transformers.picture_inputs import fetched_if_address, outputs_for
from samhq.compat.transformers.pretrained import place_of
from samhq.config import MASK_THRESHOLD
from samhq.device import as_dtype
from samhq.errors import ConfigError, SamHQWarning, did_you_mean
from samhq.image.read import read_image
from samhq.inference.automatic import propose
from samhq.masks import runs
from samhq.model.sam import Sam
from samhq.results.automatic_config import AutomaticConfig
from samhq.results.everything import Everything
from samhq.results.proposals import Proposals

#: The options of a call, and transformers' defaults.
DEFAULTS: dict[str, Any] = {
    "points_per_batch": 64,
    "points_per_crop": 32,
    "crops_n_layers": 0,
    "crop_overlap_ratio": 512 / 1500,
    "crop_n_points_downscale_factor": 1,
    "pred_iou_thresh": 0.88,
    "stability_score_thresh": 0.95,
    "stability_score_offset": 1,
    "mask_threshold": MASK_THRESHOLD,
    "crops_nms_thresh": 0.7,
    "max_hole_area": None,
    "max_sprinkle_area": None,
    "output_rle_mask": False,
    "output_bboxes_mask": False,
    "timeout": None,
}
#: Names in transformers' documentation; its code has those above.
_ALIASES = {"output_rle_masks": "output_rle_mask", "output_bboxes_masks": "output_bboxes_mask"}
TASK, SEGMENTATION_TASK = "mask-generation", "image-segmentation"


class MaskGenerationPipeline:
    """Masks everything in pictures, with the model and default options given to it."""

    task = TASK

    def __init__(self, model: Sam, options: dict[str, Any]) -> None:
        self.sam, self.options = model.eval(), _known(options)

    @property
    def device(self) -> torch.device:
        """The device of the model."""
        return self.sam.device

    def __call__(self, image: Any, **options: Any) -> dict[str, Any] | list[dict[str, Any]] | Iterable[dict[str, Any]]:
        """For a picture a dict, for a list of pictures a list of dicts.

        For a torch data set, such as transformers' `KeyDataset`, another sequence or an iterator: dicts that are made
        one by one as they are taken, with the length of what was given where that is known.

        `masks` is a list of bool tensors [H,W] and `scores` a float tensor [M], the predicted IoU; with
        `output_rle_mask` also `rle_mask`, COCO's uncompressed RLE, and with `output_bboxes_mask` also
        `bounding_boxes` [M,4] int64 as (x0, y0, x1, y1). All are empty where nothing is found; a warning says why.

        A picture is whatever `samhq.image.read.read_image` takes, or an http(s) address (`timeout` in seconds
        applies). The other options are transformers', by its names and defaults; thresholds that come with
        the weights, as with the starter's, replace the defaults. `points_per_batch` None means all points. The result
        does not depend on `points_per_batch`, nor a picture's on the others in its list.

        Warns:
            SamHQWarning: nothing was found because the thresholds are higher than all scores.

        Raises:
            ImageError: a picture that cannot be read or fetched.
            ConfigError: an unknown option or value, or an option that has no effect in transformers either.
        """
        chosen = {**self.options, **_known(options)}
        thresholds = {name: value for name, value in self.sam.config.defaults.stated().items() if name in DEFAULTS}
        outputs_of = partial(self._masks, config=_config({**thresholds, **chosen}), options=chosen)
        return outputs_for(image, outputs_of)

    def _masks(self, image: Any, config: AutomaticConfig, options: dict[str, Any]) -> dict[str, Any]:
        picture = read_image(fetched_if_address(image, options.get("timeout")))
        found = Everything(picture, propose(self.sam, picture, config), config, config, self.sam.config.name)
        if found.why_empty:
            warnings.warn(f"Expected masks of the picture, got none: {found.why_empty}.", SamHQWarning, stacklevel=4)
        kept = found.kept
        return _output(kept, rle=options.get("output_rle_mask"), boxes=options.get("output_bboxes_mask"))


def pipeline(
    task: str | None = None,
    model: Any = None,
    *,
    device: int | str | torch.device | None = None,
    device_map: Any = None,
    dtype: Any = None,
    torch_dtype: Any = None,
    **options: Any,
) -> MaskGenerationPipeline | ImageSegmentationPipeline:
    """transformers' `pipeline` for "mask-generation", the default, and "image-segmentation".

    Call the result with pictures.

    `model` is a folder, a file, a name or a hub id, a model of this package's transformers classes, or a network that
    samhq loaded; None means the starter. `device` moves it; by default it stays, or is loaded on the CPU. `options` are
    those of `MaskGenerationPipeline.__call__` or `ImageSegmentationPipeline.__call__`, for every call.

    Raises:
        ConfigError: another task, an option that is unknown, or something that is no model.
        CheckpointError: the model cannot be loaded.
    """
    if task not in (None, TASK, SEGMENTATION_TASK):
        raise ConfigError(
            f"Expected the task {TASK!r} or {SEGMENTATION_TASK!r}, got {task!r}: SAM's models segment everything, what "
            "prompts say, or what candidate_labels name. For prompts use SamHQModel with SamHQProcessor."
        )
    place = device_map if device is None else device
    sam = _network(model, place, torch_dtype if dtype is None else dtype)
    return (
        ImageSegmentationPipeline(sam, options) if task == SEGMENTATION_TASK else MaskGenerationPipeline(sam, options)
    )


def _network(model: Any, place: Any, dtype: Any) -> Sam:
    network = next((candidate for candidate in _inside(model) if isinstance(candidate, Sam)), None)
    if network is not None:
        return network if place is None else network.to(place_of(place))
    if model is not None and not isinstance(model, str | os.PathLike):
        raise ConfigError(
            f"Expected a model by name, file or folder, or one that samhq loaded, got a {type(model).__name__}. "
            "A model of transformers itself cannot be used; give the name or folder that it was loaded from."
        )
    target_dtype = None if dtype == "auto" else as_dtype("float32" if dtype is None else dtype)
    return load_model(model, device=place_of(place), dtype=target_dtype)


def _inside(model: Any) -> tuple[Any, ...]:
    """The network inside a value from samhq: itself, in a transformers class, or in a `Segmenter`."""
    return model, getattr(model, "sam", None), getattr(model, "model", None)


def _known(options: dict[str, Any]) -> dict[str, Any]:
    """Options by the names of transformers' code, without those that have no effect."""
    named = {_ALIASES.get(name, name): value for name, value in options.items() if name not in WITHOUT_EFFECT}
    for name in named:
        if name not in DEFAULTS:
            raise ConfigError(f"Expected an option of mask generation, got {name!r}. {did_you_mean(name, DEFAULTS)}")
    for name in ("max_hole_area", "max_sprinkle_area"):
        if named.get(name):
            raise ConfigError(
                f"Expected {name} to be left out, got {named[name]!r}: transformers has no such step for SAM either. "
                "Use samhq.segment_everything(image, min_mask_region_area=...)."
            )
    return named


def _config(options: dict[str, Any]) -> AutomaticConfig:
    settings = {**DEFAULTS, **options}
    points = settings["points_per_crop"]
    at_once = 2**31 if settings["points_per_batch"] is None else settings["points_per_batch"]
    return AutomaticConfig(
        points_per_side=points,
        points_per_batch=at_once,
        pred_iou_thresh=_off_below_zero(settings["pred_iou_thresh"]),
        stability_score_thresh=_off_below_zero(settings["stability_score_thresh"]),
        stability_score_offset=settings["stability_score_offset"],
        box_nms_thresh=settings["crops_nms_thresh"],
        crop_n_layers=settings["crops_n_layers"],
        crop_nms_thresh=settings["crops_nms_thresh"],
        crop_overlap_ratio=settings["crop_overlap_ratio"],
        crop_n_points_downscale_factor=settings["crop_n_points_downscale_factor"],
        mask_threshold=settings["mask_threshold"],
        candidates="all",
    )


def _off_below_zero(threshold: Any) -> Any:
    """The threshold, with 0 for a negative one: in transformers both switch it off."""
    return 0.0 if isinstance(threshold, (int, float)) and threshold < 0 else threshold


def _output(kept: Proposals, *, rle: Any, boxes: Any) -> dict[str, Any]:
    output: dict[str, Any] = {
        "masks": [torch.from_numpy(runs.mask_of(changes, kept.size_hw)) for changes in kept.changes],
        "scores": torch.from_numpy(np.asarray(kept.iou, np.float32)),
    }
    if rle:
        output["rle_mask"] = [runs.as_counts(changes, kept.size_hw) for changes in kept.changes]
    if boxes:
        output["bounding_boxes"] = torch.from_numpy(np.asarray(kept.boxes, np.int64))
    return output
