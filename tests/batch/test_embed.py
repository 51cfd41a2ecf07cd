"""The work of `samhq embed` from Python."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from samhq.batch import EmbedWork, ModelSettings, items_of, run_job
from samhq.checkpoint.save import save_model
from samhq.image import files, read
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
        run_job(items_of([picture]), work, None, tell=lambda report: said.append(report.summary))
    assert said == ["encoded", "there already"]
    assert EmbeddingCache(tmp_path / "kept").get(load(str(weights), device="cpu"), picture) is not None


def test_stored_pictures_are_not_decoded_ahead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = tmp_path / "model.safetensors"
    pictures = [drawn(tmp_path / f"{name}.png", 40 + number) for number, name in enumerate("abcd")]
    save_model(tiny.shared(tiny.PLAIN), weights)
    work = EmbedWork(tmp_path / "kept", model=ModelSettings(str(weights), device="cpu"))
    said: list[str] = []
    run_job(items_of(pictures[:2]), work, None, tell=lambda report: said.append(report.summary))
    decoded: list[str] = []

    def noting(file: Any, name: str) -> Any:
        decoded.append(Path(file).name)
        return files.decoded(file, name)

    monkeypatch.setattr(read, "decoded", noting)
    run_job(items_of(pictures), work, None, tell=lambda report: said.append(report.summary))
    assert said == ["encoded", "encoded", "there already", "there already", "encoded", "encoded"]
    assert sorted(decoded) == ["c.png", "d.png"]
