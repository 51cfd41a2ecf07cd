from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from samhq.evaluation.metrics import boundary_iou, iou
from samhq.evaluation.rows import Row, score, size_of

Few = arrays(bool, (60, 80), elements=st.booleans(), fill=st.just(False))
Many = arrays(bool, (60, 80), elements=st.booleans(), fill=st.just(True))


@given(Few | Many, Few | Many)
def test_scores_on_the_part_are_those_on_the_picture(pred: np.ndarray, true: np.ndarray) -> None:
    found = score(pred, true)
    assert found.iou == iou(torch.from_numpy(pred), torch.from_numpy(true)).item()
    assert found.boundary_iou == boundary_iou(torch.from_numpy(pred), torch.from_numpy(true)).item()


def test_empty_and_single_pixels() -> None:
    none, pixel = np.zeros((5, 7), bool), np.zeros((5, 7), bool)
    pixel[4, 6] = True
    assert [(score(a, b).iou, score(a, b).boundary_iou) for a in (none, pixel) for b in (none, pixel)] == [
        (1, 1),
        (0, 0),
        (0, 0),
        (1, 1),
    ]
    assert score(none, none).thin is None


@pytest.mark.parametrize(("area", "size"), [(1, "small"), (32 * 32, "medium"), (96 * 96 - 1, "medium"), (1e6, "large")])
def test_sizes(area: float, size: str) -> None:
    assert size_of(area) == size


def test_rows_survive_json() -> None:
    row = Row("a", 3, "cat", "clicks", "add", 12, 0.5, 0.25, None, None, (0.1, 0.5))
    assert Row.from_json(row.to_json()) == row
