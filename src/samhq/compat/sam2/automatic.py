"""SAM 2's `SAM2AutomaticMaskGenerator`: a picture in, a list of records out.

A thin interface to `inference/automatic.py`. Unlike the published one it returns [] if nothing is found, also with
crops, and never holds full-size logits.

Source: sam2/automatic_mask_generator.py of facebookresearch/sam2 (arguments and records).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from jaxtyping import UInt8

from samhq.compat.sam2.build import as_sam2, build_sam2_hf
from samhq.compat.sam2.predictor import SAM2ImagePredictor
from samhq.image.rgb import rgb_pixels
from samhq.inference.automatic import propose
from samhq.model.sam import Sam
from samhq.results.generator_settings import GeneratorSettings, PublishedSetting
from samhq.results.proposals import keep
from samhq.results.records import OutputMode, Records


class SAM2AutomaticMaskGenerator(GeneratorSettings):
    """Masks for everything in a picture, with the published parameters and defaults, which are attributes too."""

    #: Published names that differ from those of `AutomaticConfig`.
    renamed: ClassVar = {
        "min_mask_region_area": "low_res_region_area",
        "use_m2m": "second_pass",
        "multimask_output": "candidates",
    }
    mask_threshold = PublishedSetting()
    use_m2m = PublishedSetting()
    multimask_output = PublishedSetting()

    def __init__(
        self,
        model: Sam,
        points_per_side: int | None = 32,
        points_per_batch: int = 64,
        pred_iou_thresh: float = 0.8,
        stability_score_thresh: float = 0.95,
        stability_score_offset: float = 1.0,
        mask_threshold: float = 0.0,
        box_nms_thresh: float = 0.7,
        crop_n_layers: int = 0,
        crop_nms_thresh: float = 0.7,
        crop_overlap_ratio: float = 512 / 1500,
        crop_n_points_downscale_factor: int = 1,
        point_grids: Sequence[np.ndarray] | None = None,
        min_mask_region_area: float = 0,
        output_mode: OutputMode = "binary_mask",
        use_m2m: bool = False,
        multimask_output: bool = True,
        **kwargs: Any,
    ) -> None:
        """`samhq.AutomaticConfig` describes the parameters; `output_mode` is the form of a record's mask.

        `min_mask_region_area` counts low-resolution pixels here: smaller holes are filled and smaller specks removed
        before masks are enlarged. `use_m2m` refines every mask by one more pass with the mask and its point.

        Raises:
            RefusedOptionError: both or neither of `points_per_side` and `point_grids`, another `output_mode`, or a
                value that cannot be used.
            ConfigError: not a SAM 2.
        """
        del kwargs  # as the published class
        area = float(min_mask_region_area)
        self.predictor = SAM2ImagePredictor(as_sam2(model), max_hole_area=area, max_sprinkle_area=area)
        self.configure(
            output_mode,
            points_per_side=points_per_side,
            points_per_batch=points_per_batch,
            pred_iou_thresh=pred_iou_thresh,
            stability_score_thresh=stability_score_thresh,
            stability_score_offset=stability_score_offset,
            mask_threshold=mask_threshold,
            box_nms_thresh=box_nms_thresh,
            crop_n_layers=crop_n_layers,
            crop_nms_thresh=crop_nms_thresh,
            crop_overlap_ratio=crop_overlap_ratio,
            crop_n_points_downscale_factor=crop_n_points_downscale_factor,
            point_grids=point_grids,
            min_mask_region_area=min_mask_region_area,
            use_m2m=use_m2m,
            multimask_output=multimask_output,
        )

    @classmethod
    def from_pretrained(cls, model_id: str, **kwargs: Any) -> SAM2AutomaticMaskGenerator:
        """A generator with the model of a hub repository, such as "facebook/sam2.1-hiera-large"."""
        return cls(build_sam2_hf(model_id, **kwargs), **kwargs)

    def generate(self, image: UInt8[np.ndarray, "H W 3"]) -> list[dict[str, Any]]:
        """A record for each mask, the best first.

        `image` is uint8 RGB. Each record has `segmentation` (bool [H,W] or RLE, by `output_mode`), `area`, `bbox`
        (x, y, w, h), `predicted_iou`, `point_coords` [[x, y]], `stability_score` and `crop_box` (x, y, w, h).

        Raises:
            ImageError: not uint8 [H,W,3].
        """
        proposals = keep(propose(self.predictor.model, rgb_pixels(image), self.config), self.config)
        return list(Records(proposals, self.output_mode))
