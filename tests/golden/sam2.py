"""Models with the stored SAM 2 weights, and what they make of stored prompts."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from samhq.config import MODELS, Candidates, HQMode
from samhq.image.frame import Frame
from samhq.model.build import build
from samhq.model.sam2.sam2 import Sam2
from samhq.types import ImageEmbedding, LowRes, Prompts
from tests.golden import deterministic

#: Our names of the models in the golden files.
NAMES = {
    "sam2_1_hiera_t": "sam2.1_hiera_tiny",
    "sam2_1_hiera_s": "sam2.1_hiera_small",
    "sam2_1_hiera_b+": "sam2.1_hiera_base_plus",
    "sam2_1_hiera_l": "sam2.1_hiera_large",
    "hq_sam2_1_hiera_l": "sam2.1_hq_hiera_large",
    "sam2_hiera_t": "sam2_hiera_tiny",
    "sam2_hiera_s": "sam2_hiera_small",
    "sam2_hiera_b+": "sam2_hiera_base_plus",
    "sam2_hiera_l": "sam2_hiera_large",
}


def model(file: str, described: dict[str, Any], side: int) -> Sam2:
    """The model of a golden file with its weights, for pictures of another side."""
    sam = build(MODELS[NAMES[file]].replace(side=side))
    assert isinstance(sam, Sam2)
    weights = described["weights"]
    state = {}
    for key, like in sam.state_dict().items():
        value = deterministic.tensor(key, tuple(like.shape), described["salt"])
        value = value * np.float32(weights.get("scale", {}).get(key, 1.0))
        state[key] = torch.from_numpy(np.asarray(weights.get("set", {}).get(key, value), np.float32))
    sam.load_state_dict(state)
    return sam.requires_grad_(False)


def prompts(prompt: dict[str, Any], frame: Frame) -> Prompts:
    """A stored prompt in model pixels; several boxes, or sets of points, are several prompts."""
    fields: dict[str, Any] = {}
    count = 1
    if "point_coords" in prompt:
        points, labels = np.array(prompt["point_coords"]), np.array(prompt["point_labels"])
        points, labels = (points, labels) if points.ndim == 3 else (points[None], labels[None])
        count = len(points)
        fields["points"] = torch.from_numpy(frame.points_to_model(points))
        fields["labels"] = torch.from_numpy(labels)
    if "box" in prompt:
        boxes = np.array(prompt["box"], np.float64).reshape(-1, 4)
        count = len(boxes)
        fields["boxes"] = torch.from_numpy(frame.boxes_to_model(boxes))
    return Prompts(torch.zeros(count, dtype=torch.int64), **fields)


def mode(args: dict[str, Any], hq: bool) -> dict[str, Candidates | HQMode]:
    """What the published arguments mean here."""
    candidates: Candidates = "all" if args.get("multimask_output", True) else "single"
    return {"candidates": candidates, "hq": ("only" if args.get("hq_token_only") else "add") if hq else "off"}


def answer(sam: Sam2, embedding: ImageEmbedding, asked: Prompts, args: dict[str, Any]) -> LowRes:
    """Our answer to a stored case, under its settings of the single mask's stability."""
    before = sam.stable_from
    if not args.get("dynamic_multimask_via_stability", True):
        sam.stable_from = None
    sam.stable_from = args.get("dynamic_multimask_stability_thresh", sam.stable_from)
    try:
        return sam.decode(embedding, asked, **mode(args, sam.config.hq))
    finally:
        sam.stable_from = before
