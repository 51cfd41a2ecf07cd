"""Reads boxes that a detector wrote to files: COCO's JSON, as a data set or a list of results, and YOLO's text files.

Knows nothing about networks. The wanted classes are given when a picture's boxes are taken.

Source: cocodataset.org, "Results format"; docs.ultralytics.com, "Predict" (save_txt, save_conf).
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from samhq.errors import ImageError, PromptError, SamHQWarning, did_you_mean
from samhq.masks import rle
from samhq.results.detections import Detections
from samhq.storage.documents import read_json, read_text
from samhq.storage.schema import BOX, ID, NUMBER, TEXT, WORDS, Either, Fields, Items, shown
from samhq.text.classes import Classes, plain_phrase

_WANTED = (
    'COCO\'s data set {"images": [...], "categories": [...], "annotations": [...]} with bbox and score, or a list of '
    '{"file_name", "category", "bbox" (x, y, width, height), "score"}'
)
_ROW = {"bbox": BOX}
_RESULTS = Items(Fields(_ROW, {"score": NUMBER}))
_DATASET = Fields(
    {
        "images": Items(Fields({"id": ID, "file_name": TEXT})),
        "categories": Items(Fields({"id": ID, "name": WORDS})),
        "annotations": Items(Fields({"image_id": ID, "category_id": ID, **_ROW}, {"score": NUMBER})),
    }
)
_NAMES = ("classes.txt", "data.yaml", "dataset.yaml")  #: Files with the class names of a YOLO folder.
_OUTSIDE = 0.1  #: Outlines may leave the picture by this share of its side.


@dataclass(frozen=True)
class BoxRow:
    """One box: class name, corners (x0, y0, x1, y1), score, and a mask as RLE if there is one."""

    label: str
    box: tuple[float, float, float, float]
    score: float
    code: Any = None


@dataclass(frozen=True)
class BoxFile:
    """Boxes by the pictures' names in the file.

    `fractions`: coordinates are shares of a picture's width and height, as in YOLO's files. `complete`: the file lists
    all its pictures, also those without boxes, so that any other picture is an error. `names`: the class names that it
    lists, also those without boxes; a list of results has none.
    """

    path: Path
    rows: Mapping[str, Sequence[BoxRow]]
    fractions: bool = False
    complete: bool = False
    threshold: float = 0.25  #: Default threshold of scores.
    names: tuple[str, ...] = ()

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of all classes: those that the file lists, or those of its boxes."""
        return self.names or tuple(dict.fromkeys(row.label for rows in self.rows.values() for row in rows))

    def check_classes(self, classes: Classes) -> None:
        """Checks that the file lists at least one of the classes.

        If the file lists some of the classes, the others give only a warning, because a project may have more classes
        than one file of boxes.

        Raises:
            PromptError: no phrase of any class is listed.

        Warns:
            SamHQWarning: no phrase of some class is listed.
        """
        if not self.names:
            return
        listed = {plain_phrase(name) for name in self.names}
        by_name = classes.by_name
        unlisted = [name for name, phrases in by_name.items() if listed.isdisjoint(map(plain_phrase, phrases))]
        if not unlisted:
            return
        message = f"Expected classes of {self.path}, got {unlisted[0]!r}. {did_you_mean(unlisted[0], self.names)}"
        if len(unlisted) == len(by_name):
            raise PromptError(message)
        warnings.warn(message, SamHQWarning, stacklevel=2)

    def boxes_of(self, picture: str | PurePath, size_hw: tuple[int, int]) -> Detections:
        """All boxes of a picture, found by its path or the end of its path, its stem, or its name alone.

        If the file does not list pictures without boxes, a picture that it does not name has no boxes.

        Raises:
            PromptError: the file lists its pictures, but not this one; or a mask of another size.
        """
        rows = self._rows(PurePath(picture))
        names = tuple(dict.fromkeys(row.label for row in rows))
        if not rows:
            return Detections.none(names)
        boxes = np.array([row.box for row in rows], np.float64)
        if self.fractions:
            boxes *= np.array([size_hw[1], size_hw[0]] * 2)
        return Detections.of(
            boxes,
            np.array([row.score for row in rows]),
            np.array([names.index(row.label) for row in rows]),
            names,
            self._masks(rows, size_hw),
        )

    def _rows(self, picture: PurePath) -> Sequence[BoxRow]:
        parts = picture.parts
        ends = [str(PurePath(*parts[start:])) for start in range(len(parts))]
        for name in (*ends, picture.stem):
            if name in self.rows:
                return self.rows[name]
        similar = []
        for name in self.rows:
            path = PurePath(name)
            if picture.name in (path.name, path.stem):
                similar.append(name)
        if len(similar) == 1:  # The file has a longer path, or a suffix that video frames do not have.
            return self.rows[similar[0]]
        if self.complete:
            raise PromptError(
                f"Expected boxes for {picture.name} in {self.path}, got none. {did_you_mean(picture.name, self.rows)}"
            )
        return ()

    def _masks(self, rows: Sequence[BoxRow], size_hw: tuple[int, int]) -> np.ndarray | None:
        """The masks, if every row has one."""
        if any(row.code is None for row in rows):
            return None
        try:
            return rle.decode([row.code for row in rows if row.code is not None], size_hw)
        except ImageError as error:
            raise PromptError(f"{self.path}: {error} Give the pictures that the detector saw.") from error


def is_box_file(path: Path) -> bool:
    """Whether this is a JSON file that exists, or a folder of YOLO's text files."""
    if path.is_file():
        return True
    return path.is_dir() and not (path / "config.json").exists() and _texts(path) != []


def read_boxes(path: Path) -> BoxFile:
    """The boxes in a COCO JSON file, or in a folder of YOLO's text files.

    A YOLO folder needs `classes.txt` or `data.yaml` in it or in the folder above.

    Raises:
        PromptError: it cannot be read, or has another form.
    """
    return _read_yolo(path) if path.is_dir() else _read_coco(path)


def _read_coco(path: Path) -> BoxFile:
    content = read_json(path, "boxes", Either((_DATASET, _RESULTS)), PromptError, f"Write {_WANTED}.")
    return _coco_dataset(path, content) if isinstance(content, dict) else _coco_results(path, content)


def _coco_dataset(path: Path, content: Mapping[str, Any]) -> BoxFile:
    files = {image["id"]: image["file_name"] for image in content["images"]}
    names = {category["id"]: category["name"] for category in content["categories"]}
    rows: dict[str, list[BoxRow]] = {name: [] for name in files.values()}
    for record in content["annotations"]:
        for key, known in (("image_id", files), ("category_id", names)):
            if record[key] not in known:
                raise PromptError(f"Expected a {key} that {path} lists, got {shown(record[key])}. Check the file.")
        rows[files[record["image_id"]]].append(_coco_row(record, names[record["category_id"]]))
    return BoxFile(path, rows, complete=True, names=tuple(dict.fromkeys(names.values())))


def _coco_results(path: Path, content: Sequence[Mapping[str, Any]]) -> BoxFile:
    rows: dict[str, list[BoxRow]] = {}
    for record in content:
        picture = record.get("file_name", record.get("image_id"))
        label = record.get("category", record.get("category_name", record.get("label")))
        if not isinstance(picture, str) or not isinstance(label, str):
            raise PromptError(f"Expected file names and class names in {path}, got numbers. Write {_WANTED}.")
        rows.setdefault(picture, []).append(_coco_row(record, label))
    return BoxFile(path, rows)


def _coco_row(record: Mapping[str, Any], label: str) -> BoxRow:
    x, y, width, height = map(float, record["bbox"])
    score, code = record.get("score"), record.get("segmentation")
    box = x, y, x + width, y + height
    return BoxRow(label, box, 1.0 if score is None else float(score), code if isinstance(code, dict) else None)


def _read_yolo(folder: Path) -> BoxFile:
    names = _yolo_names(folder)
    rows = {}
    for text in _texts(folder):
        rows[text.stem] = [_yolo_row(text, line, names) for line in _lines(text)]
    return BoxFile(folder, rows, fractions=True, names=tuple(names))


def _texts(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.txt") if path.name not in _NAMES)


def _lines(path: Path) -> list[str]:
    return [line for line in read_text(path, "YOLO's lines", PromptError).splitlines() if line.strip()]


def _yolo_row(path: Path, line: str, names: Sequence[str]) -> BoxRow:
    """A line's class, box and score; of an outline, the box around it."""
    words = line.split()
    if len(words) < 5 or not words[0].isdecimal() or int(words[0]) >= len(names):
        raise PromptError(
            f"Expected lines `class x y width height [score]` or outlines `class x1 y1 x2 y2 x3 y3 ... [score]` with "
            f"classes 0 to {len(names) - 1} in {path}, got {line[:60]!r}. Correct the line."
        )
    label, numbers = names[int(words[0])], _finite(path, words[1:], len(words) - 1)
    score = numbers.pop() if len(numbers) % 2 else 1.0
    if len(numbers) == 4:
        x, y, width, height = numbers
        return BoxRow(label, (x - width / 2, y - height / 2, x + width / 2, y + height / 2), score)
    x0, y0, x1, y1 = min(numbers[::2]), min(numbers[1::2]), max(numbers[::2]), max(numbers[1::2])
    if min(x0, y0) < -_OUTSIDE or max(x1, y1) > 1 + _OUTSIDE or x0 == x1 or y0 == y1:
        raise PromptError(
            f"Expected an outline with an area, as shares of the picture from 0 to 1, in {path}, got {line[:60]!r}. Of "
            "lines with key points keep the first five numbers, the class and the box."
        )
    return BoxRow(label, (x0, y0, x1, y1), score)


def _yolo_names(folder: Path) -> list[str]:
    for place in (folder, folder.parent):
        for name in _NAMES:
            if (place / name).is_file():
                return _names_in(place / name)
    raise PromptError(
        f"Expected class names beside YOLO's files in {folder}, got none. Write them to "
        f"{folder / 'classes.txt'}, one on each line, in the order of their numbers."
    )


def _names_in(path: Path) -> list[str]:
    if path.suffix == ".txt":
        return [line.strip() for line in _lines(path)]
    import yaml

    try:
        names = yaml.safe_load(read_text(path, "YOLO's class names", PromptError))["names"]
        listed = [names[number] for number in range(len(names))] if isinstance(names, dict) else list(names)
        if not all(isinstance(name, (str, int, float)) for name in listed):
            raise TypeError("a name is not text")
    except (ValueError, LookupError, TypeError, RecursionError, yaml.YAMLError) as error:
        reason = f"{type(error).__name__}: {str(error)[:200]}"
        raise PromptError(
            f"Expected `names` in {path} as a list, or by numbers from 0, got something else ({reason}). Write a list."
        ) from error
    return [str(name) for name in listed]


def _finite(path: Path, values: Any, count: int) -> list[float]:
    try:
        numbers = [float(value) for value in values]
    except (TypeError, ValueError, OverflowError):
        numbers = []
    if len(numbers) != count or not np.isfinite(numbers).all():
        raise PromptError(f"Expected {count} finite numbers in {path}, got {str(values)[:60]}. Check the file.")
    return numbers
