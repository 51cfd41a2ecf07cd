"""Exported models in commands: folders that `samhq export` made, in place of weights. They do not import torch.

Imports runtimes only inside functions, so that help is fast.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from samhq.errors import ConfigError

if TYPE_CHECKING:
    from samhq.runtime import OnnxSegmenter


def exported_folder(model: str | None) -> Path | None:
    """The folder, if `model` is one that `samhq export` made; None otherwise."""
    if not model:
        return None
    from samhq.runtime.about import is_exported

    folder = Path(model).expanduser()
    return folder if is_exported(folder) else None


def check_exported(folder: Path | None, flags: Mapping[str, bool]) -> None:
    """Refuses flags that are set (true) and need the network in torch.

    Raises:
        ConfigError: one of them is set with an exported model.
    """
    set_flags = [flag for flag, value in flags.items() if value]
    if folder is not None and set_flags:
        instead = f", or leave {set_flags[0]} out" if set_flags[0].startswith("-") else ""
        raise ConfigError(
            f"Expected the weights of a model for {set_flags[0]}, which needs the network in torch, got the exported "
            f"model in {folder}. Give the weights that it was made from{instead}."
        )


def load_exported(
    folder: Path, device: str | None, dtype: Literal["float32", "bfloat16", "float16", "auto"] = "float32"
) -> OnnxSegmenter:
    """The exported model in ONNX Runtime or OpenVINO, according to `device`.

    Raises:
        ConfigError: a dtype other than the export's; a device that is not there.
        CheckpointError: damaged files, or files of another contract.
        MissingExtraError: the runtime is not installed.
    """
    from samhq.runtime import OnnxSegmenter

    if dtype == "float16" or (dtype == "bfloat16" and not (device or "").startswith("openvino")):
        raise ConfigError(
            f"Expected no --dtype {dtype} with an exported model, which computes as it was exported. "
            "Leave it out; samhq export has --dtype, and --device openvino computes in bfloat16 too."
        )
    return OnnxSegmenter(folder, None if device == "auto" else device, "bfloat16" if dtype == "bfloat16" else "float32")


def weight_files(model: str | None) -> list[Path]:
    """All files that a model is read from. They are downloaded if needed.

    Raises:
        ConfigError, CheckpointError: there is no such model, or it cannot be downloaded.
    """
    folder = exported_folder(model)
    if folder is not None:
        return sorted(path for path in folder.iterdir() if path.suffix in (".onnx", ".data"))
    from samhq.checkpoint.files import SUFFIXES
    from samhq.checkpoint.load import locate

    path = locate(model)
    return sorted(p for p in path.iterdir() if p.suffix in (*SUFFIXES, ".json")) if path.is_dir() else [path]
