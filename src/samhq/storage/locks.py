"""Locks on files that end with the process that holds them, however that ends. Knows nothing about what is locked."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path


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
def only_one(path: Path) -> Iterator[bool]:
    """Whether no other process is in such a block with the same file, which is made and stays, empty.

    It stays because a file that is removed could be locked by one process while another makes a new one.

    Raises:
        OSError: the folder cannot be made or written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        yield take(descriptor) is not False
    finally:
        os.close(descriptor)
