"""Every input has its result or its own error, however little memory there is."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samhq.batch.halving import Halving, is_out_of_memory


class Limited:
    """Doubles numbers, up to `most` at once; refuses negative ones."""

    def __init__(self, most: int) -> None:
        self.most, self.calls = most, []

    def __call__(self, numbers: Sequence[int]) -> list[int]:
        self.calls.append(len(numbers))
        if len(numbers) > self.most:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")
        if min(numbers) < 0:
            raise ValueError("negative")
        return [2 * number for number in numbers]


def test_the_number_is_halved_for_good() -> None:
    limited = Limited(3)
    halving = Halving(limited, 16, lambda error: False)
    assert halving(list(range(20))) == [2 * number for number in range(20)]
    assert limited.calls == [16, 8, 4, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2]
    assert halving.size == 2


def test_an_input_that_does_not_fit_alone_has_the_error() -> None:
    found = Halving(Limited(0), 4, lambda error: False)([1, 2])
    assert [is_out_of_memory(error) for error in found] == [True, True]


@given(st.lists(st.integers(-2, 9)), st.integers(0, 5), st.integers(1, 8))
def test_errors_stay_with_their_input(numbers: list[int], most: int, size: int) -> None:
    results = Halving(Limited(most), size, lambda error: False)(numbers)
    assert len(results) == len(numbers)
    for number, result in zip(numbers, results, strict=True):
        if most == 0:
            assert isinstance(result, RuntimeError)
        elif number < 0:
            assert isinstance(result, ValueError)
        else:
            assert result == 2 * number


def test_some_errors_end_it() -> None:
    def gone(_: Sequence[int]) -> list[int]:
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="gone"):
        Halving(gone, 2, lambda error: isinstance(error, OSError))([1, 2, 3])


def test_other_errors_are_not_of_memory() -> None:
    assert not is_out_of_memory(RuntimeError("shapes do not match"))
    assert is_out_of_memory(RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried 9 GB"))
