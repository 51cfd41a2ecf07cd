"""A dataset for training YOLO segmentation: a text file of normalised outlines for each picture, and data.yaml.

An object is one line, `class x y x y …` with x and y as shares of the picture's width and height. Several areas and
holes are joined by corridors without width, which even-odd filling (OpenCV's `fillPoly`) leaves out.

Source: docs.ultralytics.com, "Instance Segmentation Datasets Overview".
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from samhq.errors import ImageError
from samhq.formats.bridge import bridged
from samhq.image.sources import size_of_file
from samhq.image.write import write_picture
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
        return [path, *_copied(picture, folder / "images")]

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


def _check_source(source: Path, size_hw: tuple[int, int]) -> None:
    file_hw = size_of_file(source)
    if file_hw != tuple(size_hw):
        raise ImageError(
            f"Expected the picture of the masks, {size_hw[1]} wide and {size_hw[0]} high, got {source}, which is "
            f"{file_hw[1]} x {file_hw[0]}. Check file_name in the record."
        )


def _copied(picture: Picture, folder: Path) -> list[Path]:
    """The picture's file in the folder, with the labels' stem.

    Raises:
        ImageError: the file is not a picture of the masks' size: a record may name any file.
    """
    if picture.source is not None:
        _check_source(picture.source, picture.size_hw)
        path = folder / f"{picture.stem}{picture.source.suffix.lower()}"
        with whole_file(path) as part:
            shutil.copyfile(picture.source, part)
        return [path]
    return [] if picture.image is None else [write_picture(folder / f"{picture.stem}.png", picture.image)]
