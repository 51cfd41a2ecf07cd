from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from samhq.evaluation.bounds import coarsened, filled_boxes, fitted, score_answers
from samhq.evaluation.metrics import iou


def _discs(side: int) -> np.ndarray:
    y, x = np.mgrid[:side, :side]
    return np.stack([(x - 20) ** 2 + (y - 30) ** 2 < 15**2, abs(x - y) < 2])


def _scene(side: int = 96) -> SimpleNamespace:
    masks = np.concatenate([_discs(side), np.zeros((1, side, side), bool)])
    masks[2, :3, :3] = True
    return SimpleNamespace(image=np.zeros((side, side, 3), np.uint8), masks=masks, thin=np.array([False, True, False]))


def test_a_filled_box_holds_the_object_and_touches_it_on_all_sides():
    masks = _discs(96)
    for box, mask in zip(filled_boxes(masks), masks, strict=True):
        assert (box | ~mask).all()
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        assert box.sum() == (rows[-1] - rows[0] + 1) * (columns[-1] - columns[0] + 1)


@pytest.mark.parametrize("grid", [8, 24, 96])
def test_a_coarse_truth_is_torchs_average_enlarged_where_cells_are_whole(grid):
    masks = torch.from_numpy(_discs(96)).float()[:, None]
    small = torch.nn.functional.avg_pool2d(masks, 96 // grid)
    large = torch.nn.functional.interpolate(small, (96, 96), mode="bilinear", align_corners=False)[:, 0]
    sure = (large - 0.5).abs() > 1e-5
    assert np.array_equal(coarsened(_discs(96), grid)[sure], (large > 0.5)[sure])


def test_where_cells_are_not_whole_their_averages_are_by_area():
    """96 pixels in 36 cells are 288 thirds of pixels in cells of eight."""
    masks = _discs(96)
    thirds = torch.from_numpy(masks.repeat(3, 1).repeat(3, 2)).float()[:, None]
    small = torch.nn.functional.avg_pool2d(thirds, 8)
    large = torch.nn.functional.interpolate(small, (96, 96), mode="bilinear", align_corners=False)[:, 0]
    sure = (large - 0.5).abs() > 1e-5
    assert np.array_equal(coarsened(masks, 36)[sure], (large > 0.5)[sure])


def test_the_truth_scores_one_and_coarser_ones_less_thin_objects_first():
    answers = {
        "truth": lambda _, masks: masks,
        "coarse": lambda _, masks: coarsened(masks, 24),
        "box": lambda _, masks: filled_boxes(masks),
    }
    truth, coarse, box = score_answers([_scene(), _scene()], answers)
    assert truth.count == 4, "an object of nine pixels is not asked for"
    assert truth.iou == truth.boundary_iou == truth.thin_boundary_iou == 1
    assert 0 < coarse.thin_iou < coarse.iou < 1
    assert box.thin_iou == pytest.approx(_discs(96)[1].mean(), abs=1e-6), "the diagonal's box is the picture"
    disc = _discs(96)[0]
    assert 2 * box.iou - box.thin_iou == pytest.approx(disc.sum() / 29**2, abs=1e-6)


def test_fitted_masks_are_of_few_pixels_too_and_nearer_to_the_truth():
    masks = _discs(96)
    better, plain = (
        iou(torch.from_numpy(made), torch.from_numpy(masks)) for made in (fitted(masks, 16, 60), coarsened(masks, 16))
    )
    assert (better >= plain).all()
    assert better[1] > plain[1] + 0.3, "a line that is thinner than a pixel"
    noise = np.random.default_rng(0).random((1, 48, 48)) < 0.5
    assert iou(torch.from_numpy(fitted(noise, 4, 50)), torch.from_numpy(noise)) < 0.6, "16 numbers say little of noise"
