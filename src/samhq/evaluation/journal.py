"""A file of rows, with a JSON line for each picture, so that an interrupted run can continue.

Knows nothing about the meaning of rows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from samhq.errors import ConfigError
from samhq.evaluation.rows import Row
from samhq.storage.json_lines import JsonLines
from samhq.storage.schema import COUNT, NAME, WORDS, Fields, Items

FILENAME = "rows.jsonl"
_ADVICE = "Name another folder, or delete the file to start again."
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
        return {
            "picture": self.picture,
            "stamp": self.stamp,
            "empty": self.empty,
            "crowds": self.crowds,
            "rows": [row.to_json() for row in self.rows],
        }

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Scored:
        """The record that `to_json` wrote."""
        rows = tuple(Row.from_json(row) for row in record["rows"])
        return cls(record["picture"], rows, record["empty"], record["crowds"], record.get("stamp"))


class Journal:
    """The records of pictures by name. A new record is in the file before the next picture begins."""

    def __init__(self, lines: JsonLines | None, known: dict[str, Scored]) -> None:
        self.lines, self.known = lines, known

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
        lines = JsonLines(folder / FILENAME, _LINE, "rows of an earlier run", ConfigError, _ADVICE)
        if not resume and len(lines) > 1:
            raise ConfigError(
                f"Expected a folder without rows, got {folder} with those of an earlier run. Give resume=True "
                f"(--resume) to continue it, name another folder, or delete {lines.path} to start again."
            )
        settings = json.loads(json.dumps(settings))  # As the file holds them: tuples become lists.
        header, *records = (lines if resume else ()) or [{"settings": settings}]
        known = _known(header, records, settings, lines.path)
        lines.replace([header, *records])
        return cls(lines, known)

    def add(self, scored: Scored) -> None:
        """Keeps a picture's rows."""
        if self.lines is not None:
            self.lines.append(scored.to_json())


def _known(
    header: Mapping[str, Any], records: Sequence[Mapping[str, Any]], settings: Mapping[str, Any], path: Path
) -> dict[str, Scored]:
    try:
        earlier = header["settings"]
        known = {record["picture"]: Scored.from_json(record) for record in records}
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ConfigError(
            f"Expected rows of an earlier run in {path}, got something else ({str(error)[:200]}). {_ADVICE}"
        ) from error
    changed = sorted(key for key, value in settings.items() if earlier.get(key) != value)
    if changed:
        raise ConfigError(
            f"Expected rows of the same settings in {path}, got those of another {', '.join(changed)}. {_ADVICE}"
        )
    return known
