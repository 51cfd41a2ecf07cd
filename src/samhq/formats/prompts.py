"""Reads prompts from files: JSON of several tools, and masks of earlier results.

Knows nothing about networks. Whether a prompt fits its picture is checked when it is used.

Source: samexporter's prompt files (github.com/vietanhdev/samexporter); the other forms are samhq's own.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from samhq.errors import ImageError, PromptError, did_you_mean, naming
from samhq.formats.geo_prompts import is_geojson, prompts_from_geojson
from samhq.image.boxes import rows_of_boxes, rows_of_points
from samhq.image.read import read_mask
from samhq.masks import rle, runs
from samhq.plural import plural
from samhq.results.prompt import Prompt
from samhq.storage.documents import check_document, read_array, read_json
from samhq.storage.schema import ANY, RLE, shown

_PLACES = ("points", "labels", "box", "mask")  #: Fields that give an object's position.
_FIELDS = (*_PLACES, "label", "score")
_FORMS = (
    '{"objects": [{"points": [[x, y]], "labels": [1], "box": [x0, y0, x1, y1], "mask": "file.png", "label": "cup"}]}, '
    "a list of such objects, either of them by the pictures' file names, a record that samhq wrote, or "
    "samexporter's list"
)


@dataclass(frozen=True)
class PromptFile:
    """The prompts in a file: `everywhere`, for every picture, or `by_name`, for the pictures that it names.

    Both may be empty: a detector that found nothing writes such files. `on_map` is GeoJSON, whose features are prompts
    in the pixels of each picture; `crs` overrides the coordinate system that it states.
    """

    path: Path
    everywhere: tuple[Prompt, ...] | None = None
    by_name: dict[str, tuple[Prompt, ...]] = field(default_factory=dict)
    on_map: Mapping[str, Any] | None = None
    crs: str | None = None

    def for_picture(self, picture: str | os.PathLike[str]) -> tuple[Prompt, ...]:
        """The prompts for one picture, found by its path as given, its file name, or its stem.

        Raises:
            PromptError: the file names pictures, but not this one; as `prompts_from_geojson`.
            ImageError: GeoJSON, and the picture has no position on Earth.
        """
        if self.on_map is not None:
            return tuple(prompts_from_geojson(self.on_map, picture, self.crs))
        if self.everywhere is not None:
            return self.everywhere
        path = Path(picture)
        for name in names_for_prompts(picture):
            if name in self.by_name:
                return self.by_name[name]
        raise PromptError(
            f"Expected prompts for {path.name} in {self.path}, got none. {did_you_mean(path.name, self.by_name)}"
        )


def names_for_prompts(picture: str | os.PathLike[str]) -> tuple[str, str, str]:
    """The names by which a picture's prompts are found, best first: its path as given, its file name, its stem.

    >>> names_for_prompts("cups/a.jpg")
    ('cups/a.jpg', 'a.jpg', 'a')
    """
    path = Path(picture)
    return str(picture), path.name, path.stem


def read_prompts(path: str | os.PathLike[str], crs: str | None = None) -> PromptFile:
    """The prompts in a JSON file, one for each object; masks are read from files beside it.

    The forms: `{"objects": [...]}` or just the list, each object with some of `points` [[x, y]], `labels`, `box` (x0,
    y0, x1, y1) and `mask` (a file), and optionally `label`, its class, and `score`, a detector's; a mapping from
    pictures' file names to these forms; a record written by `Segmentation.save`; and samexporter's list of marks, which
    together are one object. Coordinates are image pixels. GeoJSON holds objects in map coordinates, in `crs` if it is
    given, else in the system that the file states.

    Raises:
        PromptError: the file cannot be read, is not JSON, or has none of these forms.
    """
    path = Path(path)
    value = _json(path)
    if is_geojson(value):
        return PromptFile(path, on_map=value, crs=crs)
    if crs is not None:
        raise PromptError(f"Expected GeoJSON for prompts in {crs}, got {path} with prompts in pixels. Leave --crs out.")
    try:
        if isinstance(value, dict) and value and not _has_objects(value):
            return PromptFile(path, by_name={name: _named(name, item, path.parent) for name, item in value.items()})
        return PromptFile(path, everywhere=_objects(value, path.parent))
    except PromptError as error:
        raise PromptError(f"{path}: {error}") from error


def read_mask_prompt(path: str | os.PathLike[str]) -> Any:
    """The mask of an earlier result, as `Prompt.mask` takes it: bool [H,W] of the picture, RLE, or float logits.

    A `.json` record gives the best mask of its single object, as COCO's RLE; a `.npy` file gives its array; any other
    file is read as a picture that is light on the object.

    Raises:
        PromptError: the file cannot be read, or does not hold one mask.
    """
    path = Path(path)
    try:
        if path.suffix.lower() == ".json":
            return _mask_of_record(path)
        return _array(path) if path.suffix.lower() == ".npy" else read_mask(path)
    except ImageError as error:
        raise PromptError(f"A mask prompt is a mask picture, a record or a .npy file: {error}") from error


def _json(path: Path) -> Any:
    return read_json(path, "prompts", ANY, PromptError, f"Write {_FORMS}.")


def _has_objects(value: dict[str, Any]) -> bool:
    """Whether this dict describes objects, and is not a mapping from pictures' names."""
    return any(key in value for key in ("objects", "prompts", "error", *_PLACES))


def _named(name: str, value: Any, folder: Path) -> tuple[Prompt, ...]:
    """The prompts of the picture of this name."""
    try:
        return _objects(value, folder)
    except PromptError as error:
        raise PromptError(f"{name}: {error}") from error


def _objects(value: Any, folder: Path) -> tuple[Prompt, ...]:
    """The prompts in a value of any form."""
    if isinstance(value, dict) and "error" in value:
        raise PromptError(f"Expected prompts, got the record of a picture that failed: {str(value['error'])[:200]}")
    for key in ("objects", "prompts"):
        if isinstance(value, dict) and key in value:
            value = value[key]
            break
    items = [value] if isinstance(value, dict) else value
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise PromptError(f"Expected one of the known forms, got {shown(value)}. Write {_FORMS}.")
    if any("type" in item for item in items):
        return (_from_marks(items),)
    objects = []
    for number, item in enumerate(items):
        with naming("object", number, len(items)):
            objects.append(_prompt_of(item, folder))
    return tuple(objects)


def _prompt_of(item: dict[str, Any], folder: Path) -> Prompt:
    """One object in samhq's own form."""
    for key in item:
        if key not in _FIELDS:
            raise PromptError(f"Expected an object's fields, got {key!r}. {did_you_mean(key, _FIELDS)}")
    mask = item.get("mask")
    if all(item.get(key) is None for key in _PLACES):
        raise PromptError(
            'Expected an object with points, a box or a mask, got an empty one. Write {"points": [[x, y]]}.'
        )
    drawn = None if mask is None else _mask(mask, folder)
    if item.get("points") is not None:
        rows_of_points(item["points"])
    if item.get("box") is not None:
        _check_box(item["box"])
    return Prompt(item.get("points"), item.get("labels"), item.get("box"), drawn, _label(item), _score(item))


def _check_box(box: Any) -> None:
    rows = rows_of_boxes(box)
    if len(rows) != 1:
        raise PromptError(f"Expected one box for each object, got {len(rows)}. Write several objects in a list.")


def _label(item: dict[str, Any]) -> str | None:
    label = item.get("label")
    if label is not None and not (isinstance(label, str) and label.strip()):
        raise PromptError(
            f'Expected a label as text, got {label!r:.60}. Write "label": "cup"; labels of points are "labels".'
        )
    return label


def _score(item: dict[str, Any]) -> float | None:
    score = item.get("score")
    if score is not None and (isinstance(score, bool) or not isinstance(score, int | float) or not np.isfinite(score)):
        raise PromptError(f"Expected a score as a finite number, got {score!r:.60}. Leave it out or write a number.")
    return None if score is None else float(score)


def _mask(value: Any, folder: Path) -> Any:
    if isinstance(value, str):
        return read_mask_prompt(folder / value)
    if isinstance(value, dict):
        return checked_code(value)
    if value is True:
        raise PromptError(
            "Expected a mask prompt's file, got a record whose mask prompt was logits, which records do not keep. "
            "Name the mask of the object that you want to refine instead."
        )
    raise PromptError(f'Expected a mask prompt as the name of a file or as RLE, got {shown(value)}. Write "file.png".')


def _from_marks(marks: list[dict[str, Any]]) -> Prompt:
    """One object of samexporter's form: points with labels, and at most one rectangle."""
    points: list[Any] = []
    labels: list[Any] = []
    boxes: list[Any] = []
    for mark in marks:
        kind, data = mark.get("type"), mark.get("data")
        if kind == "point":
            points.append(data)
            labels.append(mark.get("label", 1))
        elif kind == "rectangle":
            boxes.append(data)
        else:
            raise PromptError(f"Expected marks of type point or rectangle, got {shown(kind)}. Remove it.")
    if len(boxes) > 1:
        raise PromptError(
            f"Expected at most one rectangle, since the marks of a list are one object, got {len(boxes)}. "
            f'For several objects write {{"objects": [{{"box": [x0, y0, x1, y1]}}, ...]}}.'
        )
    return Prompt(points or None, labels or None, boxes[0] if boxes else None)


def _mask_of_record(path: Path) -> rle.RLE:
    """The best mask of the one object of a record, as RLE."""
    record = _json(path)
    annotations = record.get("annotations") if isinstance(record, dict) else None
    if not isinstance(annotations, list) or not all(isinstance(item, dict) for item in annotations):
        raise PromptError(f"Expected a record with annotations in {path}, got {shown(record)}. Give a mask picture.")
    best = [item for item in annotations if item.get("candidate", 0) == 0]
    if len(best) != 1:
        raise PromptError(
            f"Expected a record of one object as a mask prompt, got {plural(len(best), 'object')} in {path}. "
            "Give the PNG mask of the one that you mean."
        )
    return checked_code(best[0].get("segmentation"))


def checked_code(value: Any) -> rle.RLE:
    """A mask's RLE, compressed. It is unpacked only when the picture's size is known, because any size may be written.

    Raises:
        PromptError: it is not RLE, or damaged.
    """
    if not isinstance(value, dict):
        raise PromptError(f"Expected a mask as RLE with size and counts, got {shown(value)}. Give a mask picture.")
    try:
        check_document(value, "a mask", RLE, ImageError)
        return runs.compressed_code(value)
    except ImageError as error:
        raise PromptError(f"Expected a mask as RLE: {error}") from error


def _array(path: Path) -> np.ndarray:
    """A `.npy` file's array, never a pickle."""
    value = read_array(path, "an array", PromptError)
    if value.dtype.kind not in "bf":
        raise PromptError(
            f"Expected a bool mask or float logits in {path}, got {value.dtype}. For a 0/255 mask save `mask > 127`."
        )
    return value
