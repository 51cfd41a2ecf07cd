"""The notebooks run, and what is kept of them is small, whole and made from their sources."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "notebooks"
SOURCES = sorted(path for path in FOLDER.glob("*.py") if path.stem != "run")
KILOBYTES = 3000  #: of all notebooks together


@pytest.fixture(scope="module")
def runner() -> ModuleType:
    for name in ("jupytext", "nbclient", "ipykernel"):
        pytest.importorskip(name)
    sys.path.insert(0, str(FOLDER))
    try:
        import run
    finally:
        sys.path.remove(str(FOLDER))
    return run


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_what_is_kept_was_made_from_the_source(source: Path, runner: ModuleType) -> None:
    import nbformat

    kept = nbformat.read(source.with_suffix(".ipynb"), as_version=4)
    expected = runner.unrun(source)
    assert [(cell.id, cell.cell_type, cell.source) for cell in kept.cells] == [
        (cell.id, cell.cell_type, cell.source) for cell in expected.cells
    ], f"run: make notebooks NOTEBOOKS={source.stem}"
    code = [cell for cell in kept.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell.outputs]
    assert all(output.output_type != "error" for output in outputs)
    assert any("image/jpeg" in output.get("data", {}) for output in outputs), "no picture"


def test_they_are_small_and_listed() -> None:
    kept = list(FOLDER.glob("*.ipynb"))
    assert sum(path.stat().st_size for path in kept) < KILOBYTES * 1000
    assert {path.stem for path in kept} == {path.stem for path in SOURCES}
    listed = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert [path.name for path in kept if f"]({path.name})" not in listed] == []


@pytest.mark.slow
@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_it_runs(source: Path, runner: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    done = runner.run(source, tmp_path)
    assert [cell.execution_count for cell in done.cells if cell.cell_type == "code"][-1] is not None
