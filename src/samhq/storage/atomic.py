"""Writes files atomically: they are complete or do not exist. Knows nothing about their content."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from samhq.storage import locks

#: The name of a file while it is written. Nothing else has such names, so abandoned ones may be removed.
_PART = re.compile(r"\.samhq-part-[0-9a-f]{16}(\..*)?")
#: Largest suffix in bytes; longer endings belong to no format, and would make the temporary name too long.
_LONGEST_SUFFIX = 32

#: Seconds between the attempts to replace a file that another program has open.
_PAUSES_S = (0.01, 0.03, 0.1, 0.3, 0.6)

_umask_lock = threading.Lock()  #: The mask can only be read by setting it, which two threads must not do at once.
_cleaned: set[str] = set()  #: Folders in which this process has looked for abandoned files.


@contextlib.contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary file with the same suffix, which replaces the target when the block ends without an error.

    Missing folders are created. If the block raises, the old file stays and the temporary one is removed. Temporary
    files that killed processes left in the same folder are removed, too.

    Some libraries (Pillow, GDAL) do not notice that the last bytes did not fit on the disk: for these create the bytes
    in memory and use `write_bytes`.

    Raises:
        OSError: the folder cannot be made or written.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    _clean_once(target.parent)
    part, lock = _new_part(target)
    try:
        yield part
        with part.open("rb+") as stream:
            os.fsync(stream.fileno())
        part.chmod(0o666 & ~_umask())
        _move(part, target)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            part.unlink()
        raise
    finally:
        if lock is not None:
            os.close(lock)


def _move(part: Path, target: Path) -> None:
    """Moves the file to its place.

    On Windows a file cannot be replaced while a program has it open; scanners and indexers do so for moments.
    """
    for pause_s in () if locks.open_files_move() else _PAUSES_S:
        try:
            os.replace(part, target)
            return
        except PermissionError:
            time.sleep(pause_s)
    os.replace(part, target)


def write_bytes(path: str | os.PathLike[str], content: bytes | memoryview) -> Path:
    """Writes a file with this content atomically; returns its path.

    Raises:
        OSError: it cannot be written in full.
    """
    with whole_file(path) as part:
        part.write_bytes(content)
    return Path(path)


def remove_abandoned(folder: str | os.PathLike[str]) -> None:
    """Removes the temporary files that killed processes left directly in a folder.

    A file that a process is still writing stays: its lock ends with the process, however that ends. On Windows, and on
    file systems without such locks, all temporary files stay.
    """
    if not locks.open_files_move():
        return
    try:
        with os.scandir(folder) as entries:
            parts = [entry.path for entry in entries if _PART.fullmatch(entry.name)]
    except OSError:
        return  # There is no folder, or it cannot be listed.
    for part in parts:
        with contextlib.suppress(OSError):
            _remove_if_abandoned(part)


def _clean_once(folder: Path) -> None:
    name = os.path.abspath(folder)
    if name not in _cleaned:
        _cleaned.add(name)
        remove_abandoned(folder)


def _remove_if_abandoned(part: str) -> None:
    descriptor = os.open(part, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    try:
        if locks.take(descriptor):
            os.unlink(part)
    finally:
        os.close(descriptor)


def _new_part(target: Path) -> tuple[Path, int | None]:
    """An empty, locked file beside the target, and the descriptor that holds the lock.

    On Windows, where no open file can be moved, it is not locked.
    """
    suffix = target.suffix if len(os.fsencode(target.suffix)) <= _LONGEST_SUFFIX else ""
    while True:
        part = target.parent / f".samhq-part-{secrets.token_hex(8)}{suffix}"
        descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        if not locks.open_files_move():
            os.close(descriptor)
            return part, None
        # Between these two lines another process may have removed it as abandoned; then try again.
        if locks.take(descriptor) is not False and os.fstat(descriptor).st_nlink:
            return part, descriptor
        os.close(descriptor)


def write_text(path: str | os.PathLike[str], text: str) -> Path:
    """Writes this text as UTF-8 to a file; returns its path.

    Raises:
        OSError: the folder cannot be made or written.
    """
    return write_bytes(path, text.encode("utf-8"))


def write_json(path: str | os.PathLike[str], value: Any) -> Path:
    """Writes this value as one line of JSON to a file; returns its path.

    Raises:
        OSError: the folder cannot be made or written.
    """
    return write_text(path, json.dumps(value))


def _umask() -> int:
    """The process's file mode mask: temporary files are made for their owner alone, results get the usual mode."""
    with _umask_lock:
        mask = os.umask(0)
        os.umask(mask)
    return mask
