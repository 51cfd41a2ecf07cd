"""BatchNorm statistics for weights that no step has used: averaged weights, or another picture side.

Works on a network in place. Knows nothing about optimisers.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import nn

from samhq.model.sam import Sam
from samhq.training.data import TrainingExample, batches
from samhq.training.drawn import EndlessScenes
from samhq.training.kinds import parse_kinds

_BATCH = 16


def estimate_norms(sam: Sam, pictures: int, seed: int, draw: Callable[[int], TrainingExample] | None = None) -> None:
    """Sets every BatchNorm's statistics to the mean over that many of the pictures `draw(0)`, ...

    By default these are drawn scenes, new training scenes of `seed`.
    """
    fresh = EndlessScenes(seed + 1, sam.config.side, 1, parse_kinds("box"))
    _estimate(sam, pictures, draw or fresh)


@torch.no_grad()
def _estimate(sam: Sam, pictures: int, draw: Callable[[int], TrainingExample]) -> None:
    norms = [module for module in sam.modules() if isinstance(module, nn.BatchNorm2d)]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # A plain mean over all batches.
    sam.train()
    side = sam.config.side
    stream = batches(draw, side, _BATCH, normalisation=sam.config.encoder.normalisation)
    for _ in range(math.ceil(pictures / _BATCH)):
        pixels = next(stream).pixels
        assert pixels is not None
        sam.encode(pixels.to(sam.device))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
