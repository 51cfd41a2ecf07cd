"""BatchNorm statistics for weights that no step has used: averaged ones, or weights at another picture side.

Works on a network in place. Knows nothing about optimisers.
"""

from __future__ import annotations

import math

import torch
from torch import nn

from samhq.model.sam import Sam
from samhq.training.config import parse_kinds
from samhq.training.data import batches
from samhq.training.drawn import EndlessScenes

_BATCH = 16


@torch.no_grad()
def estimate_norms(sam: Sam, pictures: int, seed: int) -> None:
    """Sets every BatchNorm's statistics to the mean over that many scenes, fresh ones for training with `seed`."""
    norms = [module for module in sam.modules() if isinstance(module, nn.BatchNorm2d)]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over all batches
    sam.train()
    side = sam.config.side
    stream = batches(EndlessScenes(seed + 1, side, 1, parse_kinds("box")), side, _BATCH)
    for _ in range(math.ceil(pictures / _BATCH)):
        pixels = next(stream).pixels
        assert pixels is not None
        sam.encode(pixels.to(sam.device))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
