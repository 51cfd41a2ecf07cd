"""Files that are either whole or not there. Knows nothing about what they mean."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from samhq.storage import locks

#: What a file is called while it is written; nobody else gives files such names, so they may be removed.
_PART = re.compile(r"\.samhq-part-[0-9a-f]{16}(\..*)?")
_LONGEST_SUFFIX = 32  #: bytes; what is longer is no format's suffix, and would make the name of the part too long

_cleaned: set[str] = set()  #: folders in which this process has looked for abandoned parts


@contextlib.contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary neighbour with the same suffix, which takes the file's place when the block ends well.

    Missing folders are made. If the block raises, what was there before stays and the neighbour is removed. What
    killed processes left half-written in the same folder is removed too.

    Some libraries do not notice that the last bytes did not fit on the disk (Pillow, GDAL): make the bytes in memory
    and use `write_bytes`.

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
        os.replace(part, target)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            part.unlink()
        raise
    finally:
        os.close(lock)


def write_bytes(path: str | os.PathLike[str], content: bytes | memoryview) -> Path:
    """A file with this content, whole or not there; returns its path.

    Raises:
        OSError: it cannot be written in full.
    """
    with whole_file(path) as part:
        part.write_bytes(content)
    return Path(path)


def remove_abandoned(folder: str | os.PathLike[str]) -> None:
    """Removes what killed processes left half-written directly in a folder.

    A part that a process still writes stays: its lock ends with the process, however that ends. Where the system has
    no such locks, all parts stay.
    """
    try:
        with os.scandir(folder) as entries:
            parts = [entry.path for entry in entries if _PART.fullmatch(entry.name)]
    except OSError:
        return  # no folder, or none that may be looked into
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


def _new_part(target: Path) -> tuple[Path, int]:
    """An empty, locked file beside the target, and the descriptor that holds the lock."""
    suffix = target.suffix if len(os.fsencode(target.suffix)) <= _LONGEST_SUFFIX else ""
    while True:
        part = target.parent / f".samhq-part-{secrets.token_hex(8)}{suffix}"
        descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        # Between these two lines another process may have taken it for abandoned; then there is a next one.
        if locks.take(descriptor) is not False and os.fstat(descriptor).st_nlink:
            return part, descriptor
        os.close(descriptor)


def write_text(path: str | os.PathLike[str], text: str) -> Path:
    """The path of a file that now holds this text as UTF-8.

    Raises:
        OSError: the folder cannot be made or written.
    """
    return write_bytes(path, text.encode("utf-8"))


def write_json(path: str | os.PathLike[str], value: Any) -> Path:
    """The path of a file that now holds this value as JSON on one line.

    Raises:
        OSError: the folder cannot be made or written.
    """
    return write_text(path, json.dumps(value))


def _umask() -> int:
    """The process's file mode mask: a part is made for its owner alone, users expect theirs."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
