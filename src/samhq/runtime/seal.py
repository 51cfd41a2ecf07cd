"""A hash of its own content inside an exported ONNX file, so that flipped bits in weights are an error.

The file carries its size and the SHA-256 of all its other bytes and of the weights beside it. A file
of another size was changed by a tool, such as a quantizer, and is not checked. Works on bytes, without ONNX.
"""

from __future__ import annotations

import hashlib
import mmap
import re
from pathlib import Path

from samhq.errors import CheckpointError

_PREFIX = "samhq."
SIZE, HASH = _PREFIX + "size", _PREFIX + "sha256"  #: Names in the file's metadata.
#: Their values until the file is sealed. Every size and hash has these lengths.
UNSEALED = {SIZE: "0" * 15, HASH: "0" * 64}
_CHUNK = 1 << 22
_END = 1 << 16  #: Bytes at the end of a file, where exporters put the metadata.


def seal(path: Path) -> None:
    """Writes size and hash into a finished file, in place of `UNSEALED`.

    Raises:
        OSError: it cannot be read or written.
    """
    with path.open("r+b") as stream:
        for name in (SIZE, HASH):  # The hash covers the size.
            with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
                place = _place(content, name)
                assert place is not None
                value = f"{len(content):015d}" if name == SIZE else _hash(path, content, place)
            stream.seek(place[0])
            stream.write(value.encode("ascii"))
            stream.flush()


def check_seal(path: Path) -> None:
    """Checks that a file is as it was sealed. A file without a seal, or of another size, is not checked.

    Raises:
        CheckpointError: bytes of the file or of the weights beside it were changed.
    """
    try:
        with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
            size, place = _place(content, SIZE), _place(content, HASH)
            if size is None or place is None or content[slice(*size)] != b"%015d" % len(content):
                return
            whole = content[slice(*place)] == _hash(path, content, place).encode("ascii")
    except (OSError, ValueError) as error:  # An empty file cannot be mapped.
        raise CheckpointError(f"Expected an ONNX file at {path}, got: {error}. Export it again.") from error
    if not whole:
        raise CheckpointError(
            f"Expected {path} as it was exported, got a file with other bytes: it was damaged on the disk or on the "
            "way. Copy it, and any .data file beside it, from the original again, or export the model again."
        )


def _place(content: mmap.mmap, name: str) -> tuple[int, int] | None:
    """The start and end of this name's value. In protobuf, a tag and a length of one byte each follow the name."""
    length = len(UNSEALED[name])
    mark = re.escape(name.encode("ascii") + bytes([0x12, length]))
    value = re.compile(mark + rb"[0-9a-f]{%d}" % length)
    match = value.search(content, max(0, len(content) - _END)) or value.search(content)
    return None if match is None else (match.end() - length, match.end())


def _hash(path: Path, content: mmap.mmap, hole: tuple[int, int]) -> str:
    """The SHA-256 of the content without the hole, and of the weights beside it."""
    start, end = hole
    digest = hashlib.sha256()
    for first, last in ((0, start), (end, len(content))):
        for at in range(first, last, _CHUNK):
            digest.update(content[at : min(at + _CHUNK, last)])
    weights = path.with_name(f"{path.name}.data")
    if weights.is_file():
        with weights.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
    return digest.hexdigest()
