"""A picture's masks in the JSON form of the SA-1B dataset, one file for each picture, written and read.

These files hold everything, so every other format can be made from them later.

Source: segment-anything, README, "Dataset"; the names of scores are those of its SamAutomaticMaskGenerator.
"""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from samhq.errors import ImageError
from samhq.results.annotation import record_from_annotation
from samhq.results.picture import Picture, picture_from_records
from samhq.storage.atomic import write_json
from samhq.storage.documents import check_document, read_json
from samhq.storage.schema import BOX, NAME, NUMBER, PIXELS, POINT, RLE, WHOLE, WORDS, Either, Fields, Items

_FORM = Fields(
    {
        "image": Fields({"height": PIXELS, "width": PIXELS, "file_name": NAME}, {"model": WORDS}),
        "annotations": Items(
            Fields(
                {"segmentation": RLE},
                {
                    "predicted_iou": NUMBER,
                    "stability_score": NUMBER,
                    "point_coords": Items(POINT, least=1),
                    "bbox": BOX,
                    "crop_box": BOX,
                    "label": Either((WHOLE, NAME)),
                },
            )
        ),
    }
)


def sa1b_record(picture: Picture) -> dict[str, Any]:
    """`{"image": …, "annotations": […]}`; an annotation's id is its number in the picture, from 1.

    `image_id` depends only on the file's name: the number in SA-1B's own names, a checksum for other names.
    """
    height, width = picture.size_hw
    image = {"image_id": _image_id(picture), "width": width, "height": height, "file_name": picture.file_name}
    return {
        "image": image | ({"model": picture.model} if picture.model else {}),
        "annotations": [{"id": number} | record_from_annotation(item) for number, item in picture.objects],
    }


def write_sa1b(picture: Picture, path: Path) -> Path:
    """Writes the record to a file."""
    return write_json(path, sa1b_record(picture))


def read_sa1b(path: str | os.PathLike[str]) -> Picture:
    """The picture and its annotations in a file of SA-1B, or of `write_sa1b`.

    Raises:
        ImageError: the file cannot be read, is not of this form, or an RLE is damaged or of another size.
    """
    return picture_of_record(read_record_content(path), Path(path))


def read_record_content(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The JSON object in a file of SA-1B's form, whose form is not checked yet.

    Raises:
        ImageError: the file cannot be read, or is no JSON object.
    """
    path = Path(path)
    if not path.is_file():
        came = "a folder" if path.is_dir() else "no such file"
        raise ImageError(f"Expected a JSON file of SA-1B's form, as `save` writes it, got {path}: {came}. Name it.")
    return dict(read_json(path, "SA-1B's JSON", Fields(), ImageError))


def picture_of_record(content: Mapping[str, Any], path: Path) -> Picture:
    """The picture and its annotations in the JSON object of the file at this path.

    Raises:
        ImageError: it is not of SA-1B's form, or an RLE is damaged or of another size.
    """
    check_document(content, f"SA-1B's JSON in {path}", _FORM, ImageError)
    image, annotations = content["image"], content["annotations"]
    size_hw = int(image["height"]), int(image["width"])
    for number, annotation in enumerate(annotations):
        _check_size(annotation["segmentation"]["size"], size_hw, f"annotation {number} in {path}")
    records = [{key: value for key, value in annotation.items() if key != "id"} for annotation in annotations]
    model = str(image.get("model") or "")
    return picture_from_records(records, image["file_name"], size_hw, stem=path.stem, model=model)


def _check_size(size: Sequence[float], size_hw: tuple[int, int], place: str) -> None:
    """Refuses a mask of another size before it is decoded, because it could take any amount of memory.

    Raises:
        ImageError: it has another size.
    """
    if tuple(size) != size_hw:
        raise ImageError(
            f"Expected masks of the picture's size, {size_hw[0]} x {size_hw[1]} (height x width), got "
            f"{size[0]} x {size[1]} in {place}. Give the masks that belong to the picture."
        )


def _image_id(picture: Picture) -> int:
    match = re.fullmatch(r"sa_(\d+)", picture.stem)
    return int(match[1]) if match else zlib.crc32(picture.file_name.encode("utf-8", "backslashreplace"))
