"""The record of a job's finished pictures: one JSON line for each, only ever appended.

Knows nothing about pictures, models or the meaning of outputs; it knows whether files are unchanged.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from samhq.storage import digest
from samhq.storage.atomic import remove_abandoned
from samhq.storage.json_lines import JsonLines
from samhq.storage.locks import take
from samhq.storage.schema import ANY, COUNT, NAME, NUMBER, WORDS, Either, Fields, Items, Null, Text

FILENAME = "manifest.jsonl"
_SOURCE = {"size": COUNT, "mtime_ns": ANY, "sha256": WORDS}
_OUTPUT = {"file": NAME, "size": COUNT, "sha256": WORDS}
_LINE = Fields(
    {
        "input": NAME,
        "name": NAME,
        "source": Either((Null(), Fields(_SOURCE))),
        "options": WORDS,
        "outputs": Items(Fields(_OUTPUT)),
        "seconds": NUMBER,
        "error": Either((Null(), Text(empty=True, halves=True))),
    }
)


@dataclass(frozen=True)
class Source:
    """The content of an input file."""

    size: int
    mtime_ns: int
    sha256: str

    @staticmethod
    def of(path: Path) -> Source | None:
        """The present content of a file; None if it cannot be read."""
        try:
            stat = path.stat()
            return Source(stat.st_size, stat.st_mtime_ns, digest.of_file(path))
        except (OSError, ValueError):
            return None

    def still(self, path: Path) -> bool:
        """Whether the file has this content: by size and time if they are the same, else by its bytes."""
        try:
            stat = path.stat()
            if (stat.st_size, stat.st_mtime_ns) == (self.size, self.mtime_ns):
                return True
            return stat.st_size == self.size and digest.of_file(path) == self.sha256
        except (OSError, ValueError):
            return False


@dataclass(frozen=True)
class OutputFile:
    """A written file: its path, relative to the job's folder if it is inside, and its content."""

    file: str
    size: int
    sha256: str

    @staticmethod
    def of(path: Path, folder: Path) -> OutputFile:
        """The content of a file that was just written.

        Raises:
            OSError: it cannot be read.
        """
        inside = path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)
        return OutputFile(inside, path.stat().st_size, digest.of_file(path))

    def intact(self, folder: Path) -> bool:
        """Whether the file exists and is unchanged."""
        path = folder / self.file
        try:
            return path.stat().st_size == self.size and digest.of_file(path) == self.sha256
        except (OSError, ValueError):
            return False


@dataclass(frozen=True)
class Record:
    """One picture that is finished, or failed: `error` is the reason. `options` is the hash of all settings."""

    input: str
    name: str
    source: Source | None
    options: str
    outputs: tuple[OutputFile, ...] = ()
    seconds: float = 0.0
    error: str | None = None

    @staticmethod
    def from_json(fields: Mapping[str, Any]) -> Record:
        """The record of a line of the manifest."""
        source, outputs = fields["source"], fields["outputs"]
        return Record(
            fields["input"],
            fields["name"],
            None if source is None else Source(*(source[name] for name in _SOURCE)),
            fields["options"],
            tuple(OutputFile(*(item[name] for name in _OUTPUT)) for item in outputs),
            fields["seconds"],
            fields["error"],
        )


class Manifest:
    """The manifest in a job's folder; use it in a `with` block.

    Several jobs may append to the same manifest. Raises OSError if the folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lines = JsonLines(folder / FILENAME, _LINE)
        self.records: dict[tuple[str, str], Record] = {}

    def __enter__(self) -> Manifest:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._in_use = self.lines.path.open("ab")
        self._only = _lock(self._in_use.fileno())
        for record in map(Record.from_json, self.lines.intact()):
            self.records[record.input, record.name] = record
        return self

    def __exit__(self, *_: object) -> None:
        unused = self._only and os.fstat(self._in_use.fileno()).st_size == 0
        self._in_use.close()
        if unused:
            with contextlib.suppress(PermissionError):  # Another job has it open, on Windows.
                self.lines.path.unlink(missing_ok=True)

    def append(self, record: Record) -> None:
        """Adds a line in one write, and waits until it is on the disk.

        Raises:
            OSError: it cannot be written.
        """
        self.lines.append(asdict(record), sync=True)
        self.records[record.input, record.name] = record

    def finished(self, path: Path, name: str, options: str) -> bool:
        """Whether this input, as it is now, was finished with these options, and all its outputs are intact."""
        record = self.records.get((str(path), name))
        return (
            record is not None
            and record.error is None
            and record.options == options
            and record.source is not None
            and record.source.still(path)
            and all(output.intact(self.folder) for output in record.outputs)
        )

    def sweep(self, names: Iterable[str]) -> None:
        """Deletes partial files of a killed job beside the manifest or in the folders of these names."""
        remove_abandoned(self.folder)
        for name in names:
            remove_abandoned(self.folder / name)


def _lock(descriptor: int) -> bool:
    """Marks the folder as in use by a job; returns whether this job is the only one.

    The lock ends with the process, however that ends. False if the system has no such locks.
    """
    only = take(descriptor) is True
    return take(descriptor, shared=True) is not False and only
