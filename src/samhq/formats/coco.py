"""A dataset in COCO's JSON: images, annotations, categories; the objects as RLE, exact, or as polygons.

Written picture by picture, so a dataset may be larger than memory.

Source: cocodataset.org, "Data format"; pycocotools reads it.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from samhq.formats.bridge import bridged
from samhq.formats.options import Shapes
from samhq.results.annotation import Annotation
from samhq.results.picture import Picture
from samhq.storage.atomic import whole_file


@contextmanager
def open_coco(
    path: Path, *, shapes: Shapes = "mask", tolerance: float = 0.0, labels: Sequence[str] = ()
) -> Iterator[Callable[[Picture], list[Path]]]:
    """A function that adds a picture; the file is written atomically when the block ends.

    Images, annotations and categories count from 1. Categories are numbered as in `labels`; others get the next
    numbers. With `shapes` "polygon" every area is one list of points, with its holes joined by corridors without width.
    `tolerance` is the largest distance in pixels between a simplified outline and the exact one.
    """
    categories = {label: number for number, label in enumerate(labels, 1)}
    pictures = written = 0
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8") as images,  # They come after the annotations.
        whole_file(path) as part,
        part.open("w", encoding="utf-8") as stream,
    ):

        def add(picture: Picture) -> list[Path]:
            nonlocal pictures, written
            pictures += 1
            images.write((", " if pictures > 1 else "") + json.dumps(_image(picture, pictures)))
            for _, annotation in picture.objects:
                category = categories.setdefault(annotation.label, len(categories) + 1)
                record = coco_annotation(annotation, shapes, tolerance)
                record |= {"id": written + 1, "image_id": pictures, "category_id": category}
                stream.write((",\n" if written else "") + json.dumps(record))
                written += 1
            return []

        stream.write('{"info": {"description": "Masks by samhq"}, "licenses": [], "annotations": [\n')
        yield add
        named = [{"id": number, "name": name, "supercategory": ""} for name, number in categories.items()]
        stream.write('\n], "images": [')
        images.seek(0)
        shutil.copyfileobj(images, stream)
        stream.write(f'], "categories": {json.dumps(named)}}}')


def coco_annotation(annotation: Annotation, shapes: Shapes = "mask", tolerance: float = 0.0) -> dict[str, Any]:
    """One object's entry without its numbers; area and box are those of the exact mask."""
    if shapes == "mask":
        segmentation: Any = annotation.code
    else:
        segmentation = [bridged([polygon]).ravel().tolist() for polygon in annotation.polygons(tolerance)]
    record = {
        "segmentation": segmentation,
        "area": annotation.area,
        "bbox": list(annotation.bbox_xywh),
        "iscrowd": 0,
    }
    return record if annotation.confidence is None else record | {"score": annotation.confidence}


def _image(picture: Picture, number: int) -> dict[str, Any]:
    height, width = picture.size_hw
    return {"id": number, "file_name": picture.file_name, "height": height, "width": width}
