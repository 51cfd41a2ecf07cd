"""Folders and pictures wherever fsspec reaches: a path, s3://, gs://, hf://, memory://, a tar, a list of addresses.

Knows nothing about jobs. Credentials come from the environment, as each store's package reads them.
"""

from __future__ import annotations

import errno
import os
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Any

from samhq.errors import ConfigError
from samhq.extras import from_extra
from samhq.image.suffixes import SUFFIXES
from samhq.storage.atomic import write_bytes

_TRIES = 4  #: How often a read or write of a store is tried.
_PAUSE_S = 0.2  #: Wait before the second try; each further wait is twice as long.


@dataclass(frozen=True)
class Folder:
    """A folder by its path or address."""

    address: str

    @property
    def is_local(self) -> bool:
        """Whether it is on this machine's disks."""
        return "://" not in self.address

    def read(self, name: str) -> bytes | None:
        """The content of a file; None where there is none.

        Raises:
            OSError: it cannot be read.
        """
        try:
            return read_address(self.path(name))
        except FileNotFoundError:
            return None

    def write(self, name: str, content: bytes) -> None:
        """Writes a file, whole or not at all. Of two writers at once, one wins.

        A store puts an object as a whole; on a disk the file is moved into place when it is on the disk.

        Raises:
            OSError: it cannot be written.
        """
        if self.is_local:
            path = Path(self.path(name))
            path.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(path, content)
            return
        system, there = _system(self.path(name))
        _again(lambda: system.pipe_file(there, content))

    def names(self, below: str) -> list[str]:
        """The names of the files in a subfolder, sorted.

        Raises:
            OSError: it cannot be listed.
        """
        if self.is_local:
            folder = Path(self.path(below))
            return sorted(p.name for p in folder.iterdir() if not p.name.startswith(".")) if folder.is_dir() else []
        system, path = _system(self.path(below))
        system.invalidate_cache()
        try:
            return sorted(PurePosixPath(found).name for found in _again(lambda: system.ls(path, detail=False)))
        except FileNotFoundError:
            return []

    def path(self, name: str) -> str:
        """The address of a file in it."""
        return f"{self.address.rstrip('/')}/{name}"


def read_address(address: str) -> bytes:
    """The content of a file anywhere; `tar://member::address` is a member of a tar.

    Raises:
        FileNotFoundError: it is not there.
        OSError: it cannot be read.
    """
    if "://" not in address:
        return Path(address).read_bytes()
    system, path = _system(address)
    return _again(lambda: system.cat_file(path))


def list_pictures(source: str) -> list[tuple[str, str]]:
    """Ids and addresses of all pictures of a source, sorted by id.

    A source is a folder with its subfolders, a tar as WebDataset writes them, or a Parquet file with a column `uri` and
    optionally `id`. The id of a picture in a folder or tar is its path from there.

    Raises:
        ConfigError: no pictures, or an id that occurs twice.
        MissingExtraError: fsspec or pyarrow is not installed.
    """
    if source.endswith(".parquet"):
        found = _listed(source)
    elif source.endswith(".tar"):
        system, _ = _system(f"tar://::{source}")
        found = [(name, f"tar://{name}::{source}") for name in system.find("") if _is_picture(name)]
    else:
        found = _in_folder(source)
    if not found:
        raise ConfigError(f"Expected pictures in {source}, got none. Known suffixes: {', '.join(sorted(SUFFIXES))}.")
    found.sort()
    for (name, _), (following, _) in pairwise(found):
        if name == following:
            raise ConfigError(f"Expected every id once, got {name!r} twice in {source}. Give the pictures unique ids.")
    return found


def _listed(source: str) -> list[tuple[str, str]]:
    with from_extra("batch", "a Parquet list of pictures"):
        import pyarrow as pa
        import pyarrow.parquet as pq
    table = pq.read_table(pa.BufferReader(read_address(source)))
    if "uri" not in table.column_names:
        raise ConfigError(f"Expected a column uri in {source}, got {', '.join(table.column_names)}. Rename the column.")
    uris = [str(uri) for uri in table["uri"].to_pylist()]
    ids = [str(name) for name in table["id"].to_pylist()] if "id" in table.column_names else uris
    return list(zip(ids, uris, strict=True))


def _in_folder(source: str) -> list[tuple[str, str]]:
    if "://" not in source:
        root = Path(source).absolute()
        files = [Path(here, name) for here, _, names in os.walk(root) for name in names if _is_picture(name)]
        return [(path.relative_to(root).as_posix(), str(path)) for path in files]
    system, root_path = _system(source)
    root_name = root_path.rstrip("/")
    return [
        (path[len(root_name) :].lstrip("/"), system.unstrip_protocol(path))
        for path in _again(lambda: system.find(root_path))
        if _is_picture(path)
    ]


def _is_picture(name: str) -> bool:
    path = PurePosixPath(name)
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def _system(address: str) -> tuple[Any, str]:
    """The file system of an address, and the path there."""
    with from_extra("batch", f"the address {address}"):
        import fsspec

        return fsspec.core.url_to_fs(address)


def _again(call: Any) -> Any:
    """The result of a call to a store; an error that may pass is tried again, a few times.

    Raises:
        OSError: the error of the last try, or at once one that stays.
    """
    for attempt in range(_TRIES):
        try:
            return call()
        except OSError as error:
            stays = isinstance(error, FileNotFoundError | PermissionError) or error.errno == errno.ENOSPC
            if stays or attempt == _TRIES - 1:
                raise
        time.sleep(_PAUSE_S * 2**attempt)
    raise AssertionError("the loop returns or raises")
