from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from samhq.compat.sam2.arrays import check_labels, numbers
from samhq.compat.sam2.refusals import RefusedPromptError


@pytest.mark.parametrize(
    "value",
    [
        [[1, 2]],
        ((1.0, 2.0),),
        np.array([[1, 2]], np.uint8),
        torch.tensor([[1.0, 2.0]], dtype=torch.bfloat16, requires_grad=True),
        [torch.tensor(1), np.float32(2)],
    ],
)
def test_anything_with_numbers_becomes_a_tensor(value: Any) -> None:
    found = numbers(value, "points")
    assert found.dtype == torch.float64
    assert not found.requires_grad
    assert found.flatten().tolist() == [1, 2]


@pytest.mark.parametrize("value", ["here", [[1, 2], [3]], [[1, None]], {"x": 1}, [np.inf], torch.tensor(torch.nan)])
def test_anything_else_is_refused(value: Any) -> None:
    with pytest.raises(RefusedPromptError, match="Expected points as"):
        numbers(value, "points")


def test_unknown_labels_are_refused() -> None:
    check_labels(torch.tensor([-1, 0, 1, 2, 3]))
    check_labels(torch.zeros(0))
    with pytest.raises(RefusedPromptError, match="got 4"):
        check_labels(torch.tensor([[1.0, 4.0]]))
