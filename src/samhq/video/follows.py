"""Which models follow objects with a memory of earlier frames."""

from __future__ import annotations

from typing import TypeGuard

from samhq.errors import ConfigError
from samhq.model.sam import Sam
from samhq.model.sam2.sam2 import Sam2


def follows_with_memory(model: Sam) -> TypeGuard[Sam2]:
    """Whether the model is a SAM 2 with memory."""
    return isinstance(model, Sam2) and model.config.memory is not None


def check_follows(model: Sam) -> Sam2:
    """The model, if it is a SAM 2 with memory.

    Raises:
        ConfigError: it has no memory.
    """
    if not follows_with_memory(model):
        raise ConfigError(
            f"Expected a model with a memory of frames, such as sam2.1_hiera_tiny, got {model.config.name}. Load "
            "another, or use samhq.load_video_model, which follows objects with any model."
        )
    return model
