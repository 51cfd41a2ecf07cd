"""A value fits its schema, or the message says where, what was expected and what came."""

from __future__ import annotations

from typing import Any

import pytest

from samhq.storage.schema import (
    ANY,
    BOX,
    COUNT,
    FLAG,
    ID,
    NAME,
    NUMBER,
    RLE,
    TEXT,
    WHOLE,
    WORDS,
    Either,
    Fields,
    Items,
    Mismatch,
    Named,
    Null,
    Number,
    Schema,
    shown,
)

RECORD = Fields({"boxes": Items(Fields({"bbox": BOX}))}, {"score": NUMBER})


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (ANY, object()),
        (TEXT, "é"),
        (WORDS, ""),
        (NAME, "\udcff"),
        (NUMBER, -1.5),
        (WHOLE, 3.0),
        (COUNT, 0),
        (FLAG, 1),
        (BOX, [0, 1, 2.5, 3]),
        (RLE, {"size": [2, 3], "counts": "abc"}),
        (RLE, {"size": [2, 3], "counts": [6]}),
        (ID, "x"),
        (Items(COUNT, least=1), [1]),
        (Named(NUMBER), {"a": 1, "b": 2.5}),
        (Either((Null(), TEXT)), None),
        (RECORD, {"boxes": [{"bbox": [0, 0, 1, 1], "more": 1}], "score": None, "own": "free"}),
    ],
)
def test_values_that_fit(schema: Schema, value: Any) -> None:
    assert schema.check(value) is None


@pytest.mark.parametrize(
    ("schema", "value", "message"),
    [
        (TEXT, "", "the document as text, got ''"),
        (TEXT, "a\0", "text"),
        (TEXT, "\ud800", "text"),
        (NUMBER, float("nan"), "a finite number, got nan"),
        (NUMBER, 10**30, "more than 18 digits"),
        (NUMBER, True, "got true"),
        (WHOLE, 3.5, "a whole number, got 3.5"),
        (COUNT, -1, "at least 0, got -1"),
        (FLAG, 2, "true or false"),
        (BOX, [1, 2, 3], "a list of 4, each a number of pixels, got a list of 3"),
        (BOX, [1, 2, 3, 1e30], r"\[3\] as a number of pixels"),
        (Items(COUNT, least=1), [], "at least 1"),
        (Named(NUMBER), {"a": "x"}, "a as a finite number, got 'x'"),
        (Null(), 0, "null, got 0"),
        (ID, [1], "a whole number or text, got a list of 1"),
        (RECORD, {"boxes": [{}]}, r"boxes\[0\] as an object with bbox, got one without 'bbox'"),
        (RECORD, {"boxes": [{"bbox": [0, 0, 1, None]}]}, r"boxes\[0\]\.bbox\[3\] as a number of pixels, got null"),
        (RECORD, {"boxes": [], "score": "high"}, "score as a finite number, got 'high'"),
        (RECORD, [], "an object with boxes, got a list of 0"),
        (Either((Null(), RECORD)), {"boxes": 1}, "boxes as a list"),
    ],
)
def test_values_that_do_not_fit(schema: Schema, value: Any, message: str) -> None:
    with pytest.raises(Mismatch, match=message):
        schema.check(value)


def test_a_message_stays_short_whatever_came() -> None:
    deep: Any = []
    for _ in range(10_000):
        deep = [deep]
    for value in ("x" * 10**6, {str(n) * 100: n for n in range(1000)}, deep, 10**5000, [None] * 10**6):
        assert len(shown(value)) < 200


def test_limits_are_written_out() -> None:
    """1..2.14748e+09 is hard to read, and is another number."""
    assert Number(1, 2**31 - 1, whole=True).words == "a whole number 1..2147483647"
    assert Number(0.5).words == "a finite number of at least 0.5"
