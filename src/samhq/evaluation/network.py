"""A network while it is measured. Knows nothing about what is measured."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from samhq.inference.segment import Segmenter
from samhq.model.sam import Sam


@contextmanager
def measuring(model: Segmenter | Sam) -> Iterator[Sam]:
    """The network in evaluation mode and without gradients, and afterwards as it was."""
    sam = model.model if isinstance(model, Segmenter) else model
    training = sam.training
    sam.eval()
    try:
        with torch.no_grad():
            yield sam
    finally:
        sam.train(training)
