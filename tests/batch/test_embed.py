"""The work of `samhq embed` from Python."""

from __future__ import annotations

from pathlib import Path

from samhq.batch import EmbedWork, ModelSettings, items_of, run_job
from samhq.checkpoint.save import save_model
from samhq.inference.cache import EmbeddingCache
from samhq.inference.segment import load
from tests import tiny
from tests.cli.segmenting import drawn


def test_what_is_stored_is_found_again(tmp_path: Path) -> None:
    weights, picture = tmp_path / "model.safetensors", drawn(tmp_path / "a.png")
    save_model(tiny.shared(tiny.PLAIN), weights)
    work = EmbedWork(tmp_path / "kept", model=ModelSettings(str(weights), device="cpu"))
    said: list[str] = []
    for _ in range(2):
        run_job(items_of([picture]), work, None, tell=lambda report: said.append(report.said))
    assert said == ["encoded", "there already"]
    assert EmbeddingCache(tmp_path / "kept").get(load(str(weights), device="cpu"), picture) is not None
