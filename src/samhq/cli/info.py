"""`samhq info`: describes a weights file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from samhq.cli.models import aligned

if TYPE_CHECKING:
    from pathlib import Path

    from samhq.checkpoint.detect import Detection
    from samhq.checkpoint.load import Fit
    from samhq.config import ModelConfig


def info(file: str, /, *, as_json: Annotated[bool, Parameter(name="--json", negative="")] = False) -> int:
    """Describe a weights file: model, family, layout, dtype, number of parameters, and missing tensors.

    Parameters:
        file: A weights file, a folder, a hub id or the name of a model.
        as_json: Print JSON instead of a table. It lists all keys that differ from the model's.
    """
    from samhq.checkpoint.load import inspect, locate

    path = locate(file)
    detection, fit = inspect(path)
    if as_json:
        print(json.dumps(tensor_record(path, detection, fit), indent=1))
        return 0
    print("\n".join(aligned([("file", str(path)), *about(detection), *lacks(fit)])))
    return 0


def tensor_record(path: Path, detection: Detection, fit: Fit) -> dict[str, Any]:
    """The description of the tensors, as JSON values."""
    config = detection.config
    return {
        "file": str(path),
        "model": config.name,
        "family": config.family,
        "encoder": config.encoder.summary,
        "hq": config.hq,
        "side": config.side,
        "layout": detection.layout,
        "wrapper": detection.wrapper or None,
        "prefix": detection.prefix or None,
        "dtype": str(detection.dtype).removeprefix("torch."),
        "parameters": parameters(config),
        "missing": list(fit.missing),
        "unexpected": list(fit.unexpected),
        "misshapen": list(fit.misshapen),
    }


def about(detection: Detection) -> list[tuple[str, str]]:
    """The description of the tensors, as pairs of a word and a value."""
    from samhq.checkpoint.naming import some_names

    config = detection.config
    around = ", ".join(filter(None, (detection.wrapper and f"a dict under {detection.wrapper!r}", detection.prefix)))
    return [
        ("model", config.name),
        ("family", config.family),
        ("encoder", config.encoder.summary),
        ("HQ heads", "yes" if config.hq else "no"),
        ("picture side", f"{config.side} px"),
        ("layout", detection.layout),
        ("wrapped in", around or "nothing"),
        ("left out", some_names(detection.left_out) or "nothing"),
        ("dtype", str(detection.dtype).removeprefix("torch.")),
        ("parameters", f"{parameters(config):,}"),
    ]


def parameters(config: ModelConfig) -> int:
    """How many trainable numbers a model has.

    >>> from samhq.config import model_config
    >>> parameters(model_config("sam_vit_b"))
    93735472
    """
    from samhq.model.build import build

    return sum(parameter.numel() for parameter in build(config, device="meta").parameters())


def lacks(fit: Fit) -> list[tuple[str, str]]:
    """The differences between the tensors and the model's, as pairs of a word and a value."""
    from samhq.checkpoint.naming import some_names

    groups = (("missing", fit.missing), ("unexpected", fit.unexpected), ("of another shape", fit.misshapen))
    return [(word, f"{len(keys)}: {some_names(keys)}" if keys else "nothing") for word, keys in groups]
