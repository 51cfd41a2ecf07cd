"""Several crops in one pass of the network."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from samhq.image.transform import SquareForm, to_pixels_fast
from samhq.inference import crop_masks
from samhq.inference.crop_masks import crops_together, masks_of_crops
from samhq.model.sam import Sam
from samhq.results.prompt import Prompt


def test_crops_of_all_shapes_and_prompts_give_what_each_gives_alone(any_sam: Sam) -> None:
    random, form = np.random.default_rng(0), SquareForm.for_model(any_sam.config)
    crops = [random.integers(0, 256, (height, width, 3), np.uint8) for height, width in ((40, 90), (70, 30), (64, 64))]
    prompts = [
        Prompt(box=[5, 5, 60, 30]),
        Prompt(points=[[10, 20], [3, 3]], labels=[1, 0]),
        Prompt(box=[9, 9, 50, 50], mask=random.random((64, 64)) < 0.5),
    ]
    with torch.inference_mode():
        inputs = [to_pixels_fast(crop, form) for crop in crops]
        together = masks_of_crops(any_sam, inputs, prompts, None)
        alone = [masks_of_crops(any_sam, inputs[i : i + 1], prompts[i : i + 1], None)[0] for i in range(3)]
        assert masks_of_crops(any_sam, [], [], None) == []
    for crop, (mask, score), (expected, expected_score) in zip(crops, together, alone, strict=True):
        assert mask.shape == crop.shape[:2]
        assert (mask != expected).mean() < 0.002
        assert score == pytest.approx(expected_score, abs=1e-5)


def test_how_many_crops_go_together(any_sam: Sam, monkeypatch: pytest.MonkeyPatch) -> None:
    side = any_sam.config.side
    assert crops_together(any_sam) == (1 << 20) // side**2
    monkeypatch.setattr(crop_masks, "_PIXELS_TOGETHER", 1)
    assert crops_together(any_sam) == 1
