"""An index into a result means the rows that NumPy would take."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from samhq.errors import SamHQError
from samhq.results.rows import chosen_rows


@given(st.integers(1, 6).flatmap(lambda count: st.tuples(st.just(count), st.lists(st.integers(-count, count - 1)))))
def test_numbers_mean_the_rows_that_numpy_takes(case: tuple[int, list[int]]) -> None:
    count, numbers = case
    rows = np.arange(count) * 10
    assert rows[chosen_rows(numbers, count)].tolist() == [rows[number] for number in numbers]
    for number in numbers:
        assert rows[chosen_rows(number, count)].tolist() == [rows[number]]


@pytest.mark.parametrize("make", [list, np.array, torch.tensor])
def test_bools_keep_their_rows(make: Any) -> None:
    assert np.arange(3)[chosen_rows(make([True, False, True]), 3)].tolist() == [0, 2]
    for kept in (True, False):
        assert np.arange(1)[chosen_rows(make([kept]), 1)].tolist() == [0] * kept


@pytest.mark.parametrize("index", [3, -4, [0, 3], [True, False], np.ones(4, bool), np.zeros(0, bool)])
def test_rows_that_do_not_exist(index: Any) -> None:
    with pytest.raises(IndexError):
        chosen_rows(index, 3)


@pytest.mark.parametrize("index", ["masks", (0, 1, [2]), None, 1.5, [1.5], np.zeros((2, 2), int), {}, True])
def test_something_else_is_a_sentence(index: Any) -> None:
    with pytest.raises(TypeError, match="Expected a row's number") as caught:
        chosen_rows(index, 3)
    assert isinstance(caught.value, SamHQError)
    if isinstance(index, str):
        assert "write result.masks" in str(caught.value)
