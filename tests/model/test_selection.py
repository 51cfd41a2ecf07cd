from __future__ import annotations

import pytest
import torch

from samhq.config import Candidates, HQMode
from samhq.model.selection import select

IOU = torch.tensor([[0.9, 0.2, 0.8, 0.5], [0.1, 0.7, 0.3, 0.7]])

CASES: list[tuple[Candidates, HQMode, list[list[int]]]] = [
    ("single", "off", [[0], [0]]),
    ("single", "add", [[0], [0]]),
    ("single", "only", [[0], [0]]),
    ("all", "off", [[1, 2, 3], [1, 2, 3]]),
    ("all", "add", [[1, 2, 3], [1, 2, 3]]),
    ("all", "only", [[2], [1]]),
    ("best", "off", [[2], [1]]),
    ("best", "add", [[2], [1]]),
    ("best", "only", [[2], [1]]),
    ("sorted", "off", [[2, 3, 1], [1, 3, 2]]),
    ("sorted", "add", [[2, 3, 1], [1, 3, 2]]),
    ("sorted", "only", [[2], [1]]),
]


@pytest.mark.parametrize(("candidates", "hq", "masks"), CASES)
def test_masks_of_each_policy(candidates: Candidates, hq: HQMode, masks: list[list[int]]) -> None:
    """Among equal scores the earlier mask comes first."""
    choice = select(IOU, candidates, hq)
    assert choice.masks.tolist() == masks
    assert torch.equal(choice.iou, torch.stack([row[m] for row, m in zip(IOU, masks, strict=True)]))
    assert choice.hq == hq


@pytest.mark.parametrize("candidates", ["single", "best", "all", "sorted"])
def test_a_decoder_with_one_mask_has_one_choice(candidates: Candidates) -> None:
    assert select(IOU[:, :1], candidates, "off").masks.tolist() == [[0], [0]]


@pytest.mark.parametrize("candidates", ["single", "best", "all", "sorted"])
def test_no_prompts_no_choice(candidates: Candidates) -> None:
    assert len(select(IOU[:0], candidates, "off").masks) == 0


def test_the_scores_keep_their_gradient() -> None:
    iou = IOU.clone().requires_grad_()
    select(iou, "best", "add").iou.sum().backward()
    assert iou.grad is not None
    assert iou.grad.tolist() == [[0, 0, 1, 0], [0, 1, 0, 0]]
