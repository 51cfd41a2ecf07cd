"""Counts and nouns agree."""

from __future__ import annotations

import pytest

from samhq.plural import plural


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((0, "mask"), "0 masks"),
        ((1, "mask"), "1 mask"),
        ((2, "mask"), "2 masks"),
        ((2, "class", "classes"), "2 classes"),
    ],
)
def test_a_count_and_its_noun_agree(words: tuple[int, str], said: str) -> None:
    assert plural(*words) == said
