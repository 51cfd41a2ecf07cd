"""Locks on files. A lock ends with its process, even if that is killed. Knows nothing about their purpose."""

from __future__ import annotations

import contextlib
import errno
import importlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from samhq.errors import ConfigError

_LOCK = ".samhq-lock"
#: The byte that a lock on Windows covers, behind the end of the file: nobody can read or write what it covers.
_FAR = 1 << 30


def take(descriptor: int, *, shared: bool = False) -> bool | None:
    """True if this process now has the lock of an open file, False if another process has it.

    None if that is not known, because the system or the file system has no such locks; Windows has no shared ones.
    """
    try:
        import fcntl
    except ImportError:
        return None if shared else _take_on_windows(descriptor)
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        return True
    except OSError as error:
        return False if error.errno in (errno.EWOULDBLOCK, errno.EACCES, errno.EAGAIN) else None


def _take_on_windows(descriptor: int) -> bool | None:
    try:
        msvcrt: Any = importlib.import_module("msvcrt")
    except ImportError:
        return None
    os.lseek(descriptor, _FAR, os.SEEK_SET)
    try:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        return True
    except OSError as error:
        return False if error.errno in (errno.EACCES, errno.EDEADLK) else None


def open_files_move() -> bool:
    """Whether a file can be replaced and deleted while it is open: everywhere but on Windows."""
    try:
        import fcntl  # noqa: F401
    except ImportError:
        return False
    return True


@contextlib.contextmanager
def only_one(folder: Path, activity: str, refusal: str | None = None) -> Iterator[None]:
    """A context that only one process at a time can enter, for a folder; the folder is created if it is missing.

    If the folder was created here and the block leaves nothing in it, it is removed again. `activity` describes the
    block in the error's message; `refusal` replaces the whole message.

    Raises:
        ConfigError: another process is in such a block.
        OSError: the folder cannot be made or written.
    """
    created = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = _held(folder / _LOCK)
    if descriptor is None:
        raise ConfigError(
            refusal
            or f"Expected a folder in which no other process works, got {folder}, where one is {activity} now. Wait "
            "for its end, or name another folder."
        )
    try:
        yield
    finally:
        # Removed while the lock is held, so that no waiting process locks a removed file.
        if open_files_move():
            with contextlib.suppress(OSError):
                (folder / _LOCK).unlink()
        os.close(descriptor)
        if not open_files_move():
            with contextlib.suppress(OSError):  # Another process has it open, which waits or works now.
                (folder / _LOCK).unlink()
        if created:
            with contextlib.suppress(OSError):  # Not empty.
                folder.rmdir()


def _held(path: Path) -> int | None:
    """The descriptor of a lock that this process now holds; None if another process holds it."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        if take(descriptor) is False:
            os.close(descriptor)
            return None
        if os.fstat(descriptor).st_nlink:
            return descriptor
        os.close(descriptor)  # Its holder removed it between the two lines above.
