"""Exports a model to LiteRT (TensorFlow Lite) files: encoder.tflite and decoder.tflite, compared with torch.

LiteRT's graphs have fixed shapes and no missing inputs. So the decoder takes one prompt, with a fixed number of points,
and returns every mask; the program chooses. Needs the package litert-torch.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int32
from torch import Tensor, nn

from samhq.config import HQMode
from samhq.errors import ConfigError, MissingExtraError
from samhq.export.convert import as_exported, maps
from samhq.export.graphs import DecoderGraph, EncoderGraph
from samhq.model.sam import Sam
from samhq.storage.atomic import write_bytes
from samhq.types import BACKGROUND, FOREGROUND, IGNORED, ImageEmbedding

ENCODER, DECODER = "encoder.tflite", "decoder.tflite"
_CLOSE = 1e-3  #: Largest difference from torch, as a share of the largest value.


class EveryMask(DecoderGraph):
    """One prompt to all of SAM's logits [1,4,4g,4g], the HQ logits [1,1,4g,4g] of HQ models, and IoU [1,4]."""

    def forward(  # type: ignore[override]
        self,
        features: Float[Tensor, "1 C g g"],
        points: Float[Tensor, "1 N 2"],
        labels: Int32[Tensor, "1 N"],
        boxes: Float[Tensor, "1 4"],
        masks: Float[Tensor, "1 1 G G"],
        hq_features: Float[Tensor, "1 c G G"] | None = None,
    ) -> tuple[Tensor, ...]:
        """Inputs as in `DecoderGraph`; mask 0 is for clear prompts, 1 to 3 are for ambiguous ones."""
        embedding = ImageEmbedding(features, hq_features)
        attended = self.attend(embedding, points, labels, boxes, masks)
        every = torch.arange(attended.iou.shape[1])[None]
        mode: HQMode = "add" if self.sam.config.hq else "off"
        parts = self.sam.mask_decoder.logits(attended, embedding, every, mode)
        return tuple(part for part in (*parts, attended.iou) if part is not None)


def export_litert(model: Sam, directory: str | os.PathLike[str], *, points: int = 4) -> list[Path]:
    """Writes `encoder.tflite` and `decoder.tflite`, for prompts of `points` points, into a folder; returns the paths.

    Give fewer points by labels of -10, no box by NaN, and no mask by NaN. Both files are run and compared with torch
    before they are written.

    Raises:
        ConfigError: a SAM 2, or results that differ from torch.
        MissingExtraError: litert-torch is not installed.
        OSError: the folder cannot be written.
    """
    if model.config.second:
        raise ConfigError(f"Expected a SAM or SAM-HQ for LiteRT, got {model.config.name}. Export SAM 2 to ONNX.")
    try:
        import litert_torch
    except ImportError as error:
        raise MissingExtraError(
            f"Expected the package litert-torch for LiteRT, got none ({error}). Run: pip install litert-torch"
        ) from error
    ready = as_exported(model, "float32")
    graphs: list[tuple[str, nn.Module, dict[str, Tensor]]] = [
        (ENCODER, EncoderGraph(ready), {"pixels": torch.rand(1, 3, model.config.side, model.config.side)}),
        (DECODER, EveryMask(ready), example_prompt(ready, points)),
    ]
    written = []
    for name, graph, inputs in graphs:
        converted = litert_torch.convert(graph.eval(), sample_kwargs=inputs)
        check_close(name, converted(**inputs), graph(**inputs))
        with tempfile.TemporaryDirectory() as scratch:
            converted.export(str(Path(scratch) / name))
            written.append(write_bytes(Path(directory) / name, (Path(scratch) / name).read_bytes()))
    return written


def example_prompt(model: Sam, points: int) -> dict[str, Tensor]:
    """Inputs of the decoder: random features, a point to include and one to exclude, and no box or mask."""
    side, grid = model.config.side, 4 * model.config.grid
    labels = torch.full((1, points), IGNORED, dtype=torch.int32)
    labels[0, :2] = torch.tensor([FOREGROUND, BACKGROUND][:points], dtype=torch.int32)
    return {name: torch.randn(1, *shape) for name, shape in maps(model.config).items()} | {
        "points": torch.rand(1, points, 2) * side,
        "labels": labels,
        "boxes": torch.full((1, 4), torch.nan),
        "masks": torch.full((1, 1, grid, grid), torch.nan),
    }


def check_close(name: str, found: Any, expected: tuple[Tensor, ...]) -> None:
    """Refuses results that are not those of torch.

    Raises:
        ConfigError: a value differs by more than a thousandth of the largest.
    """
    arrays = list(found.values()) if isinstance(found, dict) else found if isinstance(found, (list, tuple)) else [found]
    for one, other in zip(arrays, (part.numpy() for part in expected), strict=True):
        difference, largest = np.abs(np.asarray(one) - other).max(), np.abs(other).max()
        if not difference <= _CLOSE * largest:
            raise ConfigError(
                f"Expected {name} to give torch's results, got a difference of {difference:.2g} in values up to "
                f"{largest:.2g}. Export to ONNX, and report the versions of torch and litert-torch."
            )
