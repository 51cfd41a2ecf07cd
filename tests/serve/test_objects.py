"""Masks of objects checked, and pixels taken from each other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from samhq.masks import rle
from samhq.serve.faults import Fault
from samhq.serve.messages import Mask
from samhq.serve.objects import code_of_sent_mask, mask_columns, without

SIZE = (6, 9)
masks = arrays(bool, SIZE)


@given(masks, st.lists(masks, max_size=3))
def test_without_is_a_difference_of_sets(mask: np.ndarray, others: list[np.ndarray]) -> None:
    rows = [mask_columns(rle.encode(one)) for one in others if one.any()]
    if not mask.any():
        return
    left = without(mask_columns(rle.encode(mask)), rows, SIZE)
    expected = mask & ~np.any([np.zeros(SIZE, bool), *others], axis=0)
    assert np.array_equal(mask if left is None else rle.decode(left), expected)


@pytest.mark.parametrize(
    "mask",
    [
        Mask(size=(6, 8), counts=rle.encode(np.ones((6, 8), bool))["counts"]),
        Mask(size=SIZE, counts=rle.encode(np.zeros(SIZE, bool))["counts"]),
        Mask(size=SIZE, counts="no RLE"),
        Mask(size=SIZE, counts="é"),
        Mask(size=SIZE, counts=""),
    ],
)
def test_masks_that_cannot_be_are_refused(mask: Mask) -> None:
    with pytest.raises(Fault) as raised:
        code_of_sent_mask(mask, SIZE)
    assert raised.value.status_code == 422
