"""A picture's masks in the JSON form of the SA-1B dataset, one file a picture, written and read.

These files keep everything, so every other format can be made from them later.

Source: segment-anything, README, "Dataset"; the scores' names are those of its SamAutomaticMaskGenerator.
"""

from __future__ import annotations

import json
import os
import re
import zlib
from pathlib import Path
from typing import Any

from samhq.errors import ImageError
from samhq.results.annotation import record_from_annotation
from samhq.results.picture import Picture, picture_from_records
from samhq.storage.atomic import write_json


def sa1b_record(picture: Picture) -> dict[str, Any]:
    """`{"image": …, "annotations": […]}`; an annotation's id is its number in the picture, from 1.

    `image_id` depends on the file's name alone: the number in SA-1B's own names, a checksum for others.
    """
    height, width = picture.size_hw
    image = {"image_id": _image_id(picture), "width": width, "height": height, "file_name": picture.file_name}
    return {
        "image": image | ({"model": picture.model} if picture.model else {}),
        "annotations": [{"id": number} | record_from_annotation(item) for number, item in picture.objects],
    }


def write_sa1b(picture: Picture, path: Path) -> Path:
    """The record as a file."""
    return write_json(path, sa1b_record(picture))


def read_sa1b(path: str | os.PathLike[str]) -> Picture:
    """The picture and its annotations in a file of SA-1B, or of `write_sa1b`.

    Raises:
        ImageError: the file cannot be read, is not of this form, or an RLE is damaged or of another size.
    """
    path = Path(path)
    if not path.is_file():
        came = "a folder" if path.is_dir() else "no such file"
        raise ImageError(f"Expected a JSON file of SA-1B's form, as `save` writes it, got {path}: {came}. Name it.")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        image = content["image"]
        size_hw = int(image["height"]), int(image["width"])
        records = [{key: value for key, value in one.items() if key != "id"} for one in content["annotations"]]
        name = str(image["file_name"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ImageError(
            f'Expected SA-1B\'s JSON {{"image": …, "annotations": […]}} in {path}, got: {error!r:.120}. Check the file.'
        ) from error
    return picture_from_records(records, name, size_hw, stem=path.stem, model=str(image.get("model", "")))


def _image_id(picture: Picture) -> int:
    own = re.fullmatch(r"sa_(\d+)", picture.stem)
    return int(own[1]) if own else zlib.crc32(picture.file_name.encode("utf-8", "backslashreplace"))
