"""Which models can follow objects through a video."""

from __future__ import annotations

from samhq.errors import ConfigError
from samhq.model.sam import Sam
from samhq.model.sam2.sam2 import Sam2


def check_follows(model: Sam) -> Sam2:
    """The model, where it is a SAM 2 with memory.

    Raises:
        ConfigError: it sees single pictures only.
    """
    if not isinstance(model, Sam2) or model.config.memory is None:
        raise ConfigError(
            f"Expected a model that follows objects, such as sam2.1_hiera_tiny, got {model.config.name}, which sees "
            "single pictures. Load another, or give boxes for every frame: samhq track --boxes."
        )
    return model
