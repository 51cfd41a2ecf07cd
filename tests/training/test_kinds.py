from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samhq.errors import ConfigError
from samhq.training.kinds import parse_kinds


@given(st.dictionaries(st.sampled_from(["box", "point", "points", "mask"]), st.floats(0.01, 100), min_size=1))
def test_shares_have_the_proportions_of_the_weights_and_add_up_to_one(weights: dict[str, float]) -> None:
    shares = parse_kinds(",".join(f"{kind}:{weight}" for kind, weight in weights.items()))
    assert sum(shares.values()) == pytest.approx(1)
    total = sum(weights.values())
    assert shares == pytest.approx({kind: weight / total for kind, weight in weights.items()})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "weights above 0"),
        ("box:0", "weights above 0"),
        ("box:inf", "weights above 0"),
        ("box:nan", "weights above 0"),
        ("box:two", "KIND:WEIGHT"),
        ("boxes", "Did you mean 'box'"),
    ],
)
def test_other_text_is_refused(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        parse_kinds(text)
