"""Folders and files in any place that fsspec reaches: a path, s3://, gs://, hf://, memory://, or the member of a tar.

Knows nothing about jobs or pictures. Credentials come from the environment, as each store's package reads them.
"""

from __future__ import annotations

import errno
import os
import tarfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from samhq.errors import ConfigError
from samhq.extras import from_extra
from samhq.storage.atomic import write_bytes

Result = TypeVar("Result")

#: The allowed stores: an address in a foreign list must not make workers run commands or open shells.
SCHEMES = {"file", "s3", "s3a", "gs", "gcs", "hf", "az", "abfs", "memory", "http", "https"}
_EXTRAS = {"gs": "gcs", "gcs": "gcs"}  #: The extra with the package of a store; the others are in `batch`.
#: Stores by the package that raises their errors, and the variables from which the package reads credentials.
_STORES = {"botocore": "S3", "google": "Google Cloud Storage", "gcsfs": "Google Cloud Storage", "azure": "Azure"}
_CREDENTIALS = {
    "botocore": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE",
    "google": "GOOGLE_APPLICATION_CREDENTIALS",
    "gcsfs": "GOOGLE_APPLICATION_CREDENTIALS",
    "azure": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
}
_TRIES = 4  #: How often a read or write of a store is tried.
_PAUSE_S = 0.2  #: Wait before the second try; each further wait is twice as long.
_AT_ONCE = 16  #: How many small files are read at the same time.


@dataclass(frozen=True)
class Folder:
    """A folder by its path or address."""

    address: str

    def read(self, name: str) -> bytes | None:
        """The content of a file; None where there is none.

        Raises:
            OSError: it cannot be read.
        """
        try:
            return read_address(self.path(name))
        except FileNotFoundError:
            return None

    def read_with(self, name: str, reader: Callable[[Any], Result]) -> Result | None:
        """What `reader` returns for the open file, of which it may read a part; None where there is none.

        Raises:
            OSError: it cannot be read.
        """
        try:
            if not is_address(self.address):
                with open(self.path(name), "rb") as file:
                    return reader(file)
            system, path = system_of(self.path(name))

            def read() -> Result:
                with system.open(path, "rb") as stream:
                    return reader(stream)

            return with_retries(read)
        except FileNotFoundError:
            return None

    def read_all(self, names: list[str], reader: Callable[[Any], Result]) -> list[Result | None]:
        """As `read_with` for several files, some at the same time.

        Raises:
            OSError: one cannot be read.
        """
        with ThreadPoolExecutor(_AT_ONCE) as readers:
            return list(readers.map(lambda name: self.read_with(name, reader), names))

    def write(self, name: str, content: bytes) -> None:
        """Writes a file atomically. If two processes write it at once, one of them wins.

        Raises:
            OSError: it cannot be written.
        """
        if not is_address(self.address):
            write_bytes(self.path(name), content)
            return
        system, path = system_of(self.path(name))
        with_retries(lambda: system.pipe_file(path, content))

    def remove(self, name: str) -> None:
        """Deletes a file, if there is one.

        Raises:
            OSError: it cannot be deleted.
        """
        if not is_address(self.address):
            Path(self.path(name)).unlink(missing_ok=True)
            return
        system, path = system_of(self.path(name))
        with suppress(FileNotFoundError):
            with_retries(lambda: system.rm_file(path))

    def names(self, below: str) -> list[str]:
        """The names of the files in a subfolder, sorted.

        Raises:
            OSError: it cannot be listed.
        """
        if not is_address(self.address):
            folder = Path(self.path(below))
            return sorted(p.name for p in folder.iterdir() if not p.name.startswith(".")) if folder.is_dir() else []
        system, path = system_of(self.path(below))
        system.invalidate_cache()
        try:
            return sorted(PurePosixPath(found).name for found in with_retries(lambda: system.ls(path, detail=False)))
        except FileNotFoundError:
            return []

    def path(self, name: str) -> str:
        """The address of a file in it."""
        return f"{self.address.rstrip('/')}/{name}"


def is_address(place: str) -> bool:
    """Whether this is an address in a store, and not a path on this machine's disks.

    >>> is_address("s3://bucket/job"), is_address("job")
    (True, False)
    """
    return "://" in place


def check_no_file(place: str, name: str) -> None:
    """Refuses a path that is a file, or below one, where a folder is needed; `name` is its name in the message.

    Raises:
        ConfigError: it is.
    """
    path = Path(place)
    file = None if is_address(place) else next((above for above in (path, *path.parents) if above.is_file()), None)
    if file is not None:
        raise ConfigError(f"Expected a folder as {name}, got {place}: {file} is a file. Give another name.")


def read_address(address: str) -> bytes:
    """The content of a file anywhere; `tar://member::address` is a member of a tar.

    Raises:
        FileNotFoundError: it is not there.
        OSError: it cannot be read.
        ConfigError: a store that may not be named.
    """
    if address.startswith("tar://"):
        member, _, tar = address.removeprefix("tar://").rpartition("::")
        try:
            start, size = members_of_tar(tar)[member]
        except KeyError as error:
            raise FileNotFoundError(errno.ENOENT, "no such member", address) from error
        return _read_part(tar, start, start + size)
    if not is_address(address):
        return Path(address).read_bytes()
    system, path = system_of(address)
    return with_retries(lambda: system.cat_file(path))


@lru_cache(maxsize=8)
def members_of_tar(tar: str) -> dict[str, tuple[int, int]]:
    """Where in an uncompressed tar the content of each file begins, and its size in bytes.

    Raises:
        ConfigError: it is no tar, or a compressed one.
        OSError: it cannot be read.
    """
    folder, _, name = tar.rpartition("/")
    try:
        members = Folder(folder or ".").read_with(name, _members)
    except tarfile.TarError as error:
        raise ConfigError(
            f"Expected an uncompressed tar, got {tar}: {error}. Unpack it, and write a plain tar."
        ) from error
    if members is None:
        raise FileNotFoundError(errno.ENOENT, "no such file", tar)
    return members


def _members(stream: Any) -> dict[str, tuple[int, int]]:
    with tarfile.open(fileobj=stream, mode="r:") as opened:
        return {
            member.name.removeprefix("./"): (member.offset_data, member.size) for member in opened if member.isfile()
        }


def _read_part(address: str, start: int, end: int) -> bytes:
    if not is_address(address):
        with open(address, "rb") as file:
            file.seek(start)
            return file.read(end - start)
    system, path = system_of(address)
    return with_retries(lambda: system.cat_file(path, start=start, end=end))


def upload(folder: Path, address: str) -> None:
    """Puts all files of a folder with its subfolders into a store.

    Raises:
        OSError: one cannot be written.
    """
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        system, there = system_of(f"{address.rstrip('/')}/{path.relative_to(folder).as_posix()}")
        with_retries(lambda path=path, there=there, system=system: system.put_file(str(path), there))  # type: ignore[misc]


def system_of(address: str) -> tuple[Any, str]:
    """fsspec's file system of an address, and the path there.

    Raises:
        ConfigError: a store that may not be named.
        MissingExtraError: fsspec or the store's package is not installed.
    """
    scheme = address.partition("://")[0]
    if is_address(address) and scheme not in SCHEMES:
        known = ", ".join(f"{name}://" for name in sorted(SCHEMES))
        raise ConfigError(f"Expected a path or an address of a known store, got {address}. Known: {known}.")
    with from_extra(_EXTRAS.get(scheme, "batch"), f"the address {address}"):
        import fsspec

        return fsspec.core.url_to_fs(os.fspath(address))


def with_retries(call: Callable[[], Result]) -> Result:
    """The result of a call to a store; a temporary error is retried a few times.

    Raises:
        OSError: the error of the last try, or at once a permanent one.
        ConfigError: credentials are missing, or the store's package refuses the request.
    """
    for attempt in range(_TRIES):
        try:
            return call()
        except OSError as error:
            stays = isinstance(error, FileNotFoundError | PermissionError) or error.errno == errno.ENOSPC
            if stays or attempt == _TRIES - 1:
                raise
        except Exception as error:
            package = type(error).__module__.partition(".")[0]
            if package not in _STORES:
                raise
            raise ConfigError(
                f"Expected access to {_STORES[package]}, got {type(error).__name__}: {str(error)[:200].rstrip('.')}. "
                f"Check the address, and give credentials in the environment: {_CREDENTIALS[package]}."
            ) from error
        time.sleep(_PAUSE_S * 2**attempt)
    raise AssertionError("the loop returns or raises")
