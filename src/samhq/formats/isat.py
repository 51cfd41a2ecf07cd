"""ISAT's JSON, written and read: polygons with groups and layers, one file a picture; and the list of its classes.

Source: ISAT 1.5.2 (PyPI, isat-sam), `ISAT/annotation.py`, `ISAT/formats/coco.py` and `ISAT/isat.yaml`: the fields, and
that polygons of one group and class are one object.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from samhq.errors import ImageError
from samhq.formats.bridge import bridged
from samhq.formats.pictures import checked_size_of
from samhq.image.draw import colour
from samhq.masks import runs
from samhq.masks.rings import filled_ring
from samhq.results.annotation import LABEL, Annotation
from samhq.results.picture import Picture
from samhq.storage.atomic import whole_file, write_json
from samhq.storage.documents import check_document, read_json
from samhq.storage.schema import NAME, NUMBER, PIXELS, POINT, WHOLE, WORDS, Fields, Items

BACKGROUND = "__background__"  #: polygons of this class are holes in what lies below them
_FORM = Fields(
    {"info": Fields({"name": NAME, "height": PIXELS, "width": PIXELS}), "objects": Items(Fields())},
)
_OBJECT = Fields({"category": NAME, "segmentation": Items(POINT)}, {"group": WHOLE, "layer": NUMBER, "note": WORDS})


@contextmanager
def open_isat(
    folder: Path, *, tolerance: float = 0.0, labels: Sequence[str] = ()
) -> Iterator[Callable[[Picture], list[Path]]]:
    """A function that writes a picture's `STEM.json`; the classes, `isat.yaml`, are written when the block ends."""
    names = dict.fromkeys(labels)

    def add(picture: Picture) -> list[Path]:
        names.update(dict.fromkeys(item.label for _, item in picture.objects))
        return [write_json(folder / f"{picture.stem}.json", isat_record(picture, tolerance))]

    yield add
    entries = [(BACKGROUND, (0, 0, 0)), *((name, colour(number)) for number, name in enumerate(names))]
    lines = [f"- color: '#{bytes(rgb).hex()}'\n  name: {json.dumps(name)}\n" for name, rgb in entries]
    with whole_file(folder / "isat.yaml") as part:
        part.write_text(f"label:\n{''.join(lines)}", encoding="utf-8")


def isat_record(picture: Picture, tolerance: float = 0.0) -> dict[str, Any]:
    """The content of a picture's file: each area of an object is a polygon of the object's group.

    Holes are joined by corridors without width; `tolerance` is in pixels. ISAT has no field for scores: they are notes.
    """
    height, width = picture.size_hw
    folder = "" if picture.source is None else str(picture.source.parent)
    objects: list[dict[str, Any]] = []
    for group, item in picture.objects:
        for polygon in item.polygons(tolerance):
            objects.append(_object(bridged([polygon]), item, group, len(objects) + 1))
    info = {"description": "ISAT", "folder": folder, "name": picture.file_name}
    return {"info": info | {"width": width, "height": height, "depth": 3, "note": ""}, "objects": objects}


def read_isat(path: Path) -> Picture:
    """The picture and the objects of a file. Polygons of one group and class are one object, also where they overlap.

    Polygons of the class "__background__" are cut out of the objects on lower layers. Parts outside of the picture are
    cut off.

    Raises:
        ImageError: the file cannot be read, or is not of this form.
    """
    content = read_json(path, "ISAT's JSON", _FORM, ImageError)
    info = content["info"]
    size_hw = checked_size_of(info["height"], info["width"], str(path))
    objects: dict[tuple[Any, str], tuple[dict[str, Any], np.ndarray]] = {}
    for number, polygon in enumerate(sorted(content["objects"], key=_layer)):
        check_document(polygon, f"polygon {number} of {path}", _OBJECT, ImageError)
        changes = filled_ring(np.array(polygon["segmentation"], np.float64).reshape(-1, 2), size_hw)
        if polygon["category"] == BACKGROUND:
            objects = {key: (first, runs.combined(mask, changes, np.greater)) for key, (first, mask) in objects.items()}
            continue
        key = polygon.get("group") or -number, polygon["category"]
        first, mask = objects.get(key, (polygon, np.zeros(0, np.int64)))
        objects[key] = first, runs.combined(mask, changes, np.logical_or)
    found = (_annotation(polygon, mask, size_hw) for polygon, mask in objects.values())
    return Picture(info["name"], size_hw, tuple(found), stem=path.stem)


def _object(ring: np.ndarray, item: Annotation, group: int, layer: int) -> dict[str, Any]:
    following = np.roll(ring, -1, axis=0)
    area = abs(float((ring[:, 0] * following[:, 1] - following[:, 0] * ring[:, 1]).sum())) / 2
    return {
        "category": item.label,
        "group": group,
        "segmentation": ring.astype(float).tolist(),
        "area": area,
        "layer": float(layer),
        "bbox": [*ring.min(axis=0).astype(float).tolist(), *ring.max(axis=0).astype(float).tolist()],
        "iscrowd": False,
        "note": "" if item.confidence is None else f"score {item.confidence:.4f}",
    }


def _layer(polygon: dict[str, Any]) -> float:
    layer = polygon.get("layer")
    return float(layer) if isinstance(layer, int | float) else 0.0


def _annotation(polygon: dict[str, Any], mask: np.ndarray, size_hw: tuple[int, int]) -> Annotation:
    score = re.fullmatch(r"score (\d+(?:\.\d+)?)", polygon.get("note") or "")
    return Annotation(runs.as_counts(mask, size_hw), polygon["category"] or LABEL, float(score[1]) if score else None)
