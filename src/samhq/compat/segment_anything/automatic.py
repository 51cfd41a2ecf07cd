"""segment-anything's and SAM-HQ's `SamAutomaticMaskGenerator`: a picture in, a list of records out.

A thin interface to `inference/automatic.py`. Unlike the published one it returns [] if nothing is found, also with
crops, gives an empty mask a stability of 0, and never holds full-size logits.

Source: automatic_mask_generator.py of segment-anything and segment_anything_hq 0.3 (arguments and records).
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import UInt8
from torch import nn

from samhq.compat.segment_anything.predictor import SamPredictor
from samhq.compat.segment_anything.sam import with_published_interface
from samhq.errors import SamHQWarning
from samhq.image.rgb import rgb_pixels
from samhq.inference.automatic import propose
from samhq.options import yes_or_no
from samhq.results.generator_settings import GeneratorSettings
from samhq.results.proposals import keep
from samhq.results.records import OutputMode, Records

#: The published default thresholds. They suit the published weights.
_PUBLISHED = {"pred_iou_thresh": 0.88, "stability_score_thresh": 0.95}


class SamAutomaticMaskGenerator(GeneratorSettings):
    """Masks for everything in a picture, with the published parameters and defaults, which are attributes too."""

    def __init__(
        self,
        model: nn.Module,
        points_per_side: int | None = 32,
        points_per_batch: int = 64,
        pred_iou_thresh: float = 0.88,
        stability_score_thresh: float = 0.95,
        stability_score_offset: float = 1.0,
        box_nms_thresh: float = 0.7,
        crop_n_layers: int = 0,
        crop_nms_thresh: float = 0.7,
        crop_overlap_ratio: float = 512 / 1500,
        crop_n_points_downscale_factor: int = 1,
        point_grids: Sequence[np.ndarray] | None = None,
        min_mask_region_area: int = 0,
        output_mode: OutputMode = "binary_mask",
    ) -> None:
        """`samhq.AutomaticConfig` describes the parameters; `output_mode` is the form of a record's mask.

        Raises:
            RefusedOptionError: both or neither of `points_per_side` and `point_grids`, another `output_mode`, or a
                value that cannot be used.
            ConfigError: not a model of samhq.
        """
        self.predictor = SamPredictor(with_published_interface(model))
        self.configure(
            output_mode,
            points_per_side=points_per_side,
            points_per_batch=points_per_batch,
            pred_iou_thresh=pred_iou_thresh,
            stability_score_thresh=stability_score_thresh,
            stability_score_offset=stability_score_offset,
            box_nms_thresh=box_nms_thresh,
            crop_n_layers=crop_n_layers,
            crop_nms_thresh=crop_nms_thresh,
            crop_overlap_ratio=crop_overlap_ratio,
            crop_n_points_downscale_factor=crop_n_points_downscale_factor,
            point_grids=point_grids,
            min_mask_region_area=min_mask_region_area,
        )
        self._warned = False

    def generate(self, image: UInt8[np.ndarray, "H W 3"], multimask_output: bool = True) -> list[dict[str, Any]]:
        """A record for each mask, the best first.

        `image` is uint8 RGB. Each record has `segmentation` (bool [H,W] or RLE, by `output_mode`), `area`, `bbox`
        (x, y, w, h), `predicted_iou`, `point_coords` [[x, y]], `stability_score` and `crop_box` (x, y, w, h). Without
        `multimask_output` a point gives the one mask for clear prompts instead of three, or of the best of three.

        Raises:
            ImageError: not uint8 [H,W,3].

        Warns:
            SamHQWarning: once, if the published thresholds are in use with weights that state lower ones.
        """
        self._warn_of_thresholds()
        picture = rgb_pixels(image)
        model = self.predictor.model
        config = self.config.replace(
            candidates=None if yes_or_no("multimask_output", multimask_output) else "single",
            mask_threshold=model.mask_threshold,
        )
        return list(Records(keep(propose(model, picture, config), config), self.output_mode))

    def _warn_of_thresholds(self) -> None:
        """Says once which thresholds suit the weights, where the published ones would drop most of their masks."""
        stated = self.predictor.model.config.defaults
        fitting = {name: getattr(stated, name) for name in _PUBLISHED}
        high = [
            name
            for name, value in _PUBLISHED.items()
            if getattr(self.config, name) == value and (fitting[name] or value) < value
        ]
        if self._warned or not high:
            return
        self._warned = True
        used = " and ".join(f"{name}={_PUBLISHED[name]}" for name in high)
        wanted = ", ".join(f"{name}={fitting[name]}" for name in high)
        warnings.warn(
            f"Expected thresholds that suit these weights, got segment-anything's {used}, which few of their masks "
            f"reach. Give SamAutomaticMaskGenerator(model, {wanted}).",
            SamHQWarning,
            stacklevel=3,
        )
