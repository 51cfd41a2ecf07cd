from __future__ import annotations

from itertools import pairwise

import torch

from samhq.training.losses import low_res_iou, mask_loss, prompt_losses
from samhq.training.recipes import LossWeights


def _target() -> torch.Tensor:
    target = torch.zeros(2, 8, 8)
    target[0, 2:6, 2:6], target[1, :4] = 1, 1
    return target


def test_falls_as_a_mask_gets_better_whatever_the_weights():
    target = _target()
    sharp = (target[:, None] - 0.5) * 12
    for weights in (LossWeights(), LossWeights(bce=0, focal=20), LossWeights(bce=0)):
        losses = [mask_loss(sharp * share, target, weights) for share in (-1, 0, 0.5, 1)]
        for worse, better in pairwise(losses):
            assert (better < worse).all()


def test_an_ambiguous_prompt_is_judged_by_its_best_candidate_alone():
    target = _target()
    good = (target - 0.5) * 12
    logits = torch.stack([-good, -good, good, -good], 1)
    weights = LossWeights(minor=0, iou=0)
    iou = torch.zeros(2, 4)
    lone = prompt_losses(logits, None, iou, target, torch.tensor([True, True]), weights)
    clear = prompt_losses(logits, None, iou, target, torch.tensor([False, False]), weights)
    assert lone.chosen.tolist() == [2, 2]
    assert lone.true_iou.tolist() == [1, 1]
    assert clear.chosen.tolist() == [0, 0]
    assert lone.total < clear.total / 2


def test_hq_learns_to_correct_sam_but_sam_does_not_learn_from_the_sum():
    sam = torch.zeros(2, 4, 8, 8, requires_grad=True)
    hq = torch.zeros(2, 1, 8, 8, requires_grad=True)
    losses = prompt_losses(sam, hq, torch.zeros(2, 4), _target(), torch.tensor([True, False]), LossWeights())
    losses.parts["hq_sum"].backward()
    assert hq.grad is not None
    assert hq.grad.abs().sum() > 0
    assert sam.grad is None


def test_iou_head_is_pulled_to_the_true_iou():
    target = _target()
    logits = ((target - 0.5) * 12)[:, None].repeat(1, 4, 1, 1)
    flat = torch.tensor([False, False])
    right = prompt_losses(logits, None, torch.ones(2, 4), target, flat, LossWeights()).parts["iou"]
    wrong = prompt_losses(logits, None, torch.zeros(2, 4), target, flat, LossWeights()).parts["iou"]
    assert (right.item(), wrong.item()) == (0, 1)


def test_iou_of_empty_masks():
    empty = torch.full((1, 1, 4, 4), -1.0)
    assert low_res_iou(empty, torch.zeros(1, 4, 4)).item() == 1
    assert low_res_iou(-empty, torch.zeros(1, 4, 4)).item() == 0


def test_a_finer_target_judges_only_the_hq_masks_finer():
    fine = _target().repeat_interleave(2, 1).repeat_interleave(2, 2)
    fine[0, 4] = 0
    logits, hq = torch.randn(2, 4, 8, 8), torch.randn(2, 1, 8, 8)
    flat, coarse = torch.tensor([False, False]), torch.nn.functional.avg_pool2d(fine, 2)
    one = prompt_losses(logits, hq, torch.zeros(2, 4), fine, flat, LossWeights()).parts
    other = prompt_losses(logits, hq, torch.zeros(2, 4), coarse, flat, LossWeights()).parts
    torch.testing.assert_close(one["sam"], other["sam"])
    assert one["hq"] != other["hq"]
