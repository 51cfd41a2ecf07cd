"""Locks on files that end with the process that holds them, however that ends. Knows nothing about what is locked."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from samhq.errors import ConfigError

_LOCK = ".samhq-lock"


def take(descriptor: int, *, shared: bool = False) -> bool | None:
    """True where this process now has the lock of an open file, False where another has it.

    None where nobody can say: the system or the file system has no such locks.
    """
    try:
        import fcntl
    except ImportError:
        return None
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        return True
    except OSError as error:
        return False if error.errno in (errno.EWOULDBLOCK, errno.EACCES, errno.EAGAIN) else None


@contextlib.contextmanager
def only_one(folder: Path, what: str) -> Iterator[None]:
    """A block that only one process at a time is in, for a folder that is made where it is missing.

    A folder that was made here is removed again where the block leaves nothing in it. `what` is what the block does,
    for messages.

    Raises:
        ConfigError: another process is in such a block.
        OSError: the folder cannot be made or written.
    """
    made = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = _held(folder / _LOCK)
    if descriptor is None:
        raise ConfigError(
            f"Expected a folder in which no other process works, got {folder}, where one is {what} now. Wait for its "
            "end, or name another folder."
        )
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # while it is held: nobody who waits takes a file that is gone for a lock
            (folder / _LOCK).unlink()
        os.close(descriptor)
        if made:
            with contextlib.suppress(OSError):  # not empty
                folder.rmdir()


def _held(path: Path) -> int | None:
    """The descriptor of a lock that this process now holds; None where another holds it."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        if take(descriptor) is False:
            os.close(descriptor)
            return None
        if os.fstat(descriptor).st_nlink:
            return descriptor
        os.close(descriptor)  # the one who held it removed it between the two lines above
