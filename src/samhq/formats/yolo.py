"""A dataset for training YOLO segmentation, written and read: a text file of normalised outlines for each picture.

An object is one line, `class x y x y …` with x and y as shares of the picture's width and height. Several areas and
holes are joined by corridors without width, which even-odd filling (OpenCV's `fillPoly`) leaves out. `data.yaml` has
the names of the classes.

Source: docs.ultralytics.com, "Instance Segmentation Datasets Overview".
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from samhq.errors import ImageError
from samhq.formats.bridge import bridged
from samhq.formats.pictures import copy_picture
from samhq.masks import runs
from samhq.masks.rings import filled_ring
from samhq.results.annotation import Annotation
from samhq.results.picture import Picture
from samhq.storage.atomic import whole_file
from samhq.storage.documents import read_text

_FARTHEST = 2.0  #: Coordinates are shares of the picture's sides; larger ones are pixels by mistake.


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


def read_yolo(
    path: Path, file_name: str, size_hw: tuple[int, int], classes: Mapping[int, str]
) -> tuple[Picture, list[str]]:
    """A picture with the objects of its label file, and a sentence for each line that is a box and has no mask.

    A class that `classes` lacks is called by its number. Parts outside of the picture are cut off.

    Raises:
        ImageError: the file cannot be read, or a line is not a class and an outline in shares of the picture.
    """
    found: list[Annotation] = []
    skipped: list[str] = []
    for number, line in enumerate(read_text(path, "YOLO's labels", ImageError).splitlines(), 1):
        place = f"line {number} of {path}"
        values = _values(line, place)
        if len(values) == 5:
            skipped.append(f"{file_name}: {place} is a box and has no mask.")
        elif len(values):
            ring = values[1:].reshape(-1, 2) * np.array(size_hw[::-1])
            kind = int(values[0])
            code = runs.as_counts(filled_ring(ring, size_hw), size_hw)
            found.append(Annotation(code, classes.get(kind, str(kind))))
    return Picture(file_name, size_hw, tuple(found)), skipped


def _values(line: str, place: str) -> np.ndarray:
    """The numbers of a line: a class, and a box or the points of an outline."""
    try:
        values = np.array(line.split(), np.float64)
    except ValueError:
        values = np.array([np.nan])
    outline = len(values) == 5 or (len(values) >= 7 and len(values) % 2 == 1)
    if not len(values):
        return values
    if outline and np.isfinite(values).all() and values[0] % 1 == 0 and (np.abs(values[1:]) <= _FARTHEST).all():
        return values
    raise ImageError(
        f"Expected a class and an outline, x y x y ... in shares 0 to 1 of the picture, in {place}, got {line[:60]!r}. "
        "Mend the file."
    )
