"""The pictures of a source: a folder, tars, a Parquet list, here or in a store. Knows nothing about jobs."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import PurePosixPath

from samhq.batch.places import is_address, members_of_tar, read_address, system_of, with_retries
from samhq.errors import ConfigError
from samhq.extras import from_extra
from samhq.image.suffixes import SUFFIXES
from samhq.storage.names import is_text, printable

_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")


def list_pictures(source: str) -> list[tuple[str, str]]:
    """Ids and addresses of all pictures of a source, sorted by id.

    A source is a folder with its subfolders, or one picture; a tar as WebDataset writes them, or several by a pattern
    (`x-*.tar`, `x-{000..099}.tar`) or in a folder that has no pictures; or a Parquet file with a column `uri` and
    optionally `id`. The id of a picture in a folder or tar is its path from there; with several tars, the tar's name
    comes first.

    Raises:
        ConfigError: a source that does not exist or is damaged, no pictures, a name that is no UTF-8, or an id that
            occurs twice.
        MissingExtraError: fsspec or pyarrow is not installed.
        OSError: it cannot be listed.
    """
    pictures = _listed(source) if source.endswith(".parquet") else _found(source)
    if not pictures:
        raise ConfigError(f"Expected pictures in {source}, got none. Known suffixes: {', '.join(sorted(SUFFIXES))}.")
    _check_text(source, [name for name, _ in pictures])
    pictures.sort()
    for (name, _), (following, _) in pairwise(pictures):
        if name == following:
            raise ConfigError(f"Expected every id once, got {name!r} twice in {source}. Give the pictures unique ids.")
    return pictures


def _check_text(source: str, names: list[str]) -> None:
    """Refuses names that no list of pictures can hold: bytes of a file system that are no text.

    Raises:
        ConfigError: there are some.
    """
    others = [name for name in names if not is_text(name)]
    if others:
        further = f" and {len(others) - 1} more" if len(others) > 1 else ""
        raise ConfigError(
            f"Expected names in UTF-8 in {source}, got {printable(others[0])}{further}. Rename the files, for instance "
            "with convmv."
        )


def _listed(source: str) -> list[tuple[str, str]]:
    with from_extra("batch", "a Parquet list of pictures"):
        import pyarrow as pa
        import pyarrow.parquet as pq
    try:
        content = read_address(source)
    except FileNotFoundError as error:
        raise _missing(source) from error
    try:
        table = pq.ParquetFile(pa.BufferReader(content)).read(use_threads=False)
    except (pa.ArrowException, OSError) as error:
        raise ConfigError(
            f"Expected a Parquet file at {source}, got another or a damaged one. Write it again."
        ) from error
    if "uri" not in table.column_names:
        raise ConfigError(f"Expected a column uri in {source}, got {', '.join(table.column_names)}. Rename the column.")
    uris = [str(uri) for uri in table["uri"].to_pylist()]
    ids = [str(name) for name in table["id"].to_pylist()] if "id" in table.column_names else uris
    return list(zip(ids, uris, strict=True))


def _found(source: str) -> list[tuple[str, str]]:
    if source.endswith(".tar"):
        tars = _matching(source)
        return _in_tars(tars, named=len(tars) > 1 or tars != [source])
    files = _files(source)
    if not files and not _is_there(source):
        raise _missing(source)
    pictures = [(name, address) for name, address in files if _is_picture(name)]
    return pictures or _in_tars([address for name, address in files if name.endswith(".tar")], named=True)


def _missing(source: str) -> ConfigError:
    return ConfigError(f"Expected pictures in {source}, which does not exist. Check the name.")


def _is_there(source: str) -> bool:
    system, path = system_of(source)
    return bool(with_retries(lambda: system.exists(path)))


def _matching(pattern: str) -> list[str]:
    """The tars that a pattern names.

    >>> _matching("x-{08..10}.tar")
    ['x-08.tar', 'x-09.tar', 'x-10.tar']
    """
    span = _RANGE.search(pattern)
    if span:
        numbers = [str(number).zfill(len(span[1])) for number in range(int(span[1]), int(span[2]) + 1)]
        return [f"{pattern[: span.start()]}{number}{pattern[span.end() :]}" for number in numbers]
    if "*" not in pattern:
        return [pattern]
    system, path = system_of(pattern)
    return [
        system.unstrip_protocol(path_in_store) if is_address(pattern) else path_in_store
        for path_in_store in with_retries(lambda: system.glob(path))
    ]


def _in_tars(tars: list[str], *, named: bool) -> list[tuple[str, str]]:
    return [
        (f"{PurePosixPath(tar).stem}/{member}" if named else member, f"tar://{member}::{tar}")
        for tar in tars
        for member in _members(tar)
        if _is_picture(member)
    ]


def _members(tar: str) -> list[str]:
    try:
        return list(members_of_tar(tar))
    except FileNotFoundError as error:
        raise _missing(tar) from error


def _files(source: str) -> list[tuple[str, str]]:
    """Paths from the folder, and addresses, of all files below it; a single file has its name."""
    system, root = system_of(source)
    root = root.rstrip("/")
    return [
        (
            path[len(root) :].lstrip("/") or PurePosixPath(path).name,
            system.unstrip_protocol(path) if is_address(source) else path,
        )
        for path in with_retries(lambda: system.find(root))
    ]


def _is_picture(name: str) -> bool:
    path = PurePosixPath(name)
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
