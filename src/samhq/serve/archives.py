"""Label files unpacked from a ZIP: those of this server's own exports, and of other tools' exports.

Knows which files hold labels by their suffixes; nothing about their content or about projects.
"""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path, PurePosixPath

from samhq.serve.faults import Fault

MOST_BYTES = 1 << 29  #: Of all label files, unpacked.
MOST_FILES = 100_000
_SUFFIXES = (".json", ".xml", ".txt", ".yaml", ".yml")
_LONGEST = 200  #: Bytes of a file's name; file systems take up to 255.
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError, ValueError)


def is_archive(content: bytes) -> bool:
    """Whether a file is a ZIP, by its first bytes."""
    return content.startswith((b"PK\x03\x04", b"PK\x05\x06"))


def unpack_labels(archive: Path, folder: Path) -> list[Path]:
    """The label files of a ZIP, in their order, each in a folder of its own below `folder`; pictures are left out.

    Raises:
        Fault: the ZIP is damaged or encrypted, or its label files are too many or too large.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            entries = [entry for entry in opened.infolist() if _holds_labels(entry)]
            if len(entries) > MOST_FILES or sum(entry.file_size for entry in entries) > MOST_BYTES:
                raise Fault(
                    413,
                    f"Expected at most {MOST_FILES:,} label files of {MOST_BYTES >> 20} MiB together, got "
                    f"{len(entries):,} in the ZIP. Import it in parts.",
                )
            return [_unpacked(opened, entry, folder / str(number)) for number, entry in enumerate(entries)]
    except _DAMAGED as error:
        raise Fault(422, f"Expected a ZIP of label files, got: {str(error)[:120]}. Pack it again.") from error


def _holds_labels(entry: zipfile.ZipInfo) -> bool:
    path = _path_of(entry)
    hidden = any(part.startswith((".", "__MACOSX")) and part != ".." for part in path.parts)
    short = len(path.name.encode("utf-8", "surrogateescape")) <= _LONGEST
    return not entry.is_dir() and not hidden and short and path.suffix.lower() in _SUFFIXES


def _unpacked(opened: zipfile.ZipFile, entry: zipfile.ZipInfo, folder: Path) -> Path:
    """An entry as a file under its own name, without the folders that it names."""
    path = folder / _path_of(entry).name
    folder.mkdir(parents=True)
    with opened.open(entry) as stream:
        content = stream.read(entry.file_size + 1)
    if len(content) > entry.file_size:
        raise zipfile.BadZipFile(f"{entry.filename[:80]} is longer than it says")
    path.write_bytes(content)
    return path


def _path_of(entry: zipfile.ZipInfo) -> PurePosixPath:
    return PurePosixPath(entry.filename.replace("\\", "/"))
