"""Graphs for frameworks with fixed shapes and no missing inputs, example inputs, and the comparison with torch.

The decoder takes one prompt with a fixed number of points and returns every mask; the calling program chooses one.
Knows nothing of files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int32
from torch import Tensor, nn

from samhq.config import HQMode, ModelConfig
from samhq.errors import ConfigError
from samhq.export.convert import maps
from samhq.export.graphs import DecoderGraph, EncoderGraph
from samhq.model.sam import Sam
from samhq.types import BACKGROUND, FOREGROUND, IGNORED, ImageEmbedding

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


@dataclass(frozen=True)
class FixedGraph:
    """A graph to convert, the names of its outputs, and inputs to compare it with; the first are also the example."""

    name: str
    graph: nn.Module
    outputs: tuple[str, ...]
    inputs: Sequence[dict[str, Tensor]]


@dataclass(frozen=True)
class Difference:
    """The largest difference of a converted graph from torch, and the largest value, of the output that differs most.

    >>> print(Difference(1e-6, 2.0))
    differs from torch by up to 1.0e-06 in values up to 2
    """

    largest: float
    scale: float

    @property
    def share(self) -> float:
        """The difference as a share of the largest value."""
        return self.largest / self.scale

    def __str__(self) -> str:
        return f"differs from torch by up to {self.largest:.1e} in values up to {self.scale:.3g}"


def encoder_part(model: Sam) -> FixedGraph:
    """The encoder, compared on random pixels."""
    pixels = torch.rand(1, 3, model.config.side, model.config.side)
    return FixedGraph("encoder", EncoderGraph(model).eval(), tuple(maps(model.config)), [{"pixels": pixels}])


def decoder_part(model: Sam, points: int) -> FixedGraph:
    """The decoder for prompts of `points` points, compared on points, on a box and on a mask."""
    return FixedGraph("decoder", EveryMask(model).eval(), output_names(model.config), example_prompts(model, points))


def output_names(config: ModelConfig) -> tuple[str, ...]:
    """The names of the decoder's outputs."""
    return ("logits", "hq_logits", "iou") if config.hq else ("logits", "iou")


def example_prompts(model: Sam, points: int) -> list[dict[str, Tensor]]:
    """Inputs of the decoder with random features: points only, a box only, and points, a box and a mask together.

    The points are one to include and one to exclude; the others are padding.
    """
    side, grid = model.config.side, 4 * model.config.grid
    features = {name: torch.randn(1, *shape) for name, shape in maps(model.config).items()}
    padding = torch.full((1, points), IGNORED, dtype=torch.int32)
    labels = padding.clone()
    labels[0, :2] = torch.tensor([FOREGROUND, BACKGROUND][:points], dtype=torch.int32)
    places = torch.rand(1, points, 2) * side
    box, no_box = torch.tensor([[0.1, 0.2, 0.7, 0.9]]) * side, torch.full((1, 4), torch.nan)
    mask, no_mask = torch.randn(1, 1, grid, grid), torch.full((1, 1, grid, grid), torch.nan)
    return [
        {**features, "points": places, "labels": kinds, "boxes": boxes, "masks": masks}
        for kinds, boxes, masks in ((labels, no_box, no_mask), (padding, box, no_mask), (labels, box, mask))
    ]


def compare(part: FixedGraph, run: Callable[[dict[str, Tensor]], Sequence[Any]]) -> Difference:
    """The difference of a converted graph, which `run` calls, from torch over all inputs of a part.

    Raises:
        ConfigError: a value differs by more than a thousandth of the largest of its output.
    """
    with torch.no_grad():
        return max(
            (check_close(part.name, run(inputs), part.graph(**inputs)) for inputs in part.inputs),
            key=lambda found: found.share,
        )


def check_close(name: str, found: Sequence[Any] | Mapping[str, Any], expected: Sequence[Tensor]) -> Difference:
    """The difference of the output that differs most from torch's, as a share of its largest value.

    Raises:
        ConfigError: a value differs by more than a thousandth of the largest of its output.
    """
    arrays = list(found.values()) if isinstance(found, Mapping) else found
    pairs = [(np.asarray(actual), other.numpy()) for actual, other in zip(arrays, expected, strict=True)]
    all_found = [Difference(float(np.abs(actual - other).max()), float(np.abs(other).max())) for actual, other in pairs]
    for each in all_found:
        if not each.largest <= _CLOSE * each.scale:
            raise ConfigError(
                f"Expected the {name} to give torch's results, got a difference of {each.largest:.2g} in values up to "
                f"{each.scale:.2g}. Export to ONNX, and report the versions of torch and litert-torch."
            )
    return max(all_found, key=lambda each: each.share)


def check_first(model: Sam, framework: str) -> None:
    """Refuses a SAM 2, whose decoder chooses masks by computed numbers.

    Raises:
        ConfigError: it is a SAM 2.
    """
    if model.config.second:
        raise ConfigError(f"Expected a SAM or SAM-HQ for {framework}, got {model.config.name}. Export SAM 2 to ONNX.")
