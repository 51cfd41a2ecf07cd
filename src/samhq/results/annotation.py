"""One object in the form that every writer takes: a run-length mask, a label and scores.

Masks are unpacked one at a time, so hundreds of objects in a large picture need the memory of one mask. Knows nothing
of networks or file formats.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from samhq.errors import ConfigError, ImageError
from samhq.image.read import as_array, describe
from samhq.masks import rle, runs
from samhq.masks.finish import Finish
from samhq.masks.polygons import Polygon, polygons_from_mask
from samhq.masks.regions import Piece
from samhq.options import real_number
from samhq.shapes import Bool

LABEL = "object"  #: Label of an object without one.
_IN_RECORDS = ("segmentation", "area", "bbox", "predicted_iou", "stability_score", "point_coords", "crop_box")
_OF_CLASSES = ("label", "score")


@dataclass(frozen=True, eq=False)
class Annotation:
    """One object: its mask, its label and its scores. Coordinates are image pixels.

    `code` is COCO's compressed RLE with its counts as str, whatever form was given; `score` is the predicted IoU.
    Whole-image masks also have `stability`, the `point` (x, y) of their prompt, and `box` and `crop` (x, y, width,
    height) as in the source. `extra` holds the other entries of the source, as JSON values. `detector_score` is the
    score of the detector that found the object.

    Raises:
        ImageError: the code is not RLE, or damaged.
    """

    code: rle.RLE
    label: str = LABEL
    score: float | None = None
    stability: float | None = None
    point: tuple[float, float] | None = None
    box: tuple[float, float, float, float] | None = None
    crop: tuple[float, float, float, float] | None = None
    extra: Mapping[str, Any] | None = None
    detector_score: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "code", _code(self.code))

    @property
    def confidence(self) -> float | None:
        """The score for formats with a single score: the detector's if there is one, else the predicted IoU."""
        return self.score if self.detector_score is None else self.detector_score

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width of the picture."""
        return int(self.code["size"][0]), int(self.code["size"][1])

    @property
    def mask(self) -> Bool[np.ndarray, "H W"]:
        """The mask, unpacked on every call."""
        return rle.decode(self.code)

    @cached_property
    def area(self) -> int:
        """The number of pixels on the object."""
        return rle.area(self.code)

    @cached_property
    def bbox_xywh(self) -> tuple[int, int, int, int]:
        """The tight box (x, y, width, height), as COCO counts: width 1 for one column; zeros for an empty mask."""
        from pycocotools import mask as coco

        x, y, width, height = (int(value) for value in coco.toBbox(self.code))
        return x, y, width, height

    @property
    def cropped(self) -> Bool[np.ndarray, "h w"]:
        """The mask cut to its box."""
        return rle.decode_window(self.code, self.bbox_xywh)

    def polygons(self, tolerance: float = 0.0) -> list[Polygon]:
        """Outlines with holes, (x, y) on pixel borders; see `samhq.masks.polygons`."""
        shift = np.array(self.bbox_xywh[:2])
        return [
            Polygon(polygon.exterior + shift, [hole + shift for hole in polygon.holes])
            for polygon in polygons_from_mask(self.cropped, tolerance)
        ]

    def finished(self, finish: Finish) -> Annotation:
        """The same object with its mask cleaned."""
        (height, width), (left, top, w, h) = self.size_hw, self.bbox_xywh
        # Cleaning treats the picture's border differently; a margin of one pixel shows where the picture continues.
        x, y = max(0, left - 1), max(0, top - 1)
        window = x, y, min(width, left + w + 1) - x, min(height, top + h + 1) - y
        mask = finish.apply(rle.decode_window(self.code, window))
        return replace(self, code=Piece.of(mask, x, y).rle(self.size_hw), box=None)


def annotation_from_record(record: Mapping[str, Any]) -> Annotation:
    """One of segment-anything's records; see `samhq.results.picture.picture_from_records`.

    >>> annotation_from_record({"segmentation": {"size": [2, 2], "counts": [0, 3, 1]}, "predicted_iou": 0.5}).area
    3

    Raises:
        ImageError: no segmentation, or neither a mask nor RLE.
    """
    points = record.get("point_coords")
    return Annotation(
        _code(record.get("segmentation")),
        str(record.get("label", LABEL)),
        _number(record.get("predicted_iou")),
        _number(record.get("stability_score")),
        None if points is None else _first_point(points),
        _numbers(record.get("bbox"), 4),
        _numbers(record.get("crop_box"), 4),
        {key: value for key, value in record.items() if key not in (*_IN_RECORDS, *_OF_CLASSES)} or None,
        _number(record.get("score")),
    )


def record_from_annotation(annotation: Annotation) -> dict[str, Any]:
    """The record in segment-anything's `coco_rle` form, as JSON values; unknown values are left out.

    A label is written only if one was given.
    """
    known = {
        "predicted_iou": annotation.score,
        "point_coords": None if annotation.point is None else [list(annotation.point)],
        "stability_score": annotation.stability,
        "crop_box": None if annotation.crop is None else list(annotation.crop),
        "label": None if annotation.label == LABEL else annotation.label,
        "score": annotation.detector_score,
    }
    return {
        "segmentation": annotation.code,
        "area": annotation.area,
        "bbox": list(annotation.box or annotation.bbox_xywh),
        **{key: value for key, value in known.items() if value is not None},
        **(annotation.extra or {}),
    }


def _code(segmentation: Any) -> rle.RLE:
    """The compressed RLE, checked; counts in bytes become str."""
    if isinstance(segmentation, Mapping):
        counts, size = segmentation.get("counts"), segmentation.get("size")
        if isinstance(counts, str | bytes):
            rle.area(segmentation)
            return {
                "size": [int(n) for n in size or ()],
                "counts": counts if isinstance(counts, str) else counts.decode(),
            }
        return runs.compressed_code(segmentation)
    if segmentation is None or isinstance(segmentation, list):
        raise ImageError(
            f"Expected an object's segmentation as a bool mask or RLE, got {str(segmentation)[:60]}. "
            "Polygons have no size; fill them first."
        )
    mask = as_array(segmentation)
    if mask.ndim != 2:
        raise ImageError(
            f"Expected an object's segmentation as one bool mask [H, W], got shape {list(mask.shape)}. "
            "Give one mask for each object."
        )
    return dict(rle.encode(mask))


def _number(value: Any) -> float | None:
    """A score; None for None.

    Raises:
        ImageError: no finite number.
    """
    if value is None:
        return None
    try:
        return float(real_number("a record's score", value))
    except ConfigError as error:
        raise ImageError(str(error)) from error


def _first_point(points: Any) -> Any:
    array = as_array(points)
    if array.ndim != 2 or array.shape[1] != 2 or not len(array):
        raise ImageError(f"Expected point_coords as [[x, y]] in a record, got {describe(points)}. Check the record.")
    return tuple(array[0].tolist())


def _numbers(values: Any, count: int) -> Any:
    """A tuple of plain ints and floats; None for None."""
    if values is None:
        return None
    plain = tuple(as_array(values).ravel().tolist())
    if len(plain) != count:
        raise ImageError(f"Expected {count} coordinates in a record, got {str(values)[:60]}. Check the record.")
    return plain
