"""Shards: whole or refused, and the same bytes for the same rows."""

from __future__ import annotations

import pytest

from samhq.batch.shards import is_whole, packed, shard_name, unpacked

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


def test_only_a_whole_file_of_the_job_counts() -> None:
    content = packed(ROWS, "f")
    assert is_whole(content, "f", 2)
    assert not is_whole(content, "g", 2)
    assert not is_whole(content, "f", 3)
    assert not is_whole(None, "f", 2)


@pytest.mark.parametrize("cut", [0, 3, 50, -1])
def test_a_torn_file_does_not_count(cut: int) -> None:
    assert not is_whole(packed(ROWS, "f")[:cut], "f", 2)


def test_names_sort_by_number() -> None:
    assert sorted([shard_name(10), shard_name(9)]) == ["shard-00009.parquet", "shard-00010.parquet"]
