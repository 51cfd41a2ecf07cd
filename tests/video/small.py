"""A SAM 2 small enough for any test, and a clip of a bright square that moves over noise."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from samhq.config import MemoryConfig, ModelConfig
from samhq.encoder_config import HieraConfig
from samhq.model.build import build
from samhq.model.sam2.sam2 import Sam2
from tests import tiny

HIERA = HieraConfig(dim=8, heads=1, depths=(1, 1, 2, 1), windows=(4, 2, 2, 2), global_blocks=(2,))
MEMORY = MemoryConfig(dim=8, depth=1, mlp_dim=32, fuser_depth=1)
VIDEO = ModelConfig("small_video", HIERA, side=64, decoder=tiny.DECODER, family="SAM 2.1", memory=MEMORY)


def model(salt: int = 0) -> Sam2:
    """A new model with filled weights, which finds its object on most frames."""
    sam = build(VIDEO)
    assert isinstance(sam, Sam2)
    tiny.fill(sam, salt)
    sam.sam_mask_decoder.pred_obj_score_head.layers[2].bias.data.fill_(3.0)
    sam.memory_encoder.out_proj.weight.data.mul_(0.1)
    return sam.requires_grad_(False)


@lru_cache(maxsize=1)
def shared() -> Sam2:
    """The same model for every test that only reads it."""
    return model()


def image(t: int, height: int = 40, width: int = 60) -> np.ndarray:
    """A frame: a square moves one pixel to the right with each."""
    picture = np.random.default_rng(t).integers(40, 90, (height, width, 3)).astype(np.uint8)
    left = (5 + t) % (width - 12)
    picture[12:24, left : left + 12] = (220, 200, 60)
    return picture


def images(count: int, height: int = 40, width: int = 60) -> list[np.ndarray]:
    """So many frames."""
    return [image(t, height, width) for t in range(count)]


BOX = [5.0, 12.0, 17.0, 24.0]  #: around the square of frame 0
