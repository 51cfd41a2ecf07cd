"""Pictures and their objects as "CVAT for images 1.1" XML, written and read: exact masks, or polygons to edit.

Source: docs.cvat.ai, "CVAT for images" (XML annotation format 1.1).
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from samhq.errors import ImageError
from samhq.formats.bridge import bridged
from samhq.formats.options import Shapes
from samhq.formats.pictures import checked_size_of
from samhq.masks import rle, runs
from samhq.masks.regions import Piece
from samhq.masks.rings import filled_ring
from samhq.results.annotation import LABEL, Annotation
from samhq.results.picture import Picture
from samhq.storage.atomic import whole_file
from samhq.storage.names import xml_text


@contextmanager
def open_cvat(
    path: Path, *, shapes: Shapes = "mask", tolerance: float = 0.0, labels: Sequence[str] = ()
) -> Iterator[Callable[[Picture], list[Path]]]:
    """A function that adds a picture; the file is written atomically when the block ends.

    With `shapes` "polygon" every area of an object is one polygon, with its holes joined by corridors without width;
    polygons of one object have the same `group_id`. `tolerance` is in pixels.
    """
    label_names = dict.fromkeys(labels)
    count = 0
    with tempfile.TemporaryFile("w+", encoding="utf-8") as body:  # The labels come before the pictures.

        def add(picture: Picture) -> list[Path]:
            nonlocal count
            label_names.update(dict.fromkeys(item.label for _, item in picture.objects))
            body.write(ElementTree.tostring(_image(picture, count, shapes, tolerance), encoding="unicode") + "\n")
            count += 1
            return []

        yield add
        body.seek(0)
        with whole_file(path) as part, part.open("w", encoding="utf-8") as stream:
            stream.write('<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n<version>1.1</version>\n')
            stream.write(ElementTree.tostring(_meta(list(label_names), count), encoding="unicode") + "\n")
            shutil.copyfileobj(body, stream)
            stream.write("</annotations>\n")


def _meta(labels: Sequence[str], count: int) -> ElementTree.Element:
    """The task: its size, mode and labels."""
    meta = ElementTree.Element("meta")
    task = ElementTree.SubElement(meta, "task")
    for name, text in (("name", "samhq"), ("size", str(count)), ("mode", "annotation")):
        ElementTree.SubElement(task, name).text = text
    listed = ElementTree.SubElement(task, "labels")
    for label in labels:
        entry = ElementTree.SubElement(listed, "label")
        ElementTree.SubElement(entry, "name").text = xml_text(label)
        ElementTree.SubElement(entry, "attributes")
    return meta


def _image(picture: Picture, number: int, shapes: Shapes, tolerance: float) -> ElementTree.Element:
    height, width = picture.size_hw
    name = xml_text(picture.file_name)
    image = ElementTree.Element("image", id=str(number), name=name, width=str(width), height=str(height))
    for group, item in picture.objects:
        about = {"label": xml_text(item.label), "source": "auto", "occluded": "0", "z_order": "0"}
        if shapes == "mask":
            ElementTree.SubElement(image, "mask", about | _mask(item))
            continue
        outlines = _polygons(item, tolerance)
        grouped = {"group_id": str(group)} if len(outlines) > 1 else {}
        for points in outlines:
            ElementTree.SubElement(image, "polygon", about | {"points": points} | grouped)
    return image


def _mask(annotation: Annotation) -> dict[str, str]:
    """The mask's box, and the lengths of its runs in that box, row by row, beginning with zeros."""
    x, y, width, height = annotation.bbox_xywh
    counts = rle.uncompressed(np.asarray(annotation.cropped.T))["counts"]
    return {
        "rle": ", ".join(map(str, counts)),
        "left": str(x),
        "top": str(y),
        "width": str(width),
        "height": str(height),
    }


def _polygons(annotation: Annotation, tolerance: float) -> list[str]:
    """Each area's points as "x,y;x,y"."""
    return [";".join(f"{x},{y}" for x, y in bridged([polygon]).tolist()) for polygon in annotation.polygons(tolerance)]


def read_cvat(path: Path) -> Iterator[tuple[Picture, list[str]]]:
    """The pictures of a file with their objects, one after the other, and a sentence for each shape without a mask.

    Polygons of one group and label are one object. Parts outside of a picture are cut off.

    Raises:
        ImageError: the file cannot be read, or is not of this form.
    """
    root = _parsed(path)
    for image in root.iter("image"):
        name = image.get("name", "")
        place = f"{name or 'a picture'} of {path}"
        try:
            size_hw = checked_size_of(_whole(image, "height", 1), _whole(image, "width", 1), place)
            objects: dict[Any, tuple[str, np.ndarray]] = {}
            skipped = []
            for number, shape in enumerate(image):
                if shape.tag not in ("mask", "polygon"):
                    skipped.append(f"{name}: a {shape.tag:.40} has no mask.")
                    continue
                changes = (_mask_changes if shape.tag == "mask" else _ring_changes)(shape, size_hw)
                label, group = shape.get("label") or LABEL, shape.get("group_id") or ""
                key = (group, label) if group not in ("", "0") and shape.tag == "polygon" else number
                first = objects.get(key, (label, np.zeros(0, np.int64)))[1]
                objects[key] = label, runs.combined(first, changes, np.logical_or)
        except (ValueError, OverflowError) as error:
            raise ImageError(f"Expected CVAT's shapes in {place}, got: {error}. Mend the file.") from error
        found = (Annotation(runs.as_counts(mask, size_hw), label) for label, mask in objects.values())
        yield Picture(name or "picture", size_hw, tuple(found)), skipped


def _parsed(path: Path) -> ElementTree.Element:
    try:
        content = path.read_bytes()
        if b"<!DOCTYPE" in content or b"<!ENTITY" in content:  # entities can blow up, and CVAT writes none
            raise ImageError(f"Expected CVAT's XML at {path}, got a file with declarations. Export it again.")
        root = ElementTree.fromstring(content)
    except (OSError, ElementTree.ParseError, ValueError) as error:
        raise ImageError(f"Expected CVAT's XML at {path}, got: {error}. Export it again.") from error
    if root.tag != "annotations":
        raise ImageError(
            f"Expected CVAT's XML with <annotations> at {path}, got <{root.tag:.40}>. Choose another file."
        )
    return root


def _whole(element: ElementTree.Element, name: str, least: int = -(1 << 31)) -> int:
    value = int(element.get(name, ""))
    if not least <= value < 1 << 31:
        raise ValueError(f"{name} {value}")
    return value


def _mask_changes(shape: ElementTree.Element, size_hw: tuple[int, int]) -> np.ndarray:
    """The changes of a mask, from its runs row by row in its box, beginning with zeros."""
    x, y = _whole(shape, "left"), _whole(shape, "top")
    width, height = _whole(shape, "width", 0), _whole(shape, "height", 0)
    counts = [int(count) for count in shape.get("rle", "").split(",") if count.strip()]
    if width > size_hw[1] or height > size_hw[0] or min(counts, default=0) < 0 or sum(counts) != width * height:
        raise ValueError(f"a mask of {width} x {height} pixels with runs of {sum(counts)}")
    on = np.repeat(np.arange(len(counts)) % 2 == 1, counts).reshape(height, width)
    top, left = max(-y, 0), max(-x, 0)
    inside = on[top : max(size_hw[0] - y, 0), left : max(size_hw[1] - x, 0)]
    return Piece.of(inside, x + left, y + top).changes(size_hw)


def _ring_changes(shape: ElementTree.Element, size_hw: tuple[int, int]) -> np.ndarray:
    points = [[float(value) for value in point.split(",")] for point in shape.get("points", "").split(";")]
    ring = np.array(points, np.float64).reshape(len(points), 2)
    if not (np.abs(ring) < 1e9).all():
        raise ValueError(f"points {shape.get('points', ''):.60}")
    return filled_ring(ring, size_hw)
