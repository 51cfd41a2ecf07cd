"""A network while it is measured. Knows nothing about the measurement."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from samhq.inference.everything import as_sam
from samhq.inference.segment import Segmenter
from samhq.model.sam import Sam, network_of


@contextmanager
def measuring(model: Segmenter | nn.Module | str | None) -> Iterator[Sam]:
    """A context with the network in evaluation mode and without gradients; restores its mode afterwards.

    `model` is a value that `samhq.load` returns or takes; None means the starter.

    Raises:
        ConfigError, CheckpointError: as `samhq.load`.
    """
    sam = as_sam(model) if model is None or isinstance(model, str) else network_of(model)
    training = sam.training
    sam.eval()
    try:
        with torch.no_grad():
            yield sam
    finally:
        sam.train(training)
