from __future__ import annotations

from typing import Any

from samhq.speed.report import rows, text, title


def party(name: str, dtype: str, seconds: float, **changes: Any) -> dict[str, Any]:
    spread = {"best": 0.9 * seconds, "low": seconds, "median": seconds, "high": 2 * seconds}
    return {
        "name": name, "dtype": dtype, "seconds": spread, "cpu_seconds": 3.0, "per_second": 2 / seconds,
        "page_faults": 1234, "model_mb": 400.0, "peak_mb": 50.4, "share": 0.5, **changes,
    }  # fmt: skip


RECORD: dict[str, Any] = {
    "case": "encode", "model": "sam_vit_b", "images": 2, "weights": "random", "rounds": 3, "gflop": 1870.9,
    "gemm_gflops": {"float32": 134.4, "bfloat16": 401.0}, "absent": {"segment_anything float32": "not installed"},
    "parties": [
        party("samhq", "float32", 10.0),
        party("samhq", "bfloat16", 4.0),
        party("transformers sdpa", "float32", 15.0, model_mb=None, peak_mb=None, share=None),
    ],
}  # fmt: skip


def test_ratios_say_how_many_times_ours_each_party_takes() -> None:
    head, *lines = rows(RECORD)
    assert head[-2:] == ("x samhq float32", "x samhq bfloat16")
    assert [line[-2:] for line in lines] == [("1.00", "2.50"), ("0.40", "1.00"), ("1.50", "3.75")]


def test_a_table_says_what_was_measured() -> None:
    rates = "GEMM 134 float32, 401 bfloat16 GFLOP/s"
    assert title(RECORD) == f"encode, sam_vit_b, 2 pictures: 1871 GFLOP needed, {rates}, random weights, 3 rounds"
    lines = text(RECORD).splitlines()
    assert len({len(line) for line in lines[1:5]}) == 1
    assert lines[2].split()[:4] == ["samhq", "float32", "9.00", "s"]
    assert lines[4].split()[-5:] == ["-", "-", "-", "1.50", "3.75"]
    assert lines[5] == "segment_anything float32: not installed"


def test_what_nobody_can_count_is_left_out() -> None:
    assert title({**RECORD, "gflop": None}) == "encode, sam_vit_b, 2 pictures: random weights, 3 rounds"
