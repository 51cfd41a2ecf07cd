"""A project in Supervisely's format, written and read: exact masks, or polygons to edit.

A project is a folder with `meta.json`, its classes, and a data set `ds0` with `img/NAME` and `ann/NAME.json`.

Source: supervisely 6.74.51 (PyPI), `geometry/bitmap.py`, `geometry/polygon.py`, `annotation/annotation.py` and
`project/project_meta.py`: the fields, and that corners are whole pixels: those of an exterior belong to the object,
those of an interior do not.
"""

from __future__ import annotations

import base64
import binascii
import io
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image, ImageDraw

from samhq.errors import ImageError
from samhq.formats.pictures import checked_size_of, copy_picture
from samhq.image.draw import colour
from samhq.masks.regions import Piece
from samhq.results.annotation import Annotation
from samhq.results.picture import Picture
from samhq.storage.atomic import write_json
from samhq.storage.documents import check_document, read_json
from samhq.storage.schema import NAME, PIXELS, POINT, TEXT, WORDS, Fields, Items

_SCORE = "confidence"  #: the tag that holds an object's score
_MOST_BYTES = 1 << 28  #: of a packed mask, unpacked
_FORM = Fields(
    {
        "size": Fields({"height": PIXELS, "width": PIXELS}),
        "objects": Items(Fields({"classTitle": NAME}, {"geometryType": WORDS, "shape": WORDS})),
    }
)
_RINGS = Fields({"exterior": Items(POINT, least=1)}, {"interior": Items(Items(POINT))})
_SHAPES = {
    "bitmap": Fields({"bitmap": Fields({"data": TEXT, "origin": POINT})}),
    "polygon": Fields({"points": _RINGS}),
}


@contextmanager
def open_supervisely(
    folder: Path, *, shapes: Literal["mask", "polygon"] = "mask", tolerance: float = 0.0, labels: Sequence[str] = ()
) -> Iterator[Callable[[Picture], list[Path]]]:
    """A function that adds a picture and its objects; the classes, `meta.json`, are written when the block ends.

    A known `source` is copied into `img/`, an `image` in memory is written as PNG; without either the picture has to be
    put there.
    """
    names = dict.fromkeys(labels)

    def add(picture: Picture) -> list[Path]:
        names.update(dict.fromkeys(item.label for _, item in picture.objects))
        copied = copy_picture(picture, folder / "ds0" / "img")
        name = copied[0].name if copied else picture.stem + Path(picture.file_name).suffix
        record = supervisely_record(picture, shapes, tolerance)
        return [write_json(folder / "ds0" / "ann" / f"{name}.json", record), *copied]

    yield add
    write_json(folder / "meta.json", _meta(list(names), shapes))


def supervisely_record(
    picture: Picture, shapes: Literal["mask", "polygon"] = "mask", tolerance: float = 0.0
) -> dict[str, Any]:
    """The annotation of a picture: an object is a bitmap, or a polygon for each of its areas.

    Corners of polygons are pixels of the object, corners of holes are pixels of the hole. With `tolerance` 0 the
    polygons are exact; a larger one, in pixels, simplifies them.
    """
    height, width = picture.size_hw
    objects: list[dict[str, Any]] = []
    for _, item in picture.objects:
        parts = [_bitmap(item)] if shapes == "mask" else _polygons(item, tolerance)
        objects += [_about(item, "bitmap" if shapes == "mask" else "polygon") | part for part in parts]
    size = {"height": height, "width": width}
    return {"description": "", "tags": [], "size": size, "objects": objects, "customBigData": {}}


def read_supervisely(path: Path, name: str | None = None) -> tuple[Picture, list[str]]:
    """The picture and the objects of an annotation file, and a sentence for each object that has no mask.

    The picture's name is `name`, by default the file's own without ".json". Parts outside of the picture are cut off.

    Raises:
        ImageError: the file cannot be read, is not of this form, or a bitmap is damaged.
    """
    content = read_json(path, "Supervisely's annotation", _FORM, ImageError)
    size_hw = checked_size_of(content["size"]["height"], content["size"]["width"], str(path))
    name = name or path.name.removesuffix(".json")
    found: list[Annotation] = []
    skipped: list[str] = []
    for number, shape in enumerate(content["objects"]):
        kind = shape.get("geometryType") or shape.get("shape")
        place = f"object {number} of {name}"
        if kind not in _SHAPES:
            skipped.append(f"{place}: a {kind!s:.40} has no mask.")
            continue
        check_document(shape, place, _SHAPES[kind], ImageError)
        piece = _unpacked(shape["bitmap"], size_hw, place) if kind == "bitmap" else _drawn(shape["points"], size_hw)
        found.append(Annotation(piece.rle(size_hw), shape["classTitle"], _score(shape)))
    return Picture(name, size_hw, tuple(found)), skipped


def _meta(labels: Sequence[str], shapes: Literal["mask", "polygon"]) -> dict[str, Any]:
    shape = "bitmap" if shapes == "mask" else "polygon"
    tag = {
        "name": _SCORE,
        "value_type": "any_number",
        "color": "#0072b2",
        "hotkey": "",
        "applicable_type": "objectsOnly",
    }
    classes = [
        {
            "title": label,
            "shape": shape,
            "color": f"#{bytes(colour(number)).hex()}",
            "geometry_config": {},
            "hotkey": "",
        }
        for number, label in enumerate(labels)
    ]
    return {"classes": classes, "tags": [tag | {"classes": []}], "projectType": "images"}


def _about(item: Annotation, kind: str) -> dict[str, Any]:
    """The fields of every object."""
    tags = [] if item.confidence is None else [{"name": _SCORE, "value": item.confidence}]
    about = {"classTitle": item.label, "description": "", "tags": tags, "geometryType": kind, "shape": kind}
    return about | {"nnCreated": True, "nnUpdated": False}


def _bitmap(item: Annotation) -> dict[str, Any]:
    """The mask cut to its box, as PNG in zlib in base64, and the box's first pixel."""
    x, y, _, _ = item.bbox_xywh
    png = io.BytesIO()
    Image.fromarray(item.cropped).save(png, "png")
    return {"bitmap": {"data": base64.b64encode(zlib.compress(png.getvalue())).decode("ascii"), "origin": [x, y]}}


def _polygons(item: Annotation, tolerance: float) -> list[dict[str, Any]]:
    size_hw = np.array(item.size_hw)
    return [
        {
            "points": {
                "exterior": _pixels(polygon.exterior, size_hw).tolist(),
                "interior": [_pixels(hole[::-1], size_hw).tolist() for hole in polygon.holes],
            }
        }
        for polygon in item.polygons(tolerance)
    ]


def _pixels(ring: np.ndarray, size_hw: np.ndarray) -> np.ndarray:
    """For each corner of a ring on pixel borders, the pixel that lies inside, on the right hand of its way."""
    to_next = np.roll(ring, -1, axis=0) - ring
    right = np.stack([-to_next[:, 1], to_next[:, 0]], axis=1) / np.abs(to_next).sum(axis=1, keepdims=True).clip(1)
    inwards = right + np.roll(right, 1, axis=0)
    return np.clip(np.where(inwards > 0, ring, ring - 1), 0, size_hw[::-1] - 1)


def _unpacked(bitmap: dict[str, Any], size_hw: tuple[int, int], place: str) -> Piece:
    """The mask in a bitmap, cut to the picture."""
    try:
        packed = zlib.decompressobj().decompress(base64.b64decode(bitmap["data"], validate=True), _MOST_BYTES)
        with Image.open(io.BytesIO(packed), formats=("PNG",)) as png:
            if png.width > size_hw[1] or png.height > size_hw[0]:
                raise ImageError(f"Expected a bitmap inside of the picture in {place}, got {png.width} x {png.height}.")
            has_alpha = png.mode in ("RGBA", "LA") or "transparency" in png.info
            on = np.asarray(png.convert("RGBA"))[..., 3] > 0 if has_alpha else np.asarray(png.convert("L")) > 0
    except (binascii.Error, zlib.error, OSError, SyntaxError, ValueError) as error:
        if isinstance(error, ImageError):
            raise
        raise ImageError(f"Expected a PNG in zlib in base64 in {place}, got: {error}. Mend the file.") from error
    x, y = (int(value) for value in bitmap["origin"])
    return _cut(on, x, y, size_hw)


def _drawn(points: dict[str, Any], size_hw: tuple[int, int]) -> Piece:
    """The mask of a polygon, cut to the picture. Corners and edges of holes belong to the holes."""
    exterior, *holes = (
        np.floor(np.array(ring, np.float64).reshape(-1, 2)).astype(np.int64)
        for ring in (points["exterior"], *(points.get("interior") or ()))
        if ring
    )
    low = np.maximum(exterior.min(axis=0), -1)
    high = np.minimum(exterior.max(axis=0), np.array(size_hw)[::-1])
    if (high < low).any():
        return Piece.of(np.zeros((0, 0), bool))
    width, height = (high - low + 1).tolist()
    canvas = Image.new("1", (width, height))
    pen = ImageDraw.Draw(canvas)
    for ring, inside in ((exterior, 1), *((hole, 0) for hole in holes)):
        corners = [tuple(corner) for corner in (ring - low).tolist()]
        if len(corners) > 2:
            pen.polygon(corners, fill=inside, outline=inside)
        pen.line([*corners, corners[0]], fill=inside)
    return _cut(np.asarray(canvas), int(low[0]), int(low[1]), size_hw)


def _cut(on: np.ndarray, x: int, y: int, size_hw: tuple[int, int]) -> Piece:
    top, left = max(-y, 0), max(-x, 0)
    return Piece.of(on[top : max(size_hw[0] - y, 0), left : max(size_hw[1] - x, 0)], x + left, y + top)


def _score(shape: dict[str, Any]) -> float | None:
    """The value of the score's tag."""
    tags = shape.get("tags")
    for tag in tags if isinstance(tags, list) else ():
        if isinstance(tag, dict) and tag.get("name") == _SCORE and isinstance(tag.get("value"), int | float):
            return float(tag["value"])
    return None
