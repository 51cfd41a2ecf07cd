"""Shards: whole or refused, and the same bytes for the same rows."""

from __future__ import annotations

import io

import pytest

from samhq.batch.shards import Footer, packed, read_footer, revisions_of, shard_name, unpacked

INSTANCE = {"counts": b"01", "bbox": [1.0, 2.0, 3.0, 4.0], "area": 12, "iou": 0.5}
ROWS = [
    {"id": "a", "uri": "a.png", "status": "ok", "height": 4, "width": 5, "instances": [INSTANCE]},
    {"id": "b", "uri": "b.png", "status": "error", "error_type": "ImageError", "error_msg": "no", "instances": []},
]


def test_rows_come_back() -> None:
    first, second = unpacked(packed(ROWS, "f"))
    assert (first["id"], first["height"], first["instances"][0]["counts"]) == ("a", 4, b"01")
    assert first["instances"][0]["bbox"] == [1, 2, 3, 4]
    assert first["instances"][0]["label"] is None
    assert (second["status"], second["error_msg"], second["width"]) == ("error", "no", None)
    assert packed(ROWS, "f") == packed(ROWS, "f")


def test_the_footer_counts() -> None:
    empty = {"id": "c", "uri": "c.png", "status": "empty", "height": 1, "width": 1, "instances": []}
    assert read_footer(io.BytesIO(packed([*ROWS, empty], "f"))) == Footer("f", 3, 1, 1)


@pytest.mark.parametrize("cut", [0, 3, 50, -1])
def test_a_file_that_is_cut_short_has_no_footer(cut: int) -> None:
    assert read_footer(io.BytesIO(packed(ROWS, "f")[:cut])) is None


def test_a_foreign_parquet_file_has_no_footer() -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    stream = io.BytesIO()
    pq.write_table(pa.table({"id": ["a"]}), stream)
    assert read_footer(stream) is None


def test_names_sort_by_number_and_say_their_revision() -> None:
    names = [shard_name(10), shard_name(9, 2), shard_name(9), shard_name(123456)]
    assert sorted(names[:3]) == ["shard-00009.parquet", "shard-00009.r2.parquet", "shard-00010.parquet"]
    assert revisions_of([*names, "_SUCCESS", "shard-1.parquet"]) == {9: [0, 2], 10: [0], 123456: [0]}
