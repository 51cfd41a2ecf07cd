"""A file of rows, with a JSON line for each picture, so that an interrupted run can continue.

Knows nothing about the meaning of rows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from samhq.errors import ConfigError
from samhq.evaluation.rows import Row
from samhq.storage.atomic import whole_file
from samhq.storage.documents import parse_json, read_text
from samhq.storage.schema import COUNT, NAME, WORDS, Fields, Items

FILENAME = "rows.jsonl"
_LINE = Fields(
    {},
    {"settings": Fields(), "picture": NAME, "rows": Items(Fields()), "empty": COUNT, "crowds": COUNT, "stamp": WORDS},
)


@dataclass(frozen=True)
class Scored:
    """A picture's rows, and the numbers of its objects that were left out: without pixels, and crowds.

    `stamp` is the source's stamp when the picture was read, see `samhq.datasets.sample.Stamped`.
    """

    picture: str
    rows: tuple[Row, ...]
    empty: int = 0
    crowds: int = 0
    stamp: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The record as JSON values."""
        rows = [row.to_json() for row in self.rows]
        about = {"picture": self.picture, "stamp": self.stamp, "empty": self.empty, "crowds": self.crowds}
        return about | {"rows": rows}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Scored:
        """The record that `to_json` wrote."""
        rows = tuple(Row.from_json(row) for row in record["rows"])
        return cls(record["picture"], rows, record["empty"], record["crowds"], record.get("stamp"))


class Journal:
    """The records of pictures by name. A new record is on the disk before the next picture begins."""

    def __init__(self, stream: IO[str] | None, known: dict[str, Scored]) -> None:
        self.stream, self.known = stream, known

    @classmethod
    def none(cls) -> Journal:
        """A journal that keeps nothing."""
        return cls(None, {})

    @classmethod
    def open(cls, folder: Path, settings: Mapping[str, Any], resume: bool) -> Journal:
        """The journal of a folder; with `resume` it has the records of an earlier run with the same settings.

        An incomplete last line of a killed run is dropped.

        Raises:
            ConfigError: the folder holds rows and `resume` is not set, or they were made with other settings, or the
                file is not a journal.
            OSError: the folder cannot be made or written.
        """
        path = folder / FILENAME
        lines = _whole_lines(path) if path.exists() else []
        if len(lines) > 1 and not resume:
            raise ConfigError(
                f"Expected a folder without rows, got {folder} with those of an earlier run. Say resume=True "
                f"(--resume) to go on with it, name another folder, or delete {path} to begin anew."
            )
        lines = lines if resume else []
        known = _known(lines, settings, path)
        with whole_file(path) as part:
            part.write_text("\n".join(lines or [json.dumps({"settings": settings})]) + "\n", encoding="utf-8")
        return cls(path.open("a", encoding="utf-8"), known)

    def add(self, scored: Scored) -> None:
        """Keeps a picture's rows."""
        if self.stream is not None:
            self.stream.write(json.dumps(scored.to_json()) + "\n")
            self.stream.flush()

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.stream is not None:
            self.stream.close()


def _whole_lines(path: Path) -> list[str]:
    advice = "Name another folder, or delete it to begin anew."
    return read_text(path, "rows of an earlier run", ConfigError, advice).split("\n")[:-1]


def _known(lines: Sequence[str], settings: Mapping[str, Any], path: Path) -> dict[str, Scored]:
    settings = json.loads(json.dumps(settings))
    advice = "Name another folder."
    what = f"rows of an earlier run in {path}"
    records = [parse_json(line, what, _LINE, ConfigError, advice) for line in lines]
    try:
        was = records[0]["settings"] if records else settings
        known = {record["picture"]: Scored.from_json(record) for record in records[1:]}
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ConfigError(f"Expected {what}, got something else ({str(error)[:200]}). {advice}") from error
    other = sorted(key for key, value in settings.items() if was.get(key) != value)
    if other:
        raise ConfigError(
            f"Expected {path} to go on with, of the same settings, got one with another {', '.join(other)}. Name "
            "another folder, or delete it to begin anew."
        )
    return known
