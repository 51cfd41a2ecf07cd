"""The comparison finds what differs and nothing where nothing does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests import tiny

from samhq.export.verify import agreement, mask_ious, noise, original_choice, original_inputs, random_prompts, verify
from samhq.image.frame import Frame
from samhq.model.sam import Sam
from samhq.results.prompt_arrays import PromptArrays

NAN = np.full((1, 4), np.nan, np.float32)


def test_a_faithful_export(hq_folder: Path, hq: Sam) -> None:
    found = verify(hq, hq_folder)
    assert found.prompts == 20
    assert found.masks == 20 * (1 + 3 + 1 + 1 + 3)
    assert found.features < 1e-4
    assert found.logits < 2e-4
    assert found.scores < 1e-4
    assert found.worst_iou > 0.99
    assert found.scale > 1


def test_another_model_is_found_out(hq_folder: Path) -> None:
    found = verify(tiny.model(tiny.HQ, salt=1), hq_folder, noise(64, 3), prompts=4)
    assert found.features > 0.1
    assert found.mask_iou < 0.9


def test_differences_are_the_largest_and_ious_the_mean() -> None:
    zeros, ones = np.zeros((1, 1, 2, 2)), np.ones((1, 1, 2, 2))
    half = np.array([[[[2.0, -1], [2, -1]]]])
    scores = np.array([[0.5]])
    found = agreement(
        [((ones, scores), (half, scores + 0.25)), ((zeros, scores), (zeros, scores))], zeros, zeros + 3, 2
    )
    assert (found.features, found.logits, found.scale, found.scores) == (3, 2, 1, 0.25)
    assert (found.mask_iou, found.worst_iou) == (0.75, 0.5)
    assert "2 prompts, 2 masks" in str(found)


def test_two_empty_masks_agree() -> None:
    assert mask_ious(np.zeros((2, 3, 4, 4), bool), np.zeros((2, 3, 4, 4), bool)).tolist() == [1.0] * 6


@pytest.mark.parametrize("count", [1, 3, 12])
def test_prompts_are_inside_and_of_all_kinds(count: int) -> None:
    frame = Frame.fit((48, 64), 64)
    parts = random_prompts(count, frame, seed=1)
    for part in parts:
        assert (part.points >= 0).all()
        assert (part.points <= (64, 48)).all()
        assert (part.labels[:, 0] == 1).all()
    if count == 12:
        assert any(part.boxes is not None and np.isfinite(part.boxes).any() for part in parts)
        assert any(part.masks is not None and np.isfinite(part.masks).any() for part in parts)


def test_a_box_is_two_points_in_the_original_contract() -> None:
    points, labels = np.array([[[5.0, 6], [0, 0]]], np.float32), np.array([[1, -10]])
    boxed = original_inputs(PromptArrays(points, labels, np.array([[1.0, 2, 3, 4]], np.float32), None), 64)
    assert boxed["point_coords"].tolist() == [[[5, 6], [1, 2], [3, 4]]]
    assert boxed["point_labels"].tolist() == [[1, 2, 3]]
    assert boxed["has_mask_input"].tolist() == [0]
    clicked = original_inputs(PromptArrays(points, labels, NAN, np.ones((1, 1, 16, 16), np.float32)), 64)
    assert clicked["point_labels"].tolist() == [[1, -1]]
    assert clicked["has_mask_input"].tolist() == [1]


def test_what_the_original_contract_answers_with(hq: Sam, plain: Sam) -> None:
    assert original_choice(hq, None, 9) == original_choice(hq, False, 1) == ["single"]
    assert original_choice(hq, True, 9) == ["best"]
    assert original_choice(plain, None, 2) == ["single", "all"]
    assert original_choice(plain, False, 2) == ["best"]
    assert original_choice(plain, False, 3) == ["single"]
