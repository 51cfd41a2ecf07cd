"""How good a network is on pictures that it does not learn from, as a few named numbers.

Knows nothing about optimisers or steps.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor

from samhq.config import HQMode
from samhq.datasets.sample import Pictures, Sample
from samhq.errors import ConfigError
from samhq.evaluation.metrics import boundary_iou, iou
from samhq.evaluation.scenes import evaluate_scenes
from samhq.image.boxes import boxes_from_masks
from samhq.image.frame import Frame
from samhq.image.transform import to_pixels
from samhq.model.sam import Sam
from samhq.model.selection import select
from samhq.training.drawn import unseen_scenes
from samhq.types import FOREGROUND, Prompts

#: At most so many prompts are decoded at once.
_AT_ONCE = 16


def scene_scores(sam: Sam, count: int) -> dict[str, float]:
    """Scores on drawn scenes that no run trains on: "box iou", "1 point boundary_iou", ... for the HQ mode "add"."""
    modes: tuple[HQMode, ...] = ("add", "off") if sam.config.hq else ("off",)
    found: dict[str, float] = {}
    for score in evaluate_scenes(sam, unseen_scenes(count, sam.config.side), modes=modes):
        prefix = f"{score.kind} " if score.hq == modes[0] else f"{score.kind} {score.hq} "
        found |= {f"{prefix}iou": score.iou, f"{prefix}boundary_iou": score.boundary_iou}
    return found


@torch.no_grad()
def picture_scores(sam: Sam, pictures: Pictures, *, published: bool = False) -> dict[str, float]:
    """Means over all objects: "box iou", "box boundary_iou", the same for "point", and for HQ models with "off".

    Boxes are tight; a lone point is drawn on the object, always the same, and asks for the best mask by predicted
    IoU. Masks are compared at the picture's own size. `published` squashes pictures to squares and takes the HQ mask
    alone, as SAM-HQ's own validation does.

    Raises:
        ConfigError: no picture has an object.
    """
    rows: dict[str, list[Tensor]] = {}
    for number in range(len(pictures)):
        sample = pictures[number]
        if sample.objects:
            for name, found in _scores(sam, sample, np.random.default_rng(number), published).items():
                rows.setdefault(name, []).append(found)
    if not rows:
        raise ConfigError(f"Expected objects in the pictures of {pictures.name}, got none. Name other pictures.")
    means = {name: torch.cat(found).mean(0) for name, found in rows.items()}
    return {f"{name} {what}": float(mean[i]) for name, mean in means.items() for i, what in enumerate(_WHAT)}


_WHAT = ("iou", "boundary_iou")


def _scores(sam: Sam, sample: Sample, rng: np.random.Generator, published: bool) -> Mapping[str, Tensor]:
    masks = sample.masks[sample.objects]
    pixels, frame = _squashed(sample.image, sam.config.side) if published else to_pixels(sample.image, sam.config.side)
    embedding = sam.encode(pixels.to(sam.device))
    truth, found = torch.from_numpy(masks), dict[str, Tensor]()
    for kind in ("box", "point"):
        prompts = _prompts(kind, masks, frame, rng).to(sam.device)
        parts = [_decoded(sam, embedding, prompts[i : i + _AT_ONCE], kind) for i in range(0, len(prompts), _AT_ONCE)]
        for name in parts[0]:
            logits = torch.cat([part[name] for part in parts])
            if name == "only" and not published:
                continue
            painted = frame.masks_to_image(logits.cpu())[:, 0]
            scores = torch.stack([iou(painted, truth), boundary_iou(painted, truth)], 1)
            first = "only" if published and sam.config.hq else "add" if sam.config.hq else "off"
            found[kind if name == first else f"{kind} {name}"] = scores
    return found


def _decoded(sam: Sam, embedding, prompts: Prompts, kind: str) -> dict[str, Tensor]:  # type: ignore[no-untyped-def]
    attended = sam.attend(embedding, prompts)
    picked = select(attended.iou, "best" if kind == "point" else "single", "off").masks
    plain, refined = sam.mask_decoder.logits(attended, embedding, picked, "add" if sam.config.hq else "off")
    assert plain is not None
    if refined is None:
        return {"off": plain.float()}
    return {"off": plain.float(), "only": refined.float(), "add": (plain + refined).float()}


def _prompts(kind: str, masks: np.ndarray, frame: Frame, rng: np.random.Generator) -> Prompts:
    owner = torch.zeros(len(masks), dtype=torch.int64)
    if kind == "box":
        return Prompts(owner, boxes=torch.from_numpy(frame.boxes_to_model(boxes_from_masks(masks))))
    places = np.stack([_one(mask, rng) for mask in masks])
    points = torch.from_numpy(frame.points_to_model(places))[:, None]
    return Prompts(owner, points, torch.full(points.shape[:2], FOREGROUND))


def _one(mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    places = np.argwhere(mask)
    return places[rng.integers(len(places))][::-1]


def _squashed(image: np.ndarray, side: int) -> tuple[Tensor, Frame]:
    """The picture stretched to the square, without antialiasing."""
    pixels = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None].float()
    pixels = functional.interpolate(pixels, (side, side), mode="bilinear", align_corners=False).floor()
    square, _ = to_pixels(pixels[0].permute(1, 2, 0).to(torch.uint8).numpy(), side)
    return square, Frame((image.shape[0], image.shape[1]), (side, side), side)
