"""Values of options: what passes as a plain Python value, and what is refused in a sentence."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
import pytest

from samhq.errors import ConfigError
from samhq.options import one_of, real_number, whole_number, yes_or_no


@pytest.mark.parametrize("value", [3, np.int64(3), np.uint8(3)])
def test_whole_numbers_become_python_ints(value: Any) -> None:
    assert type(whole_number("n", value, 0)) is int


@pytest.mark.parametrize("value", [True, np.True_, 3.0, 2.5, "3", None, [3], math.nan, -1, 11])
def test_what_is_no_whole_number_in_range_is_refused(value: Any) -> None:
    with pytest.raises(ConfigError, match=r"Expected n as a whole number from 0 up to 10, got "):
        whole_number("n", value, 0, 10)


@pytest.mark.parametrize(("value", "kind"), [(1, int), (0.5, float), (np.float32(0.5), float), (np.int32(1), int)])
def test_numbers_become_pythons(value: Any, kind: type) -> None:
    assert type(real_number("x", value, 0, 1)) is kind


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -0.1, 1.1, "0.5", True, None, [0.5, 0.5], 10**400])
def test_what_is_no_finite_number_in_range_is_refused(value: Any) -> None:
    with pytest.raises(ConfigError, match=r"Expected x as a number from 0 up to 1, got "):
        real_number("x", value, 0, 1)


def test_a_border_can_be_left_out() -> None:
    with pytest.raises(ConfigError, match="above 0"):
        real_number("x", 0, 0, above=True)
    with pytest.raises(ConfigError, match="up to below 1"):
        real_number("x", 1.0, 0, 1, below=True)


def test_a_number_as_yaml_reads_it_is_explained() -> None:
    with pytest.raises(ConfigError, match=r"'1e-4' \(text; YAML reads 1e-4 as text and 1.0e-4 as a number\)"):
        real_number("learning_rate", "1e-4", 0)


@pytest.mark.parametrize(("value", "meant"), [(True, True), (np.False_, False), (1, True), (0, False)])
def test_yes_and_no(value: Any, meant: bool) -> None:
    assert yes_or_no("multimask", value) is meant


@pytest.mark.parametrize("value", ["False", "yes", 2, 1.0, None, []])
def test_what_is_neither_yes_nor_no_is_refused(value: Any) -> None:
    with pytest.raises(ConfigError, match="Expected multimask as True or False, got "):
        yes_or_no("multimask", value)


@pytest.mark.parametrize("value", ["on", 3, None, ["add"]])
def test_a_word_that_there_is_not_is_refused(value: Any) -> None:
    with pytest.raises(ConfigError, match="Known: add, off"):
        one_of("hq", value, Literal["add", "off"])
    assert one_of("hq", "off", Literal["add", "off"]) == "off"
