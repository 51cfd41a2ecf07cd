"""The six published architectures give the outputs of segment_anything_hq 0.3, from picture to mask.

Weights and pictures come from `deterministic.py`. Stored: parts of the embedding and of the first intermediate
embedding, predicted IoU, low-resolution logits, areas and, for box prompts, every mask pixel.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from samhq.config import MODELS, Candidates, HQMode
from samhq.image.frame import Frame
from samhq.image.transform import SquareForm, to_pixels
from samhq.model.build import build
from samhq.model.sam import Sam
from samhq.types import ImageEmbedding, LowRes, Prompts
from tests import tiny
from tests.golden import deterministic

DATA = Path(__file__).parent / "data"
RELATIVE = 2e-4  #: of the largest value
BORDER_PIXELS = 12  #: that may fall on the other side of zero in one mask

#: Name of the golden file, our model, and whether it takes more than ten seconds.
FILES = (
    ("hq_vit_tiny", "sam_hq_vit_tiny", False),
    ("sam_vit_tiny", "mobile_sam", False),
    ("hq_vit_b", "sam_hq_vit_b", False),
    ("sam_vit_b", "sam_vit_b", True),
    ("hq_vit_l", "sam_hq_vit_l", True),
    ("hq_vit_h", "sam_hq_vit_h", True),
)


@dataclass(frozen=True)
class Run:
    """One model after it saw its picture, and what the published implementation made of the same."""

    sam: Sam
    embedding: ImageEmbedding
    frame: Frame
    cases: dict[str, dict[str, Any]]
    stored: dict[str, np.ndarray]

    def decode(self, case: str, masks: torch.Tensor | None = None) -> LowRes:
        """Our answer to a stored case."""
        return self.sam.decode(self.embedding, self.prompts(case, masks), **self.mode(case))

    def prompts(self, case: str, masks: torch.Tensor | None) -> Prompts:
        """The case's prompt in model pixels."""
        given, fields = self.cases[case]["prompt"], {}
        if "point_coords" in given:
            fields["points"] = torch.from_numpy(self.frame.points_to_model(np.array([given["point_coords"]])))
            fields["labels"] = torch.tensor([given["point_labels"]])
        if "box" in given:
            fields["boxes"] = torch.from_numpy(self.frame.boxes_to_model(np.array([given["box"]])))
        return Prompts(torch.zeros(1, dtype=torch.int64), masks=masks, **fields)

    def mode(self, case: str) -> dict[str, Candidates | HQMode]:
        """What the published `multimask_output` and `hq_token_only` mean here."""
        many = "multi1" in case
        if not self.sam.config.hq:
            return {"candidates": "all" if many else "single", "hq": "off"}
        return {"candidates": "best" if many else "single", "hq": "only" if "hqonly1" in case else "add"}


@pytest.fixture(
    scope="module",
    params=[pytest.param(row[:2], id=row[0], marks=[pytest.mark.slow] if row[2] else []) for row in FILES],
)
def run(request: pytest.FixtureRequest) -> Run:
    file, name = request.param
    described = json.loads((DATA / f"{file}.json").read_text())
    sam = build(MODELS[name])
    tiny.fill(sam, described["salt"])
    pixels, frame = to_pixels(deterministic.image(*described["image"]), SquareForm.for_model(sam.config))
    with torch.inference_mode():
        embedding = sam.encode(pixels, keep_early=sam.config.hq)
    with np.load(DATA / f"{file}.npz") as stored:
        return Run(sam, embedding, frame, described["cases"], dict(stored))


def relative(ours: torch.Tensor, stored: np.ndarray) -> float:
    """The largest difference, as a part of the largest stored value."""
    assert ours.shape == stored.shape
    return float(np.abs(ours.double().numpy() - stored).max() / np.abs(stored).max())


@torch.inference_mode()
def test_embedding(run: Run) -> None:
    features = run.embedding.features
    assert relative(features[:, ::8, ::4, ::4], run.stored["embedding"]) < RELATIVE
    assert features.abs().double().mean().item() == pytest.approx(run.stored["embedding_abs_mean"].item(), rel=1e-5)
    if "early" in run.stored:
        assert run.embedding.early is not None
        assert relative(run.embedding.early[:, ::4, ::4, ::16], run.stored["early"]) < RELATIVE


@torch.inference_mode()
def test_masks_and_scores(run: Run) -> None:
    cases = [case for case in run.cases if case != "mask_feedback"]
    assert len(cases) == (16 if run.sam.config.hq else 8)
    for case in cases:
        ours = run.decode(case)
        low, stored = ours.logits[0], run.stored[f"{case}__low"]
        part = low[:1] if f"{case}__mask_bits" in run.stored else low[:, ::4, ::4]
        assert relative(part, stored) < RELATIVE, case
        assert relative(ours.iou[0], run.stored[f"{case}__iou"]) < RELATIVE, case
        masks = run.frame.masks_to_image(ours.logits)[0].numpy()
        assert list(masks.shape) == run.cases[case]["mask_shape"]
        assert np.abs(masks.sum((1, 2)) - run.stored[f"{case}__area"]).max() <= BORDER_PIXELS, case
        if f"{case}__mask_bits" in run.stored:
            bits = np.unpackbits(run.stored[f"{case}__mask_bits"], count=masks.size).reshape(masks.shape)
            assert (masks != bits).sum((1, 2)).max() <= BORDER_PIXELS, case


@torch.inference_mode()
def test_mask_prompt(run: Run) -> None:
    """The single mask of the point, from the HQ token alone where there is one, is given back as a prompt."""
    first = run.decode("point__multi0__hqonly1" if run.sam.config.hq else "point__multi0")
    ours = run.decode("mask_feedback", masks=first.logits)
    assert relative(ours.logits[0, :, ::4, ::4], run.stored["mask_feedback__low"]) < RELATIVE
    assert relative(ours.iou[0], run.stored["mask_feedback__iou"]) < RELATIVE
