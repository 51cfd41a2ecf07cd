"""What the tests of segment-anything's interface share: a picture, prompts and tiny models."""

from __future__ import annotations

import numpy as np
from tests import tiny
from tests.golden import deterministic

from samhq.compat.segment_anything import Sam, SamPredictor
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
