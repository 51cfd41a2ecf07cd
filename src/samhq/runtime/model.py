"""An exported model: pixels to an embedding, an embedding and prompts to low-resolution masks, on arrays.

The counterpart of `samhq.model.sam.Sam` without torch. Knows nothing of pictures' sizes or result files.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from samhq.config import IGNORED, Candidates, HQMode
from samhq.errors import CheckpointError, ConfigError
from samhq.options import one_of
from samhq.results.prompt_arrays import PromptArrays
from samhq.runtime.about import DECODER, ENCODER, About
from samhq.runtime.graph import Graph, Precision, open_graph
from samhq.shapes import Float32

#: The numbers for the decoder's input `hq`.
HQ_NUMBERS: dict[HQMode, int] = {"off": 0, "add": 1, "only": 2}
_AT_ONCE = 16  #: Prompts in one call, to limit memory.


@dataclass(frozen=True, eq=False)
class Embedding:
    """The encoder's output for a picture: `features` [1,C,g,g], and the other maps that the decoder reads.

    `hq_features` [1,c,4g,4g] is SAM-HQ's; `level0` [1,c,4g,4g] and `level1` [1,2c,2g,2g] are SAM 2's.
    """

    features: Float32[np.ndarray, "1 C g g"]
    hq_features: Float32[np.ndarray, "1 c G G"] | None = None
    level0: Float32[np.ndarray, "1 c G G"] | None = None
    level1: Float32[np.ndarray, "1 d F F"] | None = None

    @property
    def inputs(self) -> dict[str, np.ndarray]:
        """The maps that exist, by the names of the decoder's inputs."""
        return {name: value for name, value in vars(self).items() if value is not None}


class OnnxModel:
    """The files of a folder that `samhq export` made, opened by ONNX Runtime or OpenVINO.

    `providers` and `precision` as in `samhq.runtime.graph.open_graph`.

    Raises:
        CheckpointError: the folder lacks a file, or has files of another maker, contract or model.
        ConfigError, MissingExtraError: as `samhq.runtime.graph.open_graph`.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        providers: str | Sequence[str] | None = None,
        precision: Precision = "float32",
    ) -> None:
        folder = Path(directory)
        self._opened_by = folder.absolute(), providers, precision
        self._encoder = open_graph(folder / ENCODER, providers, precision)
        self._decoder = open_graph(folder / DECODER, providers, precision)
        _check_inputs(self._encoder, "pixels", folder / ENCODER)
        _check_inputs(self._decoder, "features", folder / DECODER)
        self.about = About.from_metadata(self._decoder.metadata, folder / DECODER)
        if self.about != About.from_metadata(self._encoder.metadata, folder / ENCODER):
            raise CheckpointError(
                f"Expected an encoder and a decoder of one export in {folder}, got two. Export the model again."
            )
        if self.about.contract != "samhq":
            raise CheckpointError(
                f"Expected samhq's own contract in {folder}, got the {self.about.contract} one, for other programs. "
                "Export the model without --contract."
            )

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled as the path of its files, because a runtime's sessions belong to their process."""
        return type(self), self._opened_by

    def encode(self, pixels: Float32[np.ndarray, "1 3 S S"]) -> Embedding:
        """The embedding of a normalised picture, for any number of prompts."""
        return Embedding(**self._encoder({"pixels": pixels}))

    def hq_mode(self, hq: HQMode | None) -> HQMode:
        """The mode to use: `hq`, else the weights' own default for HQ models and "off" for others.

        Raises:
            ConfigError: no such mode, or an HQ mask from a model without HQ heads.
        """
        if hq is None:
            return self.about.default_hq if self.about.hq else "off"
        one_of("hq", hq, HQMode)
        if hq != "off" and not self.about.hq:
            raise ConfigError(
                f"hq={hq!r} needs a model with HQ heads, but {self.about.model} is a plain SAM. "
                "Export an HQ model, or leave hq out."
            )
        return hq

    def decode(
        self, embedding: Embedding, prompts: PromptArrays, candidates: Candidates, hq: HQMode
    ) -> tuple[Float32[np.ndarray, "P K G G"], Float32[np.ndarray, "P K"]]:
        """Low-resolution logits of the chosen masks, and their predicted IoU; a few prompts at a time."""
        take = np.array(taken(candidates, hq, self.about.masks), np.int32)
        if not len(prompts):
            side = self.about.low_res
            return np.zeros((0, len(take), side, side), np.float32), np.zeros((0, len(take)), np.float32)
        logits, iou = [], []
        for start in range(0, len(prompts), _AT_ONCE):
            some_logits, some_iou = self._decode(embedding, prompts[start : start + _AT_ONCE], take, hq)
            logits.append(some_logits)
            iou.append(some_iou)
        return np.concatenate(logits), np.concatenate(iou)

    def _decode(
        self, embedding: Embedding, prompts: PromptArrays, take: np.ndarray, hq: HQMode
    ) -> tuple[np.ndarray, np.ndarray]:
        feeds = {**embedding.inputs, "take": take, **prompt_inputs(prompts, self.about.low_res)}
        if self.about.hq:
            feeds["hq"] = np.array([HQ_NUMBERS[hq]], np.int32)
        outputs = self._decoder(feeds)
        return outputs["logits"], outputs["iou"]


def _check_inputs(graph: Graph, needed: str, path: Path) -> None:
    """Checks that a graph has the inputs that its file's name promises.

    Raises:
        CheckpointError: it does not, for instance because two files were swapped.
    """
    if needed not in graph.inputs:
        raise CheckpointError(
            f"Expected a graph with the input {needed!r} at {path}, got one with {', '.join(graph.inputs)[:80]}. "
            f"Check that {ENCODER} and {DECODER} were not swapped, or export the model again."
        )


def taken(candidates: Candidates, hq: HQMode, masks: int) -> list[int]:
    """The value of the decoder's input `take`: 0 to masks-1 in the network's order, then masks 1 and up, best first.

    The same choice as `samhq.model.selection.select`.

    >>> taken("single", "add", 4), taken("sorted", "add", 4), taken("sorted", "only", 4)
    ([0], [4, 5, 6], [4])
    """
    if candidates == "single" or masks == 1:
        return [0]
    if candidates == "best" or hq == "only":
        return [masks]
    return list(range(1, masks)) if candidates == "all" else list(range(masks, 2 * masks - 1))


def prompt_inputs(prompts: PromptArrays, low_res: int) -> dict[str, np.ndarray]:
    """The decoder's inputs for prompts: at least one point for each, NaN for missing boxes and masks.

    A single mask is enough if no prompt has one.
    """
    count, width = prompts.labels.shape
    fill = max(0, 1 - width)
    return {
        "points": np.pad(prompts.points, ((0, 0), (0, fill), (0, 0))),
        "labels": np.pad(prompts.labels, ((0, 0), (0, fill)), constant_values=IGNORED).astype(np.int32),
        "boxes": np.full((count, 4), np.nan, np.float32) if prompts.boxes is None else prompts.boxes,
        "masks": np.full((1, 1, low_res, low_res), np.nan, np.float32) if prompts.masks is None else prompts.masks,
    }
