"""The benchmark of the engines: it runs, and its table says what was measured."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import batch


def test_a_small_run_fills_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- engines: begin -->\nold\n<!-- engines: end -->\nafter\n")
    monkeypatch.setattr(batch, "PAGE", page)
    sizes = ["--pictures", "4", "--segmented", "1", "--shard-size", "2", "--rounds", "1"]
    batch.main([*sizes, "--engines", "local, this process", "--json", str(tmp_path / "b.json"), "--page"])
    record = json.loads((tmp_path / "b.json").read_text())
    assert list(record["rows"]) == ["bare loop", "local, this process"]
    figures = [row[name] for row in record["rows"].values() for name in batch.QUESTIONS]
    assert all(found["cpu_ms"] > 0 and found["rate"] > 0 for found in figures)
    assert batch.table(record) in page.read_text()
    more = ["--engines", "--questions", "by a box", "--add", "--json", str(tmp_path / "b.json")]
    batch.main([*sizes, *more])
    assert json.loads((tmp_path / "b.json").read_text())["rows"].keys() == record["rows"].keys()


def test_overhead_is_the_difference_to_the_bare_loop() -> None:
    without = {"start_s": 1.0, "without work": {"cpu_ms": 4.0, "rate": 9.0}}
    ray = {"start_s": 2.0, "without work": {"cpu_ms": 6.5, "rate": 9.0}, "by a box": {"cpu_ms": 300.0, "rate": 3.0}}
    about = {"cpus": 2, "processor": "A Processor", "load": 0.1}
    counts = {"without work": 8, "by a box": 2}
    record = {"machine": about, "counts": counts, "shard_size": 4, "rows": {"bare loop": without, "Ray, 1 actor": ray}}
    assert "| bare loop | 1.0 s | 4.0 ms |  |  |  |" in batch.table(record)
    assert "| Ray, 1 actor | 2.0 s | 6.5 ms | +2.5 ms | 300 ms | 3.00 pictures/s |" in batch.table(record)
