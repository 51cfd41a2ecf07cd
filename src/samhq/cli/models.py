"""`samhq models`: the published models, where they come from, and which are on this machine already."""

from __future__ import annotations

from collections.abc import Sequence

from samhq.config import MODELS


def models() -> int:
    """List the models that `--model` knows by name: family, size, where from, and whether on this machine.

    Files, folders and other hub ids work as well. Without --model the starter is used, which comes with the package.
    """
    from samhq.checkpoint.hub import catalogue

    rows = [("name", "family", "size", "on this machine", "from"), starter_row()]
    for entry in catalogue():
        row = entry.published
        here = "no" if entry.path is None else "yes"
        rows.append((row.name, MODELS[row.name].family, megabytes(row.size), here, f"{row.repo}/{row.filename}"))
    print("\n".join(table(rows)))
    return 0


def starter_row() -> tuple[str, ...]:
    """The line of the model that comes with the package."""
    from samhq.checkpoint.starter import STARTER, starter_path
    from samhq.errors import CheckpointError

    try:
        path = starter_path()
    except CheckpointError:
        return (STARTER, MODELS[STARTER].family, "-", "no", "not in this installation")
    return (STARTER, MODELS[STARTER].family, megabytes(path.stat().st_size), "yes", "this package, the default")


def megabytes(size: int) -> str:
    """Bytes as people say them.

    >>> megabytes(42_526_881)
    '43 MB'
    """
    return f"{max(1, round(size / 1e6))} MB"


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines with columns below each other.

    >>> table([("a", "bc"), ("def", "g")])
    ['a    bc', 'def  g']
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
