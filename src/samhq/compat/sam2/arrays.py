"""The numbers of prompts as tensors, checked: lists, NumPy arrays, or tensors on any device and of any type."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from samhq.compat.sam2.refusals import RefusedPromptError
from samhq.config import BOTTOM_RIGHT, TOP_LEFT
from samhq.types import NOT_A_POINT

#: The labels that a point may have: not a point, off the object, on it, and the corners of a box.
LABELS = (NOT_A_POINT, 0, 1, TOP_LEFT, BOTTOM_RIGHT)


def numbers(value: Any, name: str) -> Tensor:
    """The values as float64 on the CPU, in their own shape.

    >>> numbers([[1, 2]], "points").tolist()
    [[1.0, 2.0]]

    Raises:
        RefusedPromptError: no numbers, or not all of them finite; `name` is the argument's name.
    """
    if isinstance(value, Tensor):
        values = value.detach().cpu().double()  # MPS has no float64.
    else:
        try:
            values = torch.from_numpy(np.array(value, np.float64))
        except (TypeError, ValueError) as error:
            raise RefusedPromptError(f"Expected {name} as numbers, got {value!r:.60}. Give an array.") from error
    if not bool(values.isfinite().all()):
        raise RefusedPromptError(f"Expected {name} as finite numbers, got NaN or infinity. Leave these out.")
    return values


def check_labels(labels: Tensor) -> None:
    """Checks that all labels are known.

    Raises:
        RefusedPromptError: another label.
    """
    unknown = labels[~torch.isin(labels, labels.new_tensor(LABELS))]
    if len(unknown):
        raise RefusedPromptError(
            "Expected labels 1 on and 0 off the object, 2 and 3 for a box's corners, or -1 for no point, got "
            f"{unknown[0].item():g}. Change the label."
        )
