"""`samhq models`: the published models, their sources, and which of them are on this machine."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from samhq.config import MODELS

if TYPE_CHECKING:
    from samhq.checkpoint.hub import Entry


def models(*, as_json: Annotated[bool, Parameter(name="--json", negative="")] = False) -> int:
    """List the models that `--model` knows by name: family, size, source, and whether they are on this machine.

    `--model` also takes files, folders and other hub ids. Without it the starter is
    used, which comes with the package.

    Parameters:
        as_json: Print JSON instead of a table.
    """
    from samhq.checkpoint.hub import catalogue

    if as_json:
        print(json.dumps([starter_record(), *map(model_record, catalogue())], indent=1))
        return 0
    rows = [("name", "family", "size", "on this machine", "from"), starter_row()]
    for entry in catalogue():
        row = entry.published
        present = "no" if entry.path is None else "yes"
        rows.append((row.name, MODELS[row.name].family, megabytes(row.size), present, f"{row.repo}/{row.filename}"))
    print("\n".join(aligned(rows)))
    return 0


def model_record(entry: Entry) -> dict[str, Any]:
    """A published model as JSON values; `path` is null if it is not on this machine."""
    row = entry.published
    path = None if entry.path is None else str(entry.path)
    record = {"name": row.name, "family": MODELS[row.name].family, "bytes": row.size, "path": path}
    return record | {"repository": row.repo, "file": row.filename}


def starter_record() -> dict[str, Any]:
    """The model that comes with the package as JSON values."""
    from samhq.checkpoint.starter import STARTER, starter_path
    from samhq.errors import CheckpointError

    record: dict[str, Any] = {"name": STARTER, "family": MODELS[STARTER].family, "bytes": None, "path": None}
    try:
        path = starter_path()
    except CheckpointError:
        return record
    return record | {"bytes": path.stat().st_size, "path": str(path)}


def starter_row() -> tuple[str, ...]:
    """The table row of the model that comes with the package."""
    from samhq.checkpoint.starter import STARTER, starter_path
    from samhq.errors import CheckpointError

    try:
        path = starter_path()
    except CheckpointError:
        return (STARTER, MODELS[STARTER].family, "-", "no", "not in this installation")
    return (STARTER, MODELS[STARTER].family, megabytes(path.stat().st_size), "yes", "this package, the default")


def megabytes(size: int) -> str:
    """A number of bytes in megabytes, as text.

    >>> megabytes(42_526_881)
    '43 MB'
    """
    return f"{max(1, round(size / 1e6))} MB"


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """The rows as lines of text with aligned columns.

    >>> aligned([("a", "bc"), ("def", "g")])
    ['a    bc', 'def  g']
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
