"""Saves a model to a file or a folder, and converts one file to another layout without building the model.

`.pth`/`.pt`/`.bin` hold the original layout as a plain dict; `.safetensors` holds the same, with the config in its
header; a folder has the layout of transformers. All are written atomically.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from samhq.checkpoint import declared, files, hf_config, naming
from samhq.checkpoint.detect import detect_model
from samhq.checkpoint.load import Source, load_checked
from samhq.config import ModelConfig
from samhq.errors import ConfigError
from samhq.model.sam import Sam

#: The files of a folder in transformers' layout.
_FOLDER = ("config.json", "preprocessor_config.json", "model.safetensors")


def save_model(model: Sam, path: str | os.PathLike[str], *, dtype: torch.dtype | None = None) -> None:
    """Writes the model's weights to `path`, in `dtype` (None: unchanged), in the layout of the suffix.

    Raises:
        ConfigError: an unknown suffix.
        CheckpointError: the file cannot be written, or the layout has no such model.
    """
    save_state(model.state_dict(), model.config, path, dtype=dtype)


def convert(source: Source, path: str | os.PathLike[str], *, dtype: torch.dtype | None = None) -> ModelConfig:
    """Writes the weights of `source` to `path`, in the layout of its suffix; returns which model they are.

    Raises:
        ConfigError, CheckpointError: as `load_model` and `save_model`; a pickle that would be read as another model.
    """
    state, detection = load_checked(source)
    if Path(path).suffix in files.PICKLE_SUFFIXES:
        check_described(state, detection.config)
    save_state(state, detection.config, path, dtype=dtype)
    return detection.config


def save_state(
    state: Mapping[str, Tensor], config: ModelConfig, path: str | os.PathLike[str], *, dtype: torch.dtype | None = None
) -> None:
    """Writes tensors by original name to `path`, as `save_model` does."""
    path = Path(path)
    if dtype is not None:
        kept = {key for key, tensor in state.items() if key in naming.MATRICES or not tensor.is_floating_point()}
        state = {key: tensor if key in kept else tensor.to(dtype) for key, tensor in state.items()}
    if is_folder(path):
        _save_folder(state, config, path)
    else:
        files.write_tensors(path, state, declared.to_metadata(config))


def check_described(state: Mapping[str, Tensor], config: ModelConfig) -> None:
    """Refuses tensors by original name that do not identify their model, because a pickle holds nothing else.

    Raises:
        ConfigError: a reader would take them for another model, for instance a TinyViT of another side.
    """
    detected = detect_model({name: tuple(tensor.shape) for name, tensor in state.items()}).config
    read, own = (declared.flat_fields(fields_of.replace(name="", family="")) for fields_of in (detected, config))
    hidden = [f"{name} = {value}" for name, value in own.items() if read.get(name) != value]
    if hidden:
        raise ConfigError(
            f"Expected a model that a .pth can describe, got one whose tensors do not say {', '.join(hidden)}. "
            "Write .safetensors, which carries the settings."
        )


def files_at(path: str | os.PathLike[str]) -> list[Path]:
    """The files that saving to `path` writes.

    >>> [file.name for file in files_at("sam.pth")]
    ['sam.pth']
    """
    path = Path(path)
    return [path / name for name in _FOLDER] if is_folder(path) else [path]


def is_folder(path: Path) -> bool:
    """Whether saving to `path` writes a folder in the layout of transformers: there is one, or it has no suffix."""
    return path.is_dir() or not path.suffix


def _save_folder(state: Mapping[str, Tensor], config: ModelConfig, folder: Path) -> None:
    """Writes settings first and weights last, so that a folder with weights is complete."""
    settings = hf_config.config_to_transformers(config)
    renamed = naming.to_transformers(state)
    model, processor, weights = (folder / name for name in _FOLDER)
    files.write_object(model, settings)
    files.write_object(processor, hf_config.processor_to_transformers(config))
    files.write_tensors(weights, renamed, declared.to_metadata(config))
