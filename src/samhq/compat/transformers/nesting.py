"""Prompts as nested lists with rows of any length, arrays or tensors, to padded arrays [I,P,...].

Knows nothing about pictures or models: coordinates stay in the picture's pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from samhq.errors import PromptError, naming
from samhq.types import IGNORED

#: Names of the levels of nesting in messages, from outside in.
_POINTS = "[image][object][point][x, y], or [image][point][x, y] for one object an image"
_LABELS = "one label for each point, nested like the points"
_BOXES = "[image][object][x0, y0, x1, y1]"


@dataclass(frozen=True)
class Nested:
    """Prompts by picture and object: points [N,2], labels [N], a box [4]; None if not given."""

    points: list[list[np.ndarray]] | None = None
    labels: list[list[np.ndarray]] | None = None
    boxes: list[list[np.ndarray]] | None = None


@dataclass(frozen=True)
class Padded:
    """The same as arrays: points [I,P,N,2], labels [I,P,N], boxes [I,P,4]."""

    points: Float64[np.ndarray, "I P N 2"] | None
    labels: Int64[np.ndarray, "I P N"] | None
    boxes: Float64[np.ndarray, "I P 4"] | None


def nested_prompts(points: Any, labels: Any, boxes: Any, images: int) -> Nested:
    """The prompts of `images` pictures from lists, tuples, arrays, tensors, or any mixture nested in each other.

    Points are `[image][object][point][x, y]`, or without the object level if each image has one object. Labels are
    nested like the points (1 on the object, 0 off it). Boxes are `[image][object][x0, y0, x1, y1]`, also with one more
    level: a group of all objects below the image, or a list of one box below the object. An object may have None for
    its points or its box; an image may have no objects.

    >>> nested_prompts([[[450, 600]]], None, None, 1).points
    [[array([[450., 600.]])]]

    Raises:
        PromptError: other nesting; numbers of images, objects or points that do not agree; not numbers.
    """
    if labels is not None and points is None:
        raise PromptError("Expected input_points with the input_labels, got labels alone. Give input_points too.")
    nested_points = None if points is None else _points(points, images)
    nested = Nested(
        nested_points,
        None if labels is None or nested_points is None else _labels(labels, nested_points),
        None if boxes is None else _boxes(boxes, images),
    )
    _check_pairs(nested)
    return nested


def pad(nested: Nested, pad_value: float = IGNORED) -> Padded:
    """Rows of equal length: points are padded with `pad_value` and label -10, boxes with NaN.

    The result has labels if they were given or if points were padded; otherwise all points are on the object.

    >>> pad(nested_prompts([[[1, 2]], [[3, 4], [5, 6]]], None, None, 2)).labels.tolist()
    [[[1, -10]], [[1, 1]]]

    If no image has an object, P is 0.

    Raises:
        PromptError: objects of which none has a point.
    """
    boxes = None if nested.boxes is None else _grid(nested.boxes, (4,), np.nan, depth=2)
    if nested.points is None:
        return Padded(None, None, boxes)
    given = nested.labels or [[np.ones(len(xy), np.int64) for xy in objects] for objects in nested.points]
    labels = _grid(given, (), IGNORED, depth=3).astype(np.int64)
    points = _grid(nested.points, (2,), pad_value, depth=3)
    return Padded(points, labels if nested.labels is not None or (labels == IGNORED).any() else None, boxes)


def _points(value: Any, images: int) -> list[list[np.ndarray]]:
    lists = _lists(value, "input_points", _POINTS)
    depth = _depth(lists)
    if depth == 2 and not any(lists):
        objects: list[list[Any]] = [[] for _ in lists]
    elif depth == 3:
        objects = [[group] for group in lists]
    elif depth == 4:
        objects = _objects(lists, "input_points", _POINTS)
    else:
        raise PromptError(f"Expected input_points as {_POINTS}, got {depth} levels of nesting. Add or remove a level.")
    _check_count("input_points", lists, images)
    return _map_objects(objects, lambda points: _numbers(points, "input_points", (-1, 2), _POINTS))


def _labels(value: Any, points: list[list[np.ndarray]]) -> list[list[np.ndarray]]:
    lists = _lists(value, "input_labels", _LABELS)
    depth = _depth(lists)
    if depth not in (2, 3):
        raise PromptError(f"Expected input_labels as {_LABELS}, got {depth} levels of nesting. Add or remove a level.")
    single = depth == 2 and any(points)
    objects = [[group] for group in lists] if single else _objects(lists, "input_labels", _LABELS)
    labels = _map_objects(objects, lambda row: _numbers(row, "input_labels", (-1,), _LABELS))
    if _counts(labels) != _counts(points):
        raise PromptError(
            f"Expected {_LABELS}: {_counts(points)} points by image and object, got {_counts(labels)} input_labels. "
            "Give one label for each point."
        )
    return _map_objects(labels, _whole)


def _boxes(value: Any, images: int) -> list[list[np.ndarray]]:
    lists = _level(_lists(value, "input_boxes", _BOXES), "input_boxes", _BOXES)
    _check_count("input_boxes", lists, images)
    if lists and all(isinstance(image, list) and len(image) == 1 and _depth(image) == 3 for image in lists):
        lists = [image[0] for image in lists]  # [image][group of all objects][object], as mask generation has them.
    return _map_objects(_objects(lists, "input_boxes", _BOXES), _box)


def _objects(lists: list[Any], name: str, expected: str) -> list[list[Any]]:
    """The objects of each image; an error names the image."""
    images = []
    for number, image in enumerate(lists):
        with naming("image", number, len(lists)):
            images.append(_level(image, name, expected))
    return images


def _map_objects(objects: list[list[Any]], read: Callable[[Any], np.ndarray]) -> list[list[np.ndarray]]:
    """The results of `read` for every object of every image; an error names both."""
    rows: list[list[np.ndarray]] = []
    for number, image in enumerate(objects):
        rows.append([])
        for place, value in enumerate(image):
            with naming("image", number, len(objects)), naming("object", place, len(image)):
                rows[-1].append(read(value))
    return rows


def _box(value: Any) -> np.ndarray:
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], list):
        value = value[0]
    return np.full(4, np.nan) if value is None else _numbers(value, "input_boxes", (4,), _BOXES)


def _level(value: Any, name: str, expected: str) -> list[Any]:
    """The list at this level; None counts as an empty list."""
    if value is not None and not isinstance(value, list):
        raise PromptError(
            f"Expected {name} as {expected}, got the number {value!r} where a list belongs. Add a level of nesting."
        )
    return value or []


def _lists(value: Any, name: str, expected: str) -> Any:
    """Arrays, tensors and tuples at any level as lists; numbers and None are unchanged."""
    if hasattr(value, "tolist"):
        value = (value.detach() if hasattr(value, "detach") else value).tolist()
    if isinstance(value, (list, tuple)):
        return [_lists(item, name, expected) for item in value]
    if value is None or isinstance(value, (int, float)):
        return value
    raise PromptError(
        f"Expected {name} as {expected}, got a {type(value).__name__} ({value!r:.40}) among them. "
        "Convert it to numbers."
    )


def _depth(value: Any) -> int:
    return 1 + max((_depth(item) for item in value), default=0) if isinstance(value, list) else 0


def _numbers(value: Any, name: str, shape: tuple[int, ...], expected: str) -> np.ndarray:
    """Finite numbers with a given shape, in which -1 is any length; None has length 0."""
    if value is None or (value == [] and shape[0] == -1):
        return np.zeros([max(size, 0) for size in shape])
    try:
        array = np.array(value, np.float64)
    except (ValueError, TypeError) as error:
        raise PromptError(
            f"Expected {name} as {expected}, got {value!r:.60}, which is uneven or has gaps. Give equally long rows."
        ) from error
    fits = array.ndim == len(shape) and all(want in (-1, size) for want, size in zip(shape, array.shape, strict=True))
    if not fits or not np.isfinite(array).all():
        raise PromptError(
            f"Expected {name} as {expected}, in finite numbers, got {value!r:.60}. "
            "Leave out prompts that you do not have."
        )
    return array


def _whole(labels: np.ndarray) -> np.ndarray:
    if (labels != labels.round()).any():
        raise PromptError(
            f"Expected input_labels of 1 (on the object) and 0 (off it), got {labels.tolist()}. Change the label."
        )
    return labels.astype(np.int64)


def _counts(objects: list[list[np.ndarray]]) -> list[list[int]]:
    return [[len(row) for row in image] for image in objects]


def _check_count(name: str, lists: Any, images: int) -> None:
    if len(lists) != images:
        raise PromptError(
            f"Expected {name} for each of {images} image{'s' * (images != 1)}, got {len(lists)}. The outermost level "
            "is images, the next one objects."
        )


def _check_pairs(nested: Nested) -> None:
    if nested.points is None or nested.boxes is None:
        return
    points, boxes = [len(image) for image in nested.points], [len(image) for image in nested.boxes]
    if points != boxes:
        raise PromptError(
            f"Expected as many boxes as groups of points for each image, got {boxes} boxes and {points} groups. A box "
            "and the points of the same object go together; give None where an object has only one of them."
        )


def _grid(objects: list[list[Any]], cell: tuple[int, ...], fill: float, *, depth: int) -> np.ndarray:
    """Rows of rows as one array, each padded at its end."""
    size = [len(objects), max((len(image) for image in objects), default=0)]
    if depth == 3:
        size.append(max((len(row) for image in objects for row in image), default=0))
    if size[1] and 0 in size:
        raise PromptError("Expected at least one point, got none in any object. Leave the argument out.")
    grid = np.full((*size, *cell), fill, np.float64)
    for i, image in enumerate(objects):
        for j, row in enumerate(image):
            grid[(i, j, slice(len(row))) if depth == 3 else (i, j)] = row
    return grid
