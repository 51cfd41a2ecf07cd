"""Errors fit the `except` clauses of scripts for the published package, and samhq's own."""

from __future__ import annotations

import pytest

from samhq.compat.sam2 import refusals
from samhq.errors import SamHQError

ERRORS = [
    value for value in vars(refusals).values() if isinstance(value, type) and value.__module__ == refusals.__name__
]


@pytest.mark.parametrize("error", ERRORS)
def test_errors_are_samhqs_and_built_in_ones(error: type[Exception]) -> None:
    assert issubclass(error, SamHQError)
    built_in = [base for base in error.__mro__ if base.__module__ == "builtins"]
    assert {Exception, BaseException, object} < set(built_in)
    assert str(error("what to do")) == "what to do"


def test_a_prompt_before_a_picture_is_a_runtime_error() -> None:
    assert issubclass(refusals.NoImageError, RuntimeError)
    assert issubclass(refusals.RefusedPromptError, AssertionError)
