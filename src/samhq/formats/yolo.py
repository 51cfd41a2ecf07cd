"""A dataset for training YOLO segmentation: a text file of normalised outlines for each picture, and data.yaml.

An object is one line, `class x y x y …` with x and y as shares of the picture's width and height. Several areas and
holes are joined by corridors without width, which even-odd filling (OpenCV's `fillPoly`) leaves out.

Source: docs.ultralytics.com, "Instance Segmentation Datasets Overview".
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from samhq.formats.bridge import bridged
from samhq.formats.pictures import copy_picture
from samhq.results.annotation import Annotation
from samhq.results.picture import Picture
from samhq.storage.atomic import whole_file


@contextmanager
def open_yolo(
    folder: Path, *, tolerance: float = 0.0, labels: Sequence[str] = ()
) -> Iterator[Callable[[Picture], list[Path]]]:
    """A function that adds a picture: `labels/STEM.txt`, and the picture itself in `images/`, where YOLO looks for it.

    A known `source` is copied, an `image` in memory is written as PNG; without either the folder stays empty. When the
    block ends, `data.yaml` is written. Classes are numbered from 0 as in `labels`; others get the next numbers.
    """
    classes = {label: number for number, label in enumerate(labels)}

    def add(picture: Picture) -> list[Path]:
        lines = [_line(picture, item, classes, tolerance) for _, item in picture.objects]
        path = folder / "labels" / f"{picture.stem}.txt"
        with whole_file(path) as part:
            part.write_text("".join(lines), encoding="ascii")
        return [path, *copy_picture(picture, folder / "images")]

    yield add
    (folder / "images").mkdir(parents=True, exist_ok=True)
    names = "".join(f"  {number}: {json.dumps(name)}\n" for name, number in classes.items())
    with whole_file(folder / "data.yaml") as part:
        # No `path`: a relative one would be relative to the working directory; without it YOLO uses this folder.
        part.write_text(f"train: images\nval: images\nnames:{' {}' * (not names)}\n{names}", encoding="utf-8")


def outline(annotation: Annotation, tolerance: float = 0.0) -> np.ndarray:
    """The object as one ring [N,2] of (x, y) in 0..1, on pixel borders."""
    height, width = annotation.size_hw
    return bridged(annotation.polygons(tolerance)) / np.array([width, height])


def _line(picture: Picture, annotation: Annotation, classes: dict[str, int], tolerance: float) -> str:
    number = classes.setdefault(annotation.label, len(classes))
    return f"{number} {' '.join(f'{value:.8g}' for value in outline(annotation, tolerance).ravel().tolist())}\n"
