"""SAM 2's builders: from the name of a configuration and a checkpoint to a model.

The names of the published yaml files stand for rows of `samhq.config`. No yaml is read, and no global setting is
changed.

Source: sam2/build_sam.py of facebookresearch/sam2 and of sam-hq2.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePath
from typing import Any

import torch

from samhq.checkpoint.load import load_model
from samhq.compat.sam2.parts import MaskDecoder, with_published_parts
from samhq.config import ModelConfig, model_config
from samhq.device import as_device
from samhq.errors import CheckpointError, ConfigError, did_you_mean
from samhq.model.build import build
from samhq.model.sam import Sam
from samhq.model.sam2.sam2 import Sam2

_SIZES = {"t": "tiny", "s": "small", "b+": "base_plus", "l": "large"}
#: Our names by the stem of the published configuration file.
CONFIGS = {
    f"{family}_hiera_{short}": f"{family}_hiera_{size}"
    for family in ("sam2.1", "sam2")
    for short, size in _SIZES.items()
}
CONFIGS["sam2.1_hq_hiera_l"] = "sam2.1_hq_hiera_large"


def build_sam2(
    config_file: str,
    ckpt_path: str | os.PathLike[str] | None = None,
    device: str | torch.device | None = "cuda",
    mode: str = "eval",
    hydra_overrides_extra: Sequence[str] = (),
    apply_postprocessing: bool = True,
    **kwargs: Any,
) -> Sam2:
    """SAM 2, 2.1 or HQ-SAM 2 by the name of its published configuration, such as "configs/sam2.1/sam2.1_hiera_l.yaml".

    `ckpt_path` is a checkpoint, loaded strictly, or None for untrained weights. `mode` is "eval"; anything else means
    training. Without `apply_postprocessing` a single mask stays even if it is unstable. Of Hydra's overrides only
    `model.image_size` is supported.

    Raises:
        ConfigError: an unknown configuration, device or override.
        CheckpointError: the file cannot be read, is another model's, or lacks tensors.
    """
    del kwargs  # the published function passes its own on, which change nothing
    config = config_of(config_file)
    config = config.replace(side=overrides(hydra_overrides_extra, {"image_size": int}).get("image_size", config.side))
    model = made(config, ckpt_path, as_device(device))
    if not apply_postprocessing:
        without_stability(model)
    return model.train(mode != "eval")


build_sam2_hq = build_sam2  #: HQ-SAM 2's examples call it by either name


def build_sam2_hf(model_id: str, **kwargs: Any) -> Sam2:
    """The model of a repository of the Hugging Face hub, such as "facebook/sam2.1-hiera-large".

    Takes `device`, `mode` and `apply_postprocessing` as `build_sam2`.

    Raises:
        ConfigError, CheckpointError: as `samhq.load`; the model is no SAM 2.
    """
    model = with_published_parts(as_sam2(load_model(model_id, device=as_device(kwargs.get("device", "cuda")))))
    if not kwargs.get("apply_postprocessing", True):
        without_stability(model)
    return model.train(kwargs.get("mode", "eval") != "eval")


def config_of(config_file: str) -> ModelConfig:
    """The row for a published configuration file.

    >>> config_of("configs/sam2.1/sam2.1_hiera_b+.yaml").name
    'sam2.1_hiera_base_plus'

    Raises:
        ConfigError: no published configuration has that name.
    """
    name = PurePath(config_file).name
    stem = name[:-5] if name.endswith(".yaml") else name
    if stem not in CONFIGS and stem not in CONFIGS.values():
        raise ConfigError(f"Expected a configuration of SAM 2, got {config_file!r}. {did_you_mean(stem, CONFIGS)}")
    return model_config(CONFIGS.get(stem, stem))


def overrides(assignments: Sequence[str], known: Mapping[str, type]) -> dict[str, Any]:
    """The values that Hydra's overrides set, by name; `known` are the names that exist, with their types.

    >>> overrides(["++model.non_overlap_masks=true"], {"non_overlap_masks": bool})
    {'non_overlap_masks': True}

    Raises:
        ConfigError: an override of something else, or a value of another type.
    """
    values: dict[str, Any] = {}
    for override in assignments:
        key, _, text = override.lstrip("+").partition("=")
        name, value = key.removeprefix("model."), _value(text)
        if not key.startswith("model.") or type(value) is not known.get(name):
            names = ", ".join(f"model.{name} ({kind.__name__})" for name, kind in known.items())
            raise ConfigError(
                f"Expected overrides of {names}, got {override!r}. Leave it out, or set the attribute of what is built."
            )
        values[name] = value
    return values


def _value(text: str) -> bool | int | None:
    """An override's value: a whole number, true or false; None for anything else."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    return int(text) if text.removeprefix("-").isdecimal() else None


def made(config: ModelConfig, checkpoint: str | os.PathLike[str] | None, device: torch.device) -> Sam2:
    """The model with the checkpoint's weights, or untrained ones.

    Raises:
        CheckpointError: the checkpoint is another model's.
    """
    if checkpoint is None:
        return with_published_parts(as_sam2(build(config).to(device)))
    model = with_published_parts(as_sam2(load_model(checkpoint, device=device)))
    if _shape(model.config) != _shape(config):
        raise CheckpointError(
            f"Expected the weights of {config.name}, got those of {model.config.name} in {checkpoint}. "
            "Give the configuration that belongs to the file."
        )
    return with_side(model, config.side)


def with_side(model: Sam2, side: int) -> Sam2:
    """The same model, for squares with another side in pixels.

    Raises:
        ConfigError: a side that does not fit the network.
    """
    model.config = model.config.replace(side=side)
    model.prompt_encoder.side, model.prompt_encoder.grid = side, model.config.grid
    return model


def without_stability(model: Sam2) -> None:
    """Switches off the rule that replaces unstable single masks."""
    model.stable_from = None
    if isinstance(model.sam_mask_decoder, MaskDecoder):
        model.sam_mask_decoder.dynamic_multimask_via_stability = False


def as_sam2(model: Any) -> Sam2:
    """The model, checked to be a SAM 2; of a predictor, which is a model in the original, its model.

    Raises:
        ConfigError: it is not.
    """
    model = getattr(model, "model", model)
    if not isinstance(model, Sam2):
        name = model.config.name if isinstance(model, Sam) else type(model).__name__
        raise ConfigError(f"Expected a SAM 2 or HQ-SAM 2, got {name}. Build one with build_sam2 or samhq.load.")
    return model


def _shape(config: ModelConfig) -> ModelConfig:
    """The numbers that must agree for two models to be the same network; Hiera fits any side."""
    return replace(config, name="", family="", side=1024)


Builder = Callable[..., Sam2]
