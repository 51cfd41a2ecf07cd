"""Content hashes of files, of bytes and of JSON values. Knows nothing about their meaning."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
import zipfile
import zlib
from collections.abc import Iterable
from typing import Any

_CHUNK = 1 << 20


def of_file(path: str | os.PathLike[str]) -> str:
    """The SHA-256 of a file's bytes, 64 hex digits.

    Raises:
        OSError: it cannot be read; it is a pipe or a device, which might never end.
    """
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise OSError(errno.EINVAL, "Not a regular file", os.fspath(path))
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def of_bytes(*parts: bytes | memoryview) -> str:
    """The SHA-256 of bytes, in several parts one after the other, 64 hex digits.

    >>> of_bytes(b"a", b"bc") == of_bytes(b"abc"), of_bytes(b"abc")[:8]
    (True, 'ba7816bf')
    """
    return of_parts(parts)


def of_array(array: Any) -> str:
    """The SHA-256 of an array's shape and bytes, 64 hex digits; arrays of other types may have equal ones.

    >>> import numpy as np
    >>> of_array(np.zeros((2, 3), np.uint8)) == of_array(np.zeros((3, 2), np.uint8))
    False
    """
    import numpy as np

    return of_bytes(canonical(array.shape), np.ascontiguousarray(array).data)


def of_parts(parts: Iterable[bytes | memoryview]) -> str:
    """As `of_bytes`, for parts that are made one at a time."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def of_json(value: Any) -> str:
    """The SHA-256 of a JSON value, whatever the order of its keys.

    >>> of_json({"a": 1, "b": (2,)}) == of_json({"b": [2], "a": 1})
    True
    """
    return of_bytes(canonical(value))


def canonical(value: Any) -> bytes:
    """A JSON value as ASCII bytes that are the same for equal values.

    >>> canonical({"b": 1, "a": None})
    b'{"a":null,"b":1}'
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode("ascii")


def check_zip(path: str | os.PathLike[str]) -> None:
    """Checks that every entry of a zip archive, as `torch.save` writes it, has the stored checksum.

    Raises:
        OSError, ValueError: it cannot be read, is no archive, or an entry was changed.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError) as error:
        raise ValueError(str(error)) from error
    if damaged is not None:
        raise ValueError(f"{damaged} has another checksum than when it was written")


def of_files(paths: Iterable[str | os.PathLike[str]]) -> str:
    """The SHA-256 of several files' contents, in order.

    Raises:
        OSError: one cannot be read.
    """
    return of_json([of_file(path) for path in paths])
