"""Runs the notebooks from their sources and writes them with their outputs: `make notebooks`, or with names for some.

Each runs in an empty folder, in a kernel of its own.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).parent
SOURCES = tuple(sorted(path for path in HERE.glob("*.py") if path != Path(__file__)))


def unrun(source: Path) -> nbformat.NotebookNode:
    """The notebook of a source, without outputs; its cells are numbered, so that running again changes outputs alone."""
    notebook = jupytext.read(source)
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"
        cell.metadata = {}
    return notebook


def run(source: Path, folder: Path) -> nbformat.NotebookNode:
    """The notebook with its outputs, run in the folder.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell failed.
    """
    notebook = unrun(source)
    NotebookClient(notebook, timeout=1200, resources={"metadata": {"path": str(folder)}}).execute()
    for cell in notebook.cells:
        cell.metadata = {}
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    return notebook


def main(names: list[str]) -> None:
    """Runs the named notebooks, or all of them."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    for source in SOURCES:
        if names and source.stem not in names:
            continue
        start = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            notebook = run(source, Path(folder))
        target = source.with_suffix(".ipynb")
        nbformat.write(notebook, target)
        print(f"{target.name}: {time.perf_counter() - start:.0f} s, {target.stat().st_size / 1e3:.0f} kB", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
