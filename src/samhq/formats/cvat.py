"""Pictures and their objects as "CVAT for images 1.1" XML: exact masks, or polygons to edit.

Source: docs.cvat.ai, "CVAT for images" (XML annotation format 1.1).
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from samhq.formats.bridge import bridged
from samhq.formats.options import Shapes
from samhq.masks import rle
from samhq.results.annotation import Annotation
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
