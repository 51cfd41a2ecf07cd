"""The rows for SAM 2 say each name once, on both sides; that they fit real key lists is tested with `naming`."""

from __future__ import annotations

from samhq.checkpoint.naming_sam2 import HEADS, MATRIX, POINTS, POINTS_STACKED, TABLE


def test_rows_are_unique_on_both_sides() -> None:
    for side in (0, 1):
        names = [row[side] for row in (*TABLE, *HEADS)] + [(POINTS, POINTS_STACKED)[side]]
        assert len(names) == len(set(names))


def test_wildcards_stand_on_both_sides_of_a_row() -> None:
    for original, renamed in TABLE:
        assert original.count("*") == renamed.count("*")
        assert original.count("#") >= renamed.count("#") >= original.count("#") - 1
    assert MATRIX in dict(TABLE)
