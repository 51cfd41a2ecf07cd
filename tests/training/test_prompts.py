from __future__ import annotations

import numpy as np
import pytest
import torch

from samhq.training.kinds import parse_kinds
from samhq.training.prompts import (
    corrected,
    draw_clicks,
    draw_prompt,
    gather,
    jittered,
    rough_mask,
    soft_target,
    tight_box,
)
from samhq.types import IGNORED

KINDS = parse_kinds("box,point,points,box_points,mask")


def _mask(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    mask = np.zeros((64, 64), bool)
    y, x = rng.integers(0, 50, 2)
    mask[y : y + rng.integers(1, 14), x : x + rng.integers(1, 14)] = True
    return mask


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_agrees_with_the_mask_it_came_from(kind):
    for seed in range(30):
        mask = _mask(seed)
        prompt = draw_prompt(mask, kind, np.random.default_rng(seed))
        again = draw_prompt(mask, kind, np.random.default_rng(seed))
        for name, value in vars(prompt).items():
            assert np.array_equal(value, getattr(again, name), equal_nan=True)
        x, y = prompt.points.astype(int).T
        assert (mask[y, x] == (prompt.labels == 1)).all()
        assert prompt.ambiguous == (kind == "point")
        assert np.isnan(prompt.box).all() == ("box" not in kind)
        assert np.isnan(prompt.mask).all() == (kind != "mask")
        if "box" in kind:
            assert np.abs(prompt.box - tight_box(mask)).max() <= 3
            assert (prompt.box >= 0).all()
            assert (prompt.box <= 63).all()


@pytest.mark.parametrize("box", [(9, 9, 9, 9), (0, 63, 0, 63), (5, 5, 7, 6), (2, 3, 60, 4), (1, 1, 62, 62)])
def test_a_moved_box_is_no_inverted_one_and_moves_as_far_as_it_says(box):
    box, rng = np.array(box, np.float32), np.random.default_rng(0)
    sides = np.array([box[2] - box[0], box[3] - box[1]] * 2)
    most = np.maximum(1, np.minimum(0.2 * sides, 40 * 64 / 1024))
    moved = np.stack([jittered(box, (64, 64), rng) for _ in range(400)])
    assert (moved[:, :2] <= moved[:, 2:]).all()
    assert (np.abs(moved - box) <= most + 1e-5).all()
    assert (moved >= 0).all()
    assert (moved <= 63).all()
    still = (moved == box).all(1).mean()
    assert 0.4 < still < 0.6, "half the time it stays as it is"


@pytest.mark.parametrize(
    ("border", "opposite"),
    [(np.s_[:6], np.s_[-2:]), (np.s_[-6:], np.s_[:2]), (np.s_[:, :6], np.s_[:, -2:]), (np.s_[:, -6:], np.s_[:, :2])],
)
def test_a_rough_mask_at_one_border_does_not_come_back_at_the_other(border, opposite):
    mask = np.zeros((64, 64), bool)
    mask[border] = True
    for seed in range(40):
        assert rough_mask(mask, np.random.default_rng(seed))[opposite].mean() < -1


def test_a_mask_that_fills_the_picture_has_no_clicks_beside_it():
    points, labels = draw_clicks(np.ones((16, 16), bool), 1, 2, np.random.default_rng(0))
    assert labels.tolist() == [1]
    assert points.shape == (1, 2)


def test_ragged_prompts_are_filled_with_points_that_take_no_part():
    rng = np.random.default_rng(0)
    prompts = gather([draw_prompt(_mask(0), kind, rng) for kind in ("box", "points")], [0, 1])
    assert (prompts.labels[0] == IGNORED).all()
    assert prompts.image_index.tolist() == [0, 1]
    assert prompts.boxes[0].isfinite().all()
    assert prompts.boxes[1].isnan().all()


def test_finer_targets_average_to_coarser_ones():
    mask = _mask(3)
    fine = soft_target(mask, 4)
    assert np.array_equal(fine > 0.5, mask)
    assert np.allclose(fine.reshape(16, 4, 16, 4).mean((1, 3)), soft_target(mask, 1))


def test_a_correction_clicks_into_the_error_with_the_true_label():
    torch.manual_seed(0)
    masks = np.stack([_mask(seed) for seed in range(20)])
    target = torch.from_numpy(np.stack([soft_target(m, 1) for m in masks]))
    guess = torch.where(target.roll(2, -1) > 0.5, 3.0, -3.0)
    prompts = gather([draw_prompt(m, "box", np.random.default_rng(0)) for m in masks], [0] * 20)
    after = corrected(prompts, guess, target)
    column, row = (after.points[:, -1] / 4).long().T
    index = torch.arange(20)
    wrong = (guess > 0) != (target > 0.5)
    assert wrong[index, row, column][wrong.flatten(1).any(1)].all()
    assert torch.equal(after.labels[:, -1], (target > 0.5)[index, row, column].long())
    assert torch.equal(after.masks[:, 0], guess)
    assert prompts.labels.shape[1] + 1 == after.labels.shape[1], "the first prompts stay as they were"


def test_fewer_pixels_than_clicks_give_fewer_clicks_and_the_rest_takes_no_part():
    small, large = np.zeros((64, 64), bool), _mask(1)
    small[3, 4:7] = True
    rng = np.random.default_rng(0)
    prompts = [draw_prompt(mask, "clicks", rng, 10) for mask in (small, large)]
    assert sorted(map(tuple, prompts[0].points.tolist())) == [(4, 3), (5, 3), (6, 3)]
    assert len({tuple(point) for point in prompts[1].points.tolist()}) == min(10, int(large.sum()))
    labels = gather(prompts, [0, 1]).labels
    assert (labels[0] == IGNORED).sum() == labels.shape[1] - 3
    assert (labels[1, : len(prompts[1].labels)] == 1).all()


@pytest.mark.parametrize("kind", ["tight_box", "clicks", "noise_mask", "noise_mask_255", "box", "points", "mask"])
def test_a_mask_of_one_pixel_can_be_asked_for(kind):
    mask = np.zeros((64, 64), bool)
    mask[0, 63] = True
    prompt = draw_prompt(mask, kind, np.random.default_rng(0))
    assert np.isfinite(prompt.points).all()
    if kind == "tight_box":
        assert prompt.box.tolist() == [63, 0, 63, 0]


def test_noise_is_at_the_boundary_and_values_are_logits_unless_the_published_ones_are_wanted():
    mask = np.zeros((256, 256), bool)
    mask[60:200, 50:210] = True
    sure = draw_prompt(mask, "noise_mask", np.random.default_rng(0)).mask
    published = draw_prompt(mask, "noise_mask_255", np.random.default_rng(0)).mask
    assert set(np.unique(sure)) == {-10, 10}
    assert set(np.unique(published)) == {0, 255}
    assert np.array_equal(sure > 0, published > 0)
    wrong = (sure > 0) != mask[::4, ::4]
    assert wrong.any()
    rows = np.flatnonzero(wrong.any(1))
    inner = wrong[25:40, 25:40]
    assert not inner.any(), "far from the boundary the mask is as it was"
    assert rows.min() >= 15 - 8
    assert rows.max() <= 50 + 8


def test_without_a_mask_prompt_there_is_no_mask_tensor():
    rng = np.random.default_rng(0)
    assert gather([draw_prompt(_mask(0), "box", rng)], [0]).masks is None
    assert gather([draw_prompt(_mask(0), "mask", rng)], [0]).masks is not None
