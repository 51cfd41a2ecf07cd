"""Stability, crop edges and box suppression, against their definitions written out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from samhq.results.filters import near_crop_edge, nms, stability_score


@settings(deadline=None)
@given(st.integers(0, 10**8), st.integers(1, 10**8))
def test_stability_is_the_quotient_in_float32(above: int, below: int) -> None:
    assert stability_score(above, below) == (torch.tensor(above).int() / torch.tensor(below).int()).item()


def test_an_empty_mask_is_not_stable() -> None:
    assert stability_score(0, 0) == 0.0


@pytest.mark.parametrize(
    ("box", "near"),
    [
        ((0, 0, 99, 99), True),  # reaches the crop's right edge, inside the picture
        ((0, 0, 79, 60), False),
        ((0, 0, 80, 60), True),
        ((0, 0, 30, 99), False),  # the crop's lower edge is the picture's too
        ((0, 50, 0, 50), False),
    ],
)
def test_masks_cut_off_by_their_crop(box: tuple[int, int, int, int], near: bool) -> None:
    assert near_crop_edge(np.array([box]), (0, 0, 100, 100), (100, 200)).tolist() == [near]


def test_the_whole_picture_has_no_crop_edges() -> None:
    boxes = np.array([[0, 0, 199, 99], [180, 0, 199, 99]])
    assert not near_crop_edge(boxes, (0, 0, 200, 100), (100, 200)).any()


def test_no_boxes() -> None:
    assert near_crop_edge(np.zeros((0, 4), np.int64), (0, 0, 1, 1), (1, 1)).shape == (0,)
    assert nms(np.zeros((0, 4)), np.zeros(0), 0.5).tolist() == []


def test_equal_scores_keep_their_order() -> None:
    apart = np.array([[i * 20, 0, i * 20 + 9, 9] for i in range(5)])
    assert nms(apart, np.ones(5), 0.5).tolist() == [0, 1, 2, 3, 4]
    same = np.repeat(apart[:1], 5, axis=0)
    assert nms(same, np.ones(5), 0.5).tolist() == [0]
    assert nms(same, np.ones(5), 1.0).tolist() == [0, 1, 2, 3, 4]


def test_boxes_without_area_suppress_nothing() -> None:
    assert nms(np.zeros((3, 4)), np.array([0.1, 0.3, 0.2]), 0.5).tolist() == [1, 2, 0]


CORNERS = st.integers(0, 12)
BOXES = st.lists(st.tuples(CORNERS, CORNERS, CORNERS, CORNERS, st.integers(0, 4)), max_size=12)


@settings(deadline=None, max_examples=200)
@given(BOXES, st.sampled_from([0.0, 0.25, 0.5, 0.7, 1.0]))
def test_suppression_one_pair_at_a_time(rows: list[tuple[int, ...]], threshold: float) -> None:
    boxes = np.array([(min(a, c), min(b, d), max(a, c), max(b, d)) for a, b, c, d, _ in rows]).reshape(-1, 4)
    scores = np.array([score / 4 for *_, score in rows])
    kept: list[int] = []
    for row in sorted(range(len(rows)), key=lambda r: (-scores[r], r)):
        if not any(iou(boxes[other], boxes[row]) > threshold for other in kept):
            kept.append(row)
    assert nms(boxes, scores, threshold).tolist() == kept


def iou(a: np.ndarray, b: np.ndarray) -> float:
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    shared = max(width, 0) * max(height, 0)
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared
    return float(np.float32(shared) / np.float32(union)) if union else 0.0
