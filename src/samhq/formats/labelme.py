"""A picture's objects in labelme's JSON, written and read: polygons to edit, or exact masks.

Source: labelme 6, `_label_file.py` and `utils/shape.py` (github.com/wkentaro/labelme): the fields, their meaning.
"""

from __future__ import annotations

import base64
import binascii
import io
import os
import re
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from PIL import Image

from samhq.errors import ImageError
from samhq.formats.bridge import bridged
from samhq.formats.options import Shapes
from samhq.formats.pictures import checked_size_of
from samhq.image.sources import size_of_file
from samhq.masks import runs
from samhq.masks.regions import Piece
from samhq.masks.rings import filled_ring
from samhq.results.annotation import LABEL, Annotation
from samhq.results.picture import Picture
from samhq.storage.atomic import write_json
from samhq.storage.documents import read_json
from samhq.storage.schema import NAME, PIXELS, POINT, WHOLE, WORDS, Fields, Items

_SHAPE = Fields(
    {"label": WORDS, "points": Items(POINT)},
    {"shape_type": WORDS, "group_id": WHOLE, "mask": WORDS, "description": WORDS},
)
_FORM = Fields({"imagePath": NAME, "shapes": Items(_SHAPE)}, {"imageHeight": PIXELS, "imageWidth": PIXELS})
#: Shapes that cover an area, with the number of points that they have at least.
_AREAS = {"polygon": 3, "rectangle": 2, "circle": 2, "mask": 2}
_CIRCLE = np.linspace(0, 2 * np.pi, 256, endpoint=False)  #: Angles of the corners of a circle's outline.


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


def read_labelme(path: Path) -> tuple[Picture, list[str]]:
    """The picture and the objects of a file, and a sentence for each shape without an area, such as a line.

    Shapes of one group and label are one object. The picture's `source` is its path as the file gives it. Parts outside
    of the picture are cut off.

    Raises:
        ImageError: the file cannot be read, is not of this form, or a mask is damaged.
    """
    content = read_json(path, "labelme's JSON", _FORM, ImageError)
    file_name = content["imagePath"].replace("\\", "/")
    source = path.parent / file_name
    size_hw = content.get("imageHeight"), content.get("imageWidth")
    # Old files lack the size. Only a picture beside the file is opened: a file from elsewhere may name any path.
    height, width = size_hw if all(size_hw) else size_of_file(path.parent / PurePosixPath(file_name).name)
    size = checked_size_of(height, width, str(path))
    objects: dict[Any, tuple[dict[str, Any], np.ndarray]] = {}
    skipped: list[str] = []
    for number, shape in enumerate(content["shapes"]):
        kind = shape.get("shape_type") or "polygon"
        if len(shape["points"]) < _AREAS.get(kind, 1 << 62):
            skipped.append(f"{file_name}: shape {number}, a {kind:.40} of {len(shape['points'])} points, has no area.")
            continue
        changes = _changes(shape, kind, size, f"shape {number} of {path}")
        group = shape.get("group_id")
        key = (group, shape["label"]) if group is not None else number
        first, mask = objects.get(key, (shape, np.zeros(0, np.int64)))
        objects[key] = first, runs.combined(mask, changes, np.logical_or)
    found = (_annotation(shape, mask, size) for shape, mask in objects.values())
    return Picture(file_name, size, tuple(found), source=source), skipped


def _changes(shape: dict[str, Any], kind: str, size_hw: tuple[int, int], place: str) -> np.ndarray:
    """The mask of a shape, as its changes."""
    points = np.array(shape["points"], np.float64).reshape(-1, 2)
    if kind == "mask":
        return _unpacked(shape.get("mask"), points, size_hw, place).changes(size_hw)
    if kind == "circle":  # Its centre, and a point of its edge.
        radius = np.hypot(*(points[1] - points[0]))
        points = points[0] + radius * np.stack([np.cos(_CIRCLE), np.sin(_CIRCLE)], axis=1)
    if kind == "rectangle":
        (x0, y0), (x1, y1) = points.min(axis=0), points.max(axis=0)
        points = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])
    return filled_ring(points, size_hw)


def _unpacked(data: str | None, points: np.ndarray, size_hw: tuple[int, int], place: str) -> Piece:
    """The mask in a shape, a PNG in base64 whose first pixel lies at the first point, cut to the picture."""
    try:
        with Image.open(io.BytesIO(base64.b64decode(data or "")), formats=("PNG",)) as png:
            if png.width > size_hw[1] or png.height > size_hw[0]:
                raise ImageError(f"Expected a mask inside of the picture in {place}, got {png.width} x {png.height}.")
            on = np.asarray(png.convert("L")) > 0
    except (binascii.Error, OSError, SyntaxError, ValueError) as error:
        if isinstance(error, ImageError):
            raise
        raise ImageError(f"Expected a PNG in base64 in {place}, got: {error}. Mend the file.") from error
    x, y = (int(value) for value in points.min(axis=0))
    top, left = max(-y, 0), max(-x, 0)
    return Piece.of(on[top : max(size_hw[0] - y, 0), left : max(size_hw[1] - x, 0)], x + left, y + top)


def _annotation(shape: dict[str, Any], mask: np.ndarray, size_hw: tuple[int, int]) -> Annotation:
    score = re.fullmatch(r"score (\d+(?:\.\d+)?)", shape.get("description") or "")
    return Annotation(runs.as_counts(mask, size_hw), shape["label"] or LABEL, float(score[1]) if score else None)
