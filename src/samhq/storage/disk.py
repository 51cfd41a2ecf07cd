"""Whether an error is about the disk, so that every other file would fail too. Knows nothing about what is written."""

from __future__ import annotations

import errno
import os

_DISK = {
    getattr(errno, name)
    for name in ("ENOSPC", "EDQUOT", "EROFS", "EIO", "ENODEV", "ENXIO", "ESTALE", "ENOTCONN", "EHOSTDOWN", "EMFILE")
    if hasattr(errno, name)
}


def is_disk_error(error: OSError, folder: str | os.PathLike[str] | None) -> bool:
    """Whether the disk is full, read-only or gone, or the folder of the results is no longer one to write to.

    >>> is_disk_error(OSError(errno.ENOSPC, "full"), None), is_disk_error(OSError(errno.ENAMETOOLONG, "long"), None)
    (True, False)
    """
    if error.errno in _DISK:
        return True
    return folder is not None and not (os.path.isdir(folder) and os.access(folder, os.W_OK))
