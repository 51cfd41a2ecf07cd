"""A picture that was read, and is encoded when somebody needs its embedding. Knows nothing of prompts or masks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import numpy as np

from samhq.image.frame import Frame
from samhq.image.network_inputs import Crops

Embedding = TypeVar("Embedding")


@dataclass(frozen=True, eq=False)
class Opened(Generic[Embedding]):
    """A picture's pixels, uint8 [H,W,3], and how to get its embedding: calling `embedding` may run the encoder."""

    image: np.ndarray
    frame: Frame
    embedding: Callable[[], Embedding]
    file_name: str | None = None  #: The picture's path, if it was given as a path.
    crops: Crops = field(default_factory=dict)  #: Network inputs for the second look that were made beforehand.
