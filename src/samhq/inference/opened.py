"""A picture that was read, and is encoded when somebody needs its embedding. Knows nothing of prompts or masks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from samhq.image.frame import Frame
from samhq.image.network_inputs import Crops
from samhq.types import ImageEmbedding, Shared


@dataclass(frozen=True, eq=False)
class Opened:
    """A picture's pixels, uint8 [H,W,3], and how to get its embedding: calling `embedding` may run the encoder."""

    image: np.ndarray
    frame: Frame
    embedding: Callable[[], ImageEmbedding]
    file_name: str | None = None  #: The picture's path, if it was given as a path.
    crops: Crops = field(default_factory=dict)  #: Network inputs for the second look that were made beforehand.


def joined(parts: Sequence[ImageEmbedding]) -> ImageEmbedding:
    """The embeddings of several pictures as one."""
    if len(parts) == 1:
        return parts[0]
    hq = [part.hq for part in parts if part.hq is not None]
    shared = [part.shared for part in parts if part.shared is not None]
    return ImageEmbedding(
        torch.cat([part.features for part in parts]),
        torch.cat(hq) if hq else None,
        levels=tuple(torch.cat(level) for level in zip(*(part.levels for part in parts), strict=True)),
        bases=tuple(torch.cat(base) for base in zip(*(part.bases for part in parts), strict=True)),
        shared=Shared.cat(shared) if len(shared) == len(parts) else None,
    )
