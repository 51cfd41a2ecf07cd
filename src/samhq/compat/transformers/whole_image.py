"""The steps of mask generation in transformers' image processor: crops with points, filtering, suppression.

For programs that call these steps one by one; `pipelines.py` does all of them with less memory. Knows nothing of
networks.

Source: image_processing_sam.py of transformers 5.23 (names, arguments, results).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor

from samhq.errors import PromptError
from samhq.image.crops import Crop, crop_boxes
from samhq.image.frame import Frame
from samhq.image.inputs import PictureInput
from samhq.image.read import as_array, read_image
from samhq.masks import runs
from samhq.masks.rle import decode
from samhq.options import whole_number
from samhq.results.automatic_config import AutomaticConfig
from samhq.results.filters import near_crop_edge, nms
from samhq.types import FOREGROUND, IGNORED


class WholeImageSteps:
    """The methods of `SamImageProcessor` for whole-image masks."""

    def generate_crop_boxes(
        self,
        image: PictureInput,
        target_size: int,
        crop_n_layers: int = 0,
        overlap_ratio: float = 512 / 1500,
        points_per_crop: int = 32,
        crop_n_points_downscale_factor: int = 1,
        device: Any = None,
    ) -> tuple[Float32[Tensor, "C 4"], Float32[Tensor, "1 N C 2"], list[Tensor], Int64[Tensor, "1 N C"]]:
        """Crops of a picture, points in each, the crops' pixels, and the points' labels.

        Crops are (x0, y0, x1, y1) in pixels of the picture, the first one all of it; points are (x, y) in pixels of the
        model's square of `target_size`; pixels are uint8 [3,h,w]. If later layers have fewer points, their rows are
        padded with label -10, which is ignored.

        Raises:
            ImageError: it cannot be read as a picture.
            ConfigError: a number out of range.
        """
        config = AutomaticConfig(
            points_per_side=points_per_crop,
            crop_n_layers=crop_n_layers,
            crop_overlap_ratio=overlap_ratio,
            crop_n_points_downscale_factor=crop_n_points_downscale_factor,
        )
        target_size = whole_number("target_size", target_size, 1)
        picture = read_image(image)
        layered_boxes = crop_boxes(picture.shape[:2], crop_n_layers, overlap_ratio)
        points = np.zeros(
            (max(len(config.grid(layer)) for _, layer in layered_boxes), len(layered_boxes), 2), np.float32
        )
        labels = np.full(points.shape[:2], IGNORED, np.int64)
        crops = []
        for number, ((x0, y0, x1, y1), layer) in enumerate(layered_boxes):
            grid, frame = config.grid(layer) * (x1 - x0, y1 - y0), Frame.fit((y1 - y0, x1 - x0), target_size)
            points[: len(grid), number] = frame.points_to_model(grid)
            labels[: len(grid), number] = FOREGROUND
            crops.append(torch.from_numpy(picture[y0:y1, x0:x1].transpose(2, 0, 1).copy()))
        boxes = torch.tensor([box for box, _ in layered_boxes], dtype=torch.float32)
        return (
            boxes.to(device),
            torch.from_numpy(points)[None].to(device),
            crops,
            torch.from_numpy(labels)[None].to(device),
        )

    def filter_masks(
        self,
        masks: Float[Tensor, "P K h w"],
        iou_scores: Float[Tensor, "P K"],
        original_size: Sequence[int],
        cropped_box_image: Any,
        pred_iou_thresh: float = 0.88,
        stability_score_thresh: float = 0.95,
        mask_threshold: float = 0.0,
        stability_score_offset: float = 1.0,
    ) -> tuple[list[dict[str, Any]], Float[Tensor, " M"], Int64[Tensor, "M 4"]]:
        """The masks of one crop that are above both thresholds and not cut off by the crop: codes, scores, boxes.

        `masks` are logits at the crop's size, `cropped_box_image` the crop as (x0, y0, x1, y1), `original_size` the
        picture's (height, width). Codes are COCO's uncompressed RLE and boxes (x0, y0, x1, y1), last pixel included,
        both of the whole picture; an empty mask's box is the crop's corner. A threshold of 0 or less passes all.

        Raises:
            PromptError: other numbers of masks and scores, or masks of another size than the crop.
        """
        x0, y0, x1, y1 = crop = _crop(cropped_box_image)
        height, width = (int(value) for value in original_size)
        if masks.ndim != 4 or masks.shape[:2] != iou_scores.shape or masks.shape[2:] != (y1 - y0, x1 - x0):
            raise PromptError(
                f"Expected logits [P,K,{y1 - y0},{x1 - x0}] of the crop and scores [P,K], got {list(masks.shape)} and "
                f"{list(iou_scores.shape)}. Enlarge masks with post_process_masks(..., binarize=False)."
            )
        logits, scores = masks.flatten(0, 1), iou_scores.flatten().to(masks.device)
        keep = torch.ones_like(scores, dtype=torch.bool)
        if pred_iou_thresh > 0:
            keep &= scores > pred_iou_thresh
        if stability_score_thresh > 0:
            above, below = (
                (logits > mask_threshold + side * stability_score_offset).flatten(1).sum(1) for side in (1, -1)
            )
            keep &= above / below > stability_score_thresh
        codes, rows, boxes = [], [], []
        for row in keep.nonzero()[:, 0].tolist():
            changes = _placed((logits[row] > mask_threshold).cpu().numpy(), (x0, y0), height)
            box = runs.box(changes, height) if len(changes) else (x0, y0, x0, y0)
            if not near_crop_edge(np.array([box]), crop, (height, width))[0]:
                codes.append(dict(runs.as_counts(changes, (height, width))))
                rows.append(row)
                boxes.append(box)
        return codes, scores[rows], torch.tensor(boxes, dtype=torch.int64, device=masks.device).reshape(-1, 4)

    def post_process_for_mask_generation(
        self, all_masks: Sequence[Mapping[str, Any]], all_scores: Tensor, all_boxes: Tensor, crops_nms_thresh: float
    ) -> tuple[list[Tensor], Tensor, list[Mapping[str, Any]], Tensor]:
        """The masks without duplicates by box, the better one kept: bool masks [H,W], scores, codes, boxes.

        Takes the joined results of `filter_masks` for all batches and crops. Sorted by falling score.
        """
        scores = torch.as_tensor(all_scores).float().cpu().numpy()
        kept = nms(torch.as_tensor(all_boxes).cpu().numpy().reshape(-1, 4), scores, crops_nms_thresh).tolist()
        codes = [all_masks[row] for row in kept]
        return [torch.from_numpy(decode(code)) for code in codes], all_scores[kept], codes, all_boxes[kept]


def _crop(box: Any) -> Crop:
    x0, y0, x1, y1 = (int(value) for value in as_array(box))
    return x0, y0, x1, y1


def _placed(mask: np.ndarray, corner_xy: tuple[int, int], height: int) -> np.ndarray:
    """The changes of a crop's mask in a picture of that height."""
    columns = np.zeros((mask.shape[1], height), np.bool_)
    columns[:, corner_xy[1] : corner_xy[1] + mask.shape[0]] = mask.T
    return runs.changes_of_columns(columns, corner_xy[0])
