"""Recognises errors of the disk, after which every other file would fail too. Knows nothing about the files."""

from __future__ import annotations

import errno
import os

_DISK = {
    getattr(errno, name)
    for name in ("ENOSPC", "EDQUOT", "EROFS", "EIO", "ENODEV", "ENXIO", "ESTALE", "ENOTCONN", "EHOSTDOWN", "EMFILE")
    if hasattr(errno, name)
}


def is_disk_error(error: OSError, folder: str | os.PathLike[str] | None) -> bool:
    """Whether the disk is full, read-only or gone, or the results folder can no longer be written.

    >>> is_disk_error(OSError(errno.ENOSPC, "full"), None), is_disk_error(OSError(errno.ENAMETOOLONG, "long"), None)
    (True, False)
    """
    if error.errno in _DISK:
        return True
    return folder is not None and not (os.path.isdir(folder) and os.access(folder, os.W_OK))
