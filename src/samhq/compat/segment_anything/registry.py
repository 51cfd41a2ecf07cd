"""The published names of models and the functions that make them.

Source: the registries of segment-anything, segment_anything_hq 0.3, MobileSAM, Grounded-Segment-Anything.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace

from samhq.checkpoint.load import load_model
from samhq.compat.segment_anything.refusals import UnknownModelError
from samhq.compat.segment_anything.sam import Sam, blank, with_published_interface
from samhq.config import ModelConfig, model_config
from samhq.errors import CheckpointError, did_you_mean

#: A function that takes `checkpoint`, a file, folder, name or hub id, or None for untrained weights.
Builder = Callable[..., Sam]


class Registry(dict[str, Builder]):
    """Builders by published key; the error for an unknown key lists the known ones."""

    def __missing__(self, key: str) -> Builder:
        raise UnknownModelError(f"Expected a key of the registry, got {key!r}. {did_you_mean(str(key), self)}")


def builder(name: str) -> Builder:
    """The function that makes the model called `name` in `samhq.config.MODELS`."""

    def build(checkpoint: str | os.PathLike[str] | None = None) -> Sam:
        """The model in evaluation mode on the CPU, its weights loaded strictly, or untrained without `checkpoint`.

        Raises:
            CheckpointError: the file cannot be read, is another model's, or lacks tensors.
        """
        config = model_config(name)
        if checkpoint is None:
            return blank(config)
        model = load_model(checkpoint)
        if _shape(model.config) != _shape(config):
            raise CheckpointError(
                f"Expected the weights of {name}, got those of {model.config.name} in {checkpoint}. "
                f"{_advice(model.config)}"
            )
        return with_published_interface(model)

    build.__name__ = build.__qualname__ = f"build_{name}"
    return build


def _shape(config: ModelConfig) -> ModelConfig:
    """The numbers that must agree for two models to be the same network; the side of training may differ."""
    return replace(config, name="", family="", side=1024)


def _advice(config: ModelConfig) -> str:
    """The registry that makes such a model."""
    for name, keys in _MODELS.items():
        for key, model in keys.items():
            if key != "default" and _shape(model_config(model)) == _shape(config):
                return f'Use {name}["{key}"] for it, or give the right file.'
    return "Load it with samhq.load, or give the right file."


_MODELS: Mapping[str, Mapping[str, str]] = {
    "sam_model_registry": {
        "default": "sam_hq_vit_h",
        "vit_h": "sam_hq_vit_h",
        "vit_l": "sam_hq_vit_l",
        "vit_b": "sam_hq_vit_b",
        "vit_tiny": "sam_hq_vit_tiny",
    },
    "sam_model_registry_baseline": {
        "default": "sam_vit_h",
        "vit_h": "sam_vit_h",
        "vit_l": "sam_vit_l",
        "vit_b": "sam_vit_b",
        "vit_tiny": "mobile_sam",
        "vit_t": "mobile_sam",
    },
}

sam_model_registry, sam_model_registry_baseline = (
    Registry({key: builder(name) for key, name in row.items()}) for row in _MODELS.values()
)
sam_hq_model_registry = sam_model_registry  #: Grounded-Segment-Anything's name.

build_sam_vit_h = build_sam_hq_vit_h = build_sam = build_sam_hq = sam_model_registry["vit_h"]
build_sam_vit_l = build_sam_hq_vit_l = sam_model_registry["vit_l"]
build_sam_vit_b = build_sam_hq_vit_b = sam_model_registry["vit_b"]
build_sam_vit_tiny = sam_model_registry["vit_tiny"]
build_sam_vit_t = sam_model_registry_baseline["vit_t"]  #: MobileSAM's name.
