"""How good a network's masks are on pictures whose every object is known: IoU and boundary IoU by kind of prompt.

Takes any pictures with boolean masks and knows nothing about where they come from, nor about training.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
import torch.nn.functional as functional
from jaxtyping import Float
from torch import Tensor

from samhq.config import Candidates, HQMode, ModelConfig
from samhq.errors import ConfigError
from samhq.evaluation.metrics import boundary_iou, iou
from samhq.evaluation.network import measuring
from samhq.image.boxes import boxes_from_masks
from samhq.image.frame import Frame
from samhq.image.transform import normalise_and_pad
from samhq.model.sam import Sam
from samhq.types import FOREGROUND, Prompts

#: The ways of asking that are measured.
KINDS = ("box", "1 point", "3 points")
#: Objects of fewer pixels are not asked for.
FEWEST_PIXELS = 40
#: Of one picture no more objects are asked for.
MOST_OBJECTS = 16


@runtime_checkable
class Labelled(Protocol):
    """A picture uint8 [H,W,3], its objects' masks bool [K,H,W], and which of them are thin [K]."""

    @property
    def image(self) -> np.ndarray: ...  # noqa: D102
    @property
    def masks(self) -> np.ndarray: ...  # noqa: D102
    @property
    def thin(self) -> np.ndarray: ...  # noqa: D102


@dataclass(frozen=True)
class Score:
    """Means over `count` objects, 0..1; `thin_*` over the thin ones among them, NaN where there is none."""

    kind: str
    hq: HQMode
    count: int
    iou: float
    boundary_iou: float
    thin_iou: float
    thin_boundary_iou: float

    def __str__(self) -> str:
        return (
            f"{self.kind:11} {self.hq:5} n={self.count:4}  IoU {self.iou:.3f}  boundary {self.boundary_iou:.3f}  "
            f"thin {self.thin_iou:.3f}/{self.thin_boundary_iou:.3f}"
        )


def evaluate_scenes(
    sam: Sam,
    scenes: Iterable[Labelled],
    *,
    modes: Sequence[HQMode] = ("add",),
    fewest_pixels: int = FEWEST_PIXELS,
    most_objects: int = MOST_OBJECTS,
) -> list[Score]:
    """One `Score` for each kind of prompt and HQ mode, over the visible objects of all pictures.

    A box asks for mask 0, as do three points; a lone point asks for the best of masks 1..3 by predicted IoU.
    Points are drawn on the object, the same for every network. Pictures are squares of any size.
    A plain SAM gives its own mask in every mode.

    Raises:
        ConfigError: no picture has an object of `fewest_pixels`.
    """
    rows: dict[tuple[str, HQMode], list[Tensor]] = {(kind, mode): [] for kind in KINDS for mode in modes}
    with measuring(sam):
        for number, scene in enumerate(scenes):
            chosen = asked_objects(scene, fewest_pixels, most_objects)
            if len(chosen):
                _score_scene(sam, scene, chosen, np.random.default_rng(number), rows)
    if not any(rows.values()):
        raise ConfigError(f"Expected objects of {fewest_pixels} pixels or more, found none; draw more scenes.")
    return [mean_score(kind, mode, found) for (kind, mode), found in rows.items()]


def asked_objects(scene: Labelled, fewest_pixels: int, most_objects: int) -> np.ndarray:
    """The places of the first `most_objects` masks that have `fewest_pixels` or more."""
    return np.flatnonzero(scene.masks.sum((1, 2)) >= fewest_pixels)[:most_objects]


def mean_score(kind: str, hq: HQMode, rows: Sequence[Float[Tensor, "P 3"]]) -> Score:
    """The score of objects whose IoU, boundary IoU and thinness, 0 or 1, are rows."""
    found = torch.cat(list(rows))
    thin = found[found[:, 2] > 0]
    means = [*found[:, :2].mean(0).tolist(), *thin[:, :2].mean(0).tolist()]
    return Score(kind, hq, len(found), *means)


def _score_scene(
    sam: Sam,
    scene: Labelled,
    chosen: np.ndarray,
    rng: np.random.Generator,
    rows: dict[tuple[str, HQMode], list[Tensor]],
) -> None:
    truth = torch.from_numpy(scene.masks[chosen])
    thin = torch.from_numpy(np.asarray(scene.thin)[chosen]).float()
    embedding = sam.encode(_pixels(scene.image, sam.config).to(sam.device))
    frame = Frame.fit(scene.masks.shape[1:], sam.config.side, squash=sam.config.second)
    modes = list(dict.fromkeys(mode for _, mode in rows))
    for kind in KINDS:
        prompts = _ask(kind, scene.masks[chosen], frame, rng).to(sam.device)
        for mode in modes:
            candidates: Candidates = "best" if kind == "1 point" else "single"
            low = sam.decode(embedding, prompts, candidates=candidates, hq=mode if sam.config.hq else "off")
            masks = _masks(low.logits, truth.shape[-2:])
            rows[kind, mode].append(torch.stack([iou(masks, truth), boundary_iou(masks, truth), thin], 1))


def _masks(logits: Float[Tensor, "P 1 G G"], size_hw: tuple[int, ...]) -> Tensor:
    return functional.interpolate(logits.float(), size_hw, mode="bilinear", align_corners=False)[:, 0].cpu() > 0


def _ask(kind: str, masks: np.ndarray, frame: Frame, rng: np.random.Generator) -> Prompts:
    """Prompts as a user would give them, in pixels of the picture, and brought to the model as a user's are."""
    owner = torch.zeros(len(masks), dtype=torch.int64)
    if kind == "box":
        return Prompts(owner, boxes=torch.from_numpy(frame.boxes_to_model(boxes_from_masks(masks))))
    count = int(kind.split()[0])
    points = torch.from_numpy(frame.points_to_model(np.stack([_on(mask, count, rng) for mask in masks])))
    return Prompts(owner, points, torch.full(points.shape[:2], FOREGROUND))


def _on(mask: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    places = np.argwhere(mask)
    return places[rng.integers(0, len(places), count)][:, ::-1]


def _pixels(image: np.ndarray, config: ModelConfig) -> Float[Tensor, "1 3 S S"]:
    pixels = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None].float()
    side = config.side
    if pixels.shape[-1] != side:
        pixels = functional.interpolate(pixels, (side, side), mode="bilinear", antialias=True, align_corners=False)
    return normalise_and_pad(pixels, side, config.encoder.normalisation)
