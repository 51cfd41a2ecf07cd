"""Exports a model to LiteRT (TensorFlow Lite) files: encoder.tflite and decoder.tflite, compared with torch.

Needs the package litert-torch.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from torch import Tensor

from samhq.errors import MissingExtraError
from samhq.export.convert import as_exported
from samhq.export.fixed import Difference, check_first, compare, decoder_part, encoder_part
from samhq.model.sam import Sam
from samhq.storage.atomic import write_bytes

ENCODER, DECODER = "encoder.tflite", "decoder.tflite"


def export_litert(model: Sam, directory: str | os.PathLike[str], *, points: int = 4) -> dict[Path, Difference]:
    """Writes `encoder.tflite` and `decoder.tflite`, for prompts of `points` points, into a folder.

    Returns the paths with the largest difference from torch. Give fewer points by labels of -10, no box by NaN, and no
    mask by NaN. Each file is run and compared with torch before it is written: the decoder on points, on a box, and on
    points, a box and a mask.

    Raises:
        ConfigError: a SAM 2, or results that differ from torch.
        MissingExtraError: litert-torch is not installed.
        OSError: the folder cannot be written.
    """
    check_first(model, "LiteRT")
    try:
        import litert_torch
    except ImportError as error:
        raise MissingExtraError(
            f"Expected the package litert-torch for LiteRT, got none ({error}). Run: pip install litert-torch"
        ) from error
    ready = as_exported(model, "float32")
    written = {}
    for name, part in ((ENCODER, encoder_part(ready)), (DECODER, decoder_part(ready, points))):
        converted = litert_torch.convert(part.graph, sample_kwargs=part.inputs[0])
        found = compare(part, lambda inputs, converted=converted: _outputs(converted, inputs))  # type: ignore[misc]
        with tempfile.TemporaryDirectory() as scratch:
            converted.export(str(Path(scratch) / name))
            written[write_bytes(Path(directory) / name, (Path(scratch) / name).read_bytes())] = found
    return written


def _outputs(converted: Any, inputs: dict[str, Tensor]) -> list[Any]:
    """The outputs of a converted graph, in the graph's order."""
    found = converted(**inputs)
    return list(found.values()) if isinstance(found, dict) else list(found) if isinstance(found, tuple) else [found]
