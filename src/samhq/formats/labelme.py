"""A picture's objects in labelme's JSON: polygons to edit, or exact masks.

Source: labelme 6, `_label_file.py` and `utils/shape.py` (github.com/wkentaro/labelme): the fields, their meaning.
"""

from __future__ import annotations

import base64
import io
import os
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from samhq.formats.bridge import bridged
from samhq.formats.options import Shapes
from samhq.results.annotation import Annotation
from samhq.results.picture import Picture
from samhq.storage.atomic import write_json


def labelme_record(
    picture: Picture, image_path: str, shapes: Shapes = "mask", tolerance: float = 0.0
) -> dict[str, Any]:
    """The content of a file that refers to the picture as `image_path`, relative to the file's own folder.

    With `shapes` "polygon" every area of an object is one shape, with its holes joined by corridors without width;
    shapes of one object have the same `group_id`. `tolerance` is in pixels.
    """
    shape_records: list[dict[str, Any]] = []
    for number, item in picture.objects:
        parts = [_mask(item)] if shapes == "mask" else _polygons(item, tolerance)
        shape_records += [_shape(item, number if len(parts) > 1 else None) | part for part in parts]
    height, width = picture.size_hw
    return {
        "version": "5.5.0",
        "flags": {},
        "shapes": shape_records,
        "imagePath": image_path,
        "imageData": None,
        "imageHeight": height,
        "imageWidth": width,
    }


def write_labelme(picture: Picture, path: Path, shapes: Shapes = "mask", tolerance: float = 0.0) -> Path:
    """Writes the record to a file, with a relative path to the picture if its `source` is known."""
    image_path = picture.file_name
    if picture.source is not None:
        image_path = os.path.relpath(picture.source.resolve(), path.parent.resolve())
    return write_json(path, labelme_record(picture, image_path, shapes, tolerance))


def _shape(annotation: Annotation, group: int | None) -> dict[str, Any]:
    """The common fields of masks and polygons."""
    score = "" if annotation.confidence is None else f"score {annotation.confidence:.4f}"
    return {"label": annotation.label, "group_id": group, "description": score, "flags": {}, "mask": None}


def _polygons(annotation: Annotation, tolerance: float) -> list[dict[str, Any]]:
    return [
        {"shape_type": "polygon", "points": bridged([polygon]).astype(float).tolist()}
        for polygon in annotation.polygons(tolerance)
    ]


def _mask(annotation: Annotation) -> dict[str, Any]:
    """The mask cut to its box, as PNG in text; the box includes its last pixel."""
    x, y, width, height = annotation.bbox_xywh
    png = io.BytesIO()
    Image.fromarray(annotation.cropped.astype(np.uint8)).save(png, "png")
    return {
        "shape_type": "mask",
        "points": [[float(x), float(y)], [float(x + width - 1), float(y + height - 1)]],
        "mask": base64.b64encode(png.getvalue()).decode("ascii"),
    }
