"""Which picture a result belongs to, so that the result of another picture is never replaced.

Two folders may hold pictures of one name, and a relative path means another file in another folder. A record therefore
keeps hashes of the absolute path and of the content beside the name. Knows nothing about masks.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from samhq.errors import SamHQError
from samhq.storage import digest
from samhq.storage.documents import read_json
from samhq.storage.names import numbered
from samhq.storage.schema import Fields

ORIGIN = "origin"  #: the field of a record
_LENGTH = 16  #: hex digits of a hash


def origin_record(file_name: Any) -> dict[str, Any]:
    """The field that tells a picture's file from others of the same name; empty where there is no such file."""
    if not isinstance(file_name, str) or not os.path.isfile(file_name):
        return {}
    try:
        content = digest.of_file(file_name)[:_LENGTH]
    except OSError:
        return {ORIGIN: {"path": _place(file_name)}}
    return {ORIGIN: {"path": _place(file_name), "content": content}}


def is_of_picture(record: Mapping[str, Any], file_name: str) -> bool:
    """Whether a record is about this picture: a file at the same absolute path, or one of equal name and content.

    `record` is a result's, or a COCO file of one picture. A record without hashes is compared by the name alone.
    """
    named = recorded_name(record)
    if named is None:
        return False
    earlier = record.get(ORIGIN)
    if not isinstance(earlier, dict) or not os.path.isfile(file_name):
        return named == file_name or os.path.abspath(named) == os.path.abspath(file_name)
    if earlier.get("path") == _place(file_name):
        return True
    return named == file_name and earlier.get("content") == origin_record(file_name)[ORIGIN].get("content", "")


def recorded_name(record: Mapping[str, Any]) -> str | None:
    """The name of the picture that a record is about, or None."""
    images = record.get("images")
    image = images[0] if isinstance(images, list) and images else record.get("image")
    name = image.get("file_name") if isinstance(image, dict) else None
    return name if isinstance(name, str) and "\0" not in name else None


def read_loosely(path: Path) -> dict[str, Any]:
    """The JSON object in a file; empty where there is none, or something else."""
    try:
        content: dict[str, Any] = read_json(path, "a record", Fields())
    except SamHQError:
        return {}
    return content


def own_stems(stems: list[str], file_names: list[str], folder: Path, ending: str) -> list[str]:
    """The beginnings of the names of results, with a number where a record in `folder` is about another picture.

    A record is called stem and `ending`. A file of that name that is no record counts as another picture's. All stems
    stay different, also where upper and lower case are the same.
    """
    taken = {stem.casefold() for stem in stems}

    def is_free(stem: str, file_name: str) -> bool:
        path = folder / f"{stem}{ending}"
        return not os.path.lexists(path) or is_of_picture(read_loosely(path), file_name)

    unique = []
    for stem, file_name in zip(stems, file_names, strict=True):
        if not is_free(stem, file_name):
            others = (name for name in numbered(stem) if name.casefold() not in taken)
            stem = next(name for name in others if is_free(name, file_name))
            taken.add(stem.casefold())
        unique.append(stem)
    return unique


def _place(file_name: str) -> str:
    return digest.of_bytes(os.fsencode(os.path.abspath(file_name)))[:_LENGTH]
