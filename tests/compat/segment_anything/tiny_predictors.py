"""What the tests of segment-anything's interface share: a picture, prompts and tiny models."""

from __future__ import annotations

import numpy as np
import torch
from tests import tiny
from tests.golden import deterministic

from samhq.compat.segment_anything import ResizeLongestSide, Sam, SamPredictor
from samhq.compat.segment_anything.sam import blank
from samhq.config import ModelConfig

PICTURE = deterministic.image(90, 61)  # taller than wide, and larger than the tiny models' squares
SIZE = PICTURE.shape[:2]
POINTS, LABELS = np.array([[30, 40], [12, 70]]), np.array([1, 0])
BOX = np.array([10, 15, 50, 80])


def model(config: ModelConfig) -> Sam:
    sam = blank(config)
    tiny.fill(sam)
    return sam


def predictor_for(config: ModelConfig) -> SamPredictor:
    predictor = SamPredictor(model(config))
    predictor.set_image(PICTURE)
    return predictor


def batch(sam: Sam) -> list[dict]:
    """Two pictures of different sizes with different prompts, as the notebooks build them."""
    transform = ResizeLongestSide(sam.image_encoder.img_size)

    def prepare(picture: np.ndarray) -> torch.Tensor:
        return torch.as_tensor(transform.apply_image(picture).copy()).permute(2, 0, 1).contiguous()

    other = deterministic.image(40, 77, seed=2)
    boxes = torch.tensor([[5, 5, 30, 60], [20, 10, 60, 88]])
    points = torch.tensor([[[20, 20]], [[60, 10]], [[7, 33]]])
    return [
        {
            "image": prepare(PICTURE),
            "boxes": transform.apply_boxes_torch(boxes, SIZE),
            "original_size": SIZE,
        },
        {
            "image": prepare(other),
            "point_coords": transform.apply_coords_torch(points, (40, 77)),
            "point_labels": torch.ones(3, 1),
            "original_size": (40, 77),
        },
    ]
