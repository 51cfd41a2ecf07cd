"""The difference between an exported model and its network: both get the same picture and the same random prompts.

The whole path is compared: each decoder gets the output of its own encoder.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image

from samhq.config import BOTTOM_RIGHT, IGNORED, NOT_A_POINT, TOP_LEFT, Candidates, HQMode
from samhq.image.frame import Frame
from samhq.image.transform import SquareForm, to_square
from samhq.model.sam import Sam
from samhq.plural import plural
from samhq.results.prompt_arrays import PromptArrays
from samhq.runtime.about import DECODER, ENCODER, About
from samhq.runtime.graph import Precision, open_graph
from samhq.runtime.model import OnnxModel
from samhq.types import ImageEmbedding, LowRes, Prompts


@dataclass(frozen=True)
class Agreement:
    """A comparison of two models' outputs: `prompts` given, `masks` compared.

    `features`, `logits` and `scores` are the largest differences; `scale` is the largest logit, to judge a difference
    by. `mask_iou` is the mean over low-resolution masks, and `worst_iou` the smallest.
    """

    prompts: int
    masks: int
    features: float
    logits: float
    scale: float
    scores: float
    mask_iou: float
    worst_iou: float

    def __str__(self) -> str:
        return (
            f"{plural(self.prompts, 'prompt')}, {plural(self.masks, 'mask')}: "
            f"features differ by up to {self.features:.1e}, "
            f"logits by {self.logits:.1e} of {self.scale:.3g}, scores by {self.scores:.1e}; "
            f"mask IoU {self.mask_iou:.5f} on average, {self.worst_iou:.5f} at worst"
        )


Answer = tuple[np.ndarray, np.ndarray]  #: Logits and scores.


def verify(
    model: Sam,
    directory: str | os.PathLike[str],
    picture: UInt8[np.ndarray, "H W 3"] | None = None,
    *,
    prompts: int = 12,
    seed: int = 0,
    providers: str | Sequence[str] | None = None,
    precision: Precision = "float32",
    hq: HQMode | None = None,
    multimask: bool | None = None,
) -> Agreement:
    """The differences between the files of a folder and the model in torch, on a picture, by default smooth noise.

    Covers every mode of the graphs: one mask and all masks; with the HQ logits, with them alone, and without them. `hq`
    and `multimask` are those with which a graph of the original contract was made. Raises as
    `samhq.runtime.model.OnnxModel`.
    """
    shown = noise(model.config.side, seed) if picture is None else picture
    pixels, frame = to_square(shown, SquareForm.for_model(model.config))
    about = About.from_metadata(open_graph(Path(directory) / DECODER).metadata, Path(directory) / DECODER)
    test_prompts = random_prompts(prompts, frame, seed)
    with torch.inference_mode():
        embedding = model.encode(torch.from_numpy(pixels).to(model.device))
        if about.contract == "original":
            pairs, features = _original_pairs(model, Path(directory), embedding, pixels, test_prompts, (hq, multimask))
        else:
            exported = OnnxModel(directory, providers, precision)
            ours = exported.encode(pixels)
            features = ours.features
            pairs = [
                (_answer(_decoded(model, embedding, part, candidates, hq)), exported.decode(ours, part, candidates, hq))
                for part in test_prompts
                for candidates, hq in modes(model)
            ]
    return agreement(pairs, embedding.features.float().cpu().numpy(), features, sum(map(len, test_prompts)))


def modes(model: Sam) -> list[tuple[Candidates, HQMode]]:
    """The outputs to compare: masks in the network's order, because masks with equal scores may change places."""
    whats: tuple[HQMode, ...] = ("add", "only", "off") if model.config.hq else ("off",)
    kinds: tuple[Candidates, ...] = ("single", "all")
    return [(candidates, hq) for hq in whats for candidates in kinds if (candidates, hq) != ("all", "only")]


def noise(side: int, seed: int) -> UInt8[np.ndarray, "H W 3"]:
    """A smooth picture of random colours that fills the square except for a strip at the bottom."""
    small = np.random.default_rng(seed).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    return np.array(Image.fromarray(small).resize((side, side * 3 // 4), Image.Resampling.BICUBIC))


def random_prompts(count: int, frame: Frame, seed: int) -> list[PromptArrays]:
    """Prompts of all kinds, in model pixels: one or more clicks, boxes for some, and earlier logits for some."""
    rng = np.random.default_rng(seed)
    height, width = frame.resized_hw
    points = (rng.random((count, 3, 2)) * (width, height)).astype(np.float32)
    labels = rng.integers(0, 2, (count, 3))
    labels[:, 0] = 1
    for row, length in zip(labels, rng.integers(1, 4, count), strict=True):
        row[length:] = IGNORED
    corners = np.sort(rng.random((count, 2, 2)) * (width, height), axis=1).reshape(count, 4).astype(np.float32)
    corners[::2] = np.nan
    grid = frame.side // 4
    logits = _smooth(rng, count, grid)
    logits[::3] = np.nan
    first, second = slice(0, count - count // 3), slice(count - count // 3, count)
    parts = [
        PromptArrays(points[first, :1], labels[first, :1], None, None),
        PromptArrays(points[first], labels[first], corners[first], None),
        PromptArrays(points[second], labels[second], corners[second], logits[second]),
    ]
    return [part for part in parts if len(part)]


def _smooth(rng: np.random.Generator, count: int, side: int) -> np.ndarray:
    small = rng.standard_normal((count, 5, 5)).astype(np.float32) * 5
    grown = [np.array(Image.fromarray(channel).resize((side, side), Image.Resampling.BICUBIC)) for channel in small]
    return np.stack(grown)[:, None]


def agreement(
    pairs: Sequence[tuple[Answer, Answer]], exported_features: np.ndarray, torch_features: np.ndarray, prompts: int
) -> Agreement:
    """The comparison of all pairs of outputs."""
    ious = [float(iou) for (first, _), (second, _) in pairs for iou in mask_ious(first > 0, second > 0)]
    return Agreement(
        prompts=prompts,
        masks=len(ious),
        features=float(np.abs(exported_features - torch_features).max()),
        logits=max(float(np.abs(first - second).max()) for (first, _), (second, _) in pairs),
        scale=max(float(np.abs(first).max()) for (first, _), _ in pairs),
        scores=max(float(np.abs(first - second).max()) for (_, first), (_, second) in pairs),
        mask_iou=float(np.mean(ious)),
        worst_iou=min(ious),
    )


def mask_ious(first: Float[np.ndarray, "*K G G"] | Any, second: Float[np.ndarray, "*K G G"] | Any) -> np.ndarray:
    """The IoU of each mask with its counterpart; 1 if both are empty.

    >>> mask_ious(np.array([[[True, True]]]), np.array([[[True, False]]])).tolist()
    [0.5]
    """
    both = (first & second).sum(axis=(-2, -1)).ravel()
    either = (first | second).sum(axis=(-2, -1)).ravel()
    return np.where(either > 0, both / np.maximum(either, 1), 1.0)


def _decoded(
    model: Sam, embedding: ImageEmbedding, prompts: PromptArrays, candidates: Candidates, hq: HQMode
) -> LowRes:
    parts = (prompts.points, prompts.labels, prompts.boxes, prompts.masks)
    tensors = [None if part is None else torch.from_numpy(part) for part in parts]
    on_device = Prompts(torch.zeros(len(prompts), dtype=torch.int64), *tensors).to(model.device)
    return model.decode(embedding, on_device, candidates=candidates, hq=hq)


def _answer(low: LowRes) -> Answer:
    return low.logits.float().cpu().numpy(), low.iou.float().cpu().numpy()


def _original_pairs(
    model: Sam,
    folder: Path,
    embedding: ImageEmbedding,
    pixels: np.ndarray,
    prompts: Sequence[PromptArrays],
    made_with: tuple[HQMode | None, bool | None],
) -> tuple[list[tuple[Answer, Answer]], np.ndarray]:
    """Outputs of the network and of the original contract, one prompt at a time, and the encoder's features."""
    encoded, decoder = open_graph(folder / ENCODER)({"pixels": pixels}), open_graph(folder / DECODER)
    pairs = []
    for prompt in _singly(prompts):
        inputs = original_inputs(prompt, model.config.side)
        kinds = original_choice(model, made_with[1], inputs["point_coords"].shape[1])
        theirs = [_answer(_decoded(model, embedding, prompt, kind, model.hq_mode(made_with[0]))) for kind in kinds]
        outputs = decoder({**encoded, **inputs})
        expected = np.concatenate([logits for logits, _ in theirs], 1), np.concatenate([iou for _, iou in theirs], 1)
        pairs.append((expected, (outputs["low_res_masks"], outputs["iou_predictions"])))
    return pairs, encoded["image_embeddings"]


def original_choice(model: Sam, multimask: bool | None, points: int) -> list[Candidates]:
    """The masks that a graph of the original contract gives; SAM's single mask depends on the number of points."""
    if model.config.hq:
        return ["best" if multimask else "single"]
    if multimask is None or multimask:
        return ["single", "all"]
    return ["single" if points > 2 else "best"]


def _singly(prompts: Sequence[PromptArrays]) -> Iterator[PromptArrays]:
    for part in prompts:
        for row in range(len(part)):
            yield part[row : row + 1]


def original_inputs(prompt: PromptArrays, side: int) -> dict[str, np.ndarray]:
    """One prompt in the form of the original contract: a box as two points, else one point as padding."""
    kept = prompt.labels[0] != IGNORED
    points, labels = prompt.points[0][kept], prompt.labels[0][kept]
    boxed = prompt.boxes is not None and bool(np.isfinite(prompt.boxes).all())
    if prompt.boxes is not None and boxed:
        more, kinds = prompt.boxes.reshape(2, 2), [TOP_LEFT, BOTTOM_RIGHT]
    else:
        more, kinds = np.zeros((1, 2), np.float32), [NOT_A_POINT]
    masked = prompt.masks is not None and bool(np.isfinite(prompt.masks).all())
    grid = side // 4
    return {
        "point_coords": np.concatenate([points, more])[None].astype(np.float32),
        "point_labels": np.concatenate([labels, kinds])[None].astype(np.float32),
        "mask_input": prompt.masks if prompt.masks is not None and masked else np.zeros((1, 1, grid, grid), np.float32),
        "has_mask_input": np.array([masked], np.float32),
        "orig_im_size": np.array([side, side], np.float32),
    }
