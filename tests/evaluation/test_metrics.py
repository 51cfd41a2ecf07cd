from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.golden import deterministic

from samhq.errors import ImageError
from samhq.evaluation.metrics import band_width, boundary, boundary_iou, iou

PUBLISHED = json.loads((Path(__file__).parents[1] / "data" / "metrics.json").read_text())


@pytest.mark.parametrize("case", PUBLISHED, ids=lambda c: f"{c['height']}x{c['width']}-{c['seed']}")
def test_agrees_with_the_published_definition(case):
    image = deterministic.image(case["height"], case["width"], case["seed"])
    true = torch.from_numpy(image[..., 2] > 150)
    shift = [(1, 0), (2, 2), (3, 4)][case["seed"]]
    assert f"roll(image[...,2], {shift}) > 140" == case["prediction"]
    pred = torch.from_numpy(np.roll(image[..., 2], shift, (0, 1)) > 140)
    assert iou(pred, true).item() == pytest.approx(case["iou"], abs=1e-6)
    assert boundary_iou(pred, true).item() == pytest.approx(case["boundary_iou"], abs=1e-6)


def test_boundary_is_what_repeated_small_erosions_leave():
    mask = torch.from_numpy(np.random.default_rng(0).random((60, 80)) > 0.02)
    inner = mask.numpy()
    for _ in range(band_width(60, 80)):
        padded = np.pad(inner, 1)
        inner = np.min([padded[y : y + 60, x : x + 80] for y in range(3) for x in range(3)], 0)
    assert torch.equal(boundary(mask), mask & ~torch.from_numpy(inner))


@pytest.mark.parametrize("metric", [iou, boundary_iou])
def test_empty_masks_have_a_value(metric):
    none, some = torch.zeros(8, 8, dtype=torch.bool), torch.ones(8, 8, dtype=torch.bool)
    assert metric(torch.stack([none, none, some]), torch.stack([none, some, some])).tolist() == [1, 0, 1]


def test_refuses_logits_and_other_sizes():
    mask = torch.zeros(4, 4, dtype=torch.bool)
    with pytest.raises(ImageError, match="bool predicted"):
        iou(mask.float(), mask)
    with pytest.raises(ImageError, match=r"\(4, 4\) and \(4, 5\)"):
        boundary_iou(mask, torch.zeros(4, 5, dtype=torch.bool))


@pytest.mark.parametrize("metric", [iou, boundary_iou])
def test_arrays_give_arrays_and_tensors_tensors(metric):
    pred, true = (np.random.default_rng(seed).random((2, 3, 20, 30)) > 0.4 for seed in (0, 1))
    as_tensors = metric(torch.from_numpy(pred), torch.from_numpy(true))
    as_arrays = metric(pred, true)
    assert isinstance(as_arrays, np.ndarray)
    assert as_arrays.shape == (2, 3)
    np.testing.assert_array_equal(as_arrays, as_tensors.numpy())
    assert torch.equal(metric(pred, torch.from_numpy(true)), as_tensors)
    assert torch.equal(metric(torch.from_numpy(pred), true), as_tensors)
    assert metric(np.asfortranarray(pred), true[..., ::-1]).shape == (2, 3)


def test_a_boundary_is_of_the_masks_kind():
    mask = np.random.default_rng(0).random((20, 30)) > 0.1
    np.testing.assert_array_equal(boundary(mask), boundary(torch.from_numpy(mask)).numpy())


@pytest.mark.parametrize("mask", [np.ones((4, 4)), np.ones((4, 4), np.uint8), np.ones(4, bool), "mask", None])
def test_what_is_no_mask_is_refused(mask):
    with pytest.raises(ImageError, match=r"bool|real numbers"):
        iou(mask, np.ones((4, 4), bool))
    with pytest.raises(ImageError, match=r"bool|real numbers"):
        boundary(mask)
