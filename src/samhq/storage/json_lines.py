"""Files that only grow, with one JSON document on each line, so that an interrupted job can continue.

A line is written by one call. If a process is killed, at most its last line is incomplete; such a line is ignored when
the file is read, and never joined to the next one. Knows nothing about what the documents mean.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any, BinaryIO

from samhq.errors import SamHQError
from samhq.storage.atomic import write_bytes
from samhq.storage.documents import parse_json
from samhq.storage.schema import ANY, Schema


@dataclass(frozen=True)
class JsonLines:
    """The file at `path`, which need not exist; each line fits the schema.

    In a message, `kind` names the expected line, and `advice` says what to do about another.
    """

    path: Path
    schema: Schema = ANY
    kind: str = "a line of JSON"
    error: type[SamHQError] = SamHQError
    advice: str = "Check the file."

    def __iter__(self) -> Iterator[Any]:
        """The documents of all complete lines, in order; none if there is no file.

        Raises:
            error: the file cannot be read, or a line is damaged.
        """
        return (self._document(line) for _, line in self._complete_lines())

    def __len__(self) -> int:
        """The number of complete lines.

        Raises:
            error: the file cannot be read.
        """
        return sum(1 for _ in self._complete_lines())

    def places(self) -> Iterator[tuple[int, Any]]:
        """As the iteration, with the byte at which each line begins, for `at`."""
        return ((place, self._document(line)) for place, line in self._complete_lines())

    def at(self, place: int) -> Any:
        """The document of the line that begins at this byte.

        Raises:
            error: the file cannot be read, or the line is damaged.
        """
        with self._stream() as stream:
            stream.seek(place)
            return self._document(stream.readline())

    def intact(self) -> list[Any]:
        """The documents of all lines that fit the schema; cut and foreign lines are left out.

        A last line that lacks only its line feed counts: an object that is cut anywhere else is no JSON.

        Raises:
            error: the file cannot be read.
        """
        documents = []
        for _, line in self._lines():
            try:
                documents.append(self._document(line))
            except self.error:
                continue
        return documents

    def append(self, document: Any, *, sync: bool = False) -> None:
        """Adds a line in one write; with `sync`, waits until it is on the disk.

        Raises:
            OSError: it cannot be written.
        """
        with self.path.open("ab+", buffering=0) as stream:
            line = _line(document)
            if _ends_within_a_line(stream):  # A killed process left an incomplete line.
                line = b"\n" + line
            if stream.write(line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
            if sync:
                os.fsync(stream.fileno())

    def replace(self, documents: Iterable[Any]) -> None:
        """Writes the file anew with these documents, atomically; missing folders are created.

        Raises:
            OSError: it cannot be written.
        """
        write_bytes(self.path, b"".join(map(_line, documents)))

    def cut(self, count: int) -> None:
        """Removes all lines after the first `count`.

        Raises:
            OSError: the file cannot be changed.
        """
        if not self.path.exists():
            return
        with self.path.open("rb+") as stream:
            for _ in range(count):
                stream.readline()
            stream.truncate(stream.tell())

    def _complete_lines(self) -> Iterator[tuple[int, bytes]]:
        """The lines that end with a line feed, with the byte at which each begins."""
        return ((place, line) for place, line in self._lines() if line.endswith(b"\n"))

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        if not os.path.lexists(self.path):
            return
        place = 0
        with self._stream() as stream:
            for line in stream:
                yield place, line
                place += len(line)

    def _stream(self) -> BinaryIO:
        try:
            return self.path.open("rb")
        except OSError as cause:
            raise self.error(
                f"Expected {self.kind} in {self.path}, which cannot be read: {cause.strerror or cause}. {self.advice}"
            ) from cause

    def _document(self, line: bytes) -> Any:
        return parse_json(line, f"{self.kind} in {self.path}", self.schema, self.error, self.advice)


def _ends_within_a_line(stream: FileIO) -> bool:
    end = stream.seek(0, os.SEEK_END)
    if not end:
        return False
    stream.seek(end - 1)
    return stream.read(1) != b"\n"


def _line(document: Any) -> bytes:
    return json.dumps(document).encode("ascii") + b"\n"
