"""What every writer takes: a picture's name and size, and its objects as run-length codes.

Made from a result, or from segment-anything's records. Masks are unpacked one at a time, so that hundreds of objects
in a large picture need the memory of one. Knows nothing of networks, nor of any file format.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool

from samhq.errors import ConfigError, ImageError
from samhq.image.read import as_array
from samhq.masks import rle
from samhq.masks.finish import Finish
from samhq.masks.polygons import Polygon, polygons_from_mask
from samhq.masks.regions import Piece

if TYPE_CHECKING:
    from samhq.inference.result import Segmentation

LABEL = "object"  #: what an object is called where nobody said it
_IN_RECORDS = ("segmentation", "area", "bbox", "predicted_iou", "stability_score", "point_coords", "crop_box", "label")


@dataclass(frozen=True, eq=False)
class Annotation:
    """One object: its mask, what it is, and how sure its maker was. Coordinates are image pixels.

    `code` is COCO's RLE, kept compressed with its counts as str, however it was given; `score` the predicted IoU.
    Of whole-image masks `stability` and `point` (x, y) are known, and `box` and `crop`, (x, y, width, height) as
    their maker wrote them. `extra` is what else its maker said, JSON values.

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

    def __post_init__(self) -> None:
        object.__setattr__(self, "code", _code(self.code))

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width of the picture."""
        return int(self.code["size"][0]), int(self.code["size"][1])

    @property
    def mask(self) -> Bool[np.ndarray, "H W"]:
        """The mask, unpacked anew at each call."""
        return rle.decode(self.code)

    @cached_property
    def area(self) -> int:
        """Pixels on the object."""
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
        """The same object with its mask finished."""
        (height, width), (left, top, w, h) = self.size_hw, self.bbox_xywh
        # A pixel around the box says where the picture goes on; finishing treats its border apart.
        x, y = max(0, left - 1), max(0, top - 1)
        window = x, y, min(width, left + w + 1) - x, min(height, top + h + 1) - y
        mask = finish.apply(rle.decode_window(self.code, window))
        return replace(self, code=Piece.of(mask, x, y).rle(self.size_hw), box=None)


@dataclass(frozen=True)
class Georeference:
    """Where on earth a picture lies: x = a·column + b·row + c, y = d·column + e·row + f, for `transform` (a … f).

    Columns and rows count from the top-left corner of the top-left pixel, as in rasterio's affine transforms. `crs`
    names the coordinates, such as "EPSG:32633".
    """

    transform: tuple[float, float, float, float, float, float]
    crs: str | None = None

    def __post_init__(self) -> None:
        a, b, _, d, e, _ = self.transform
        if not np.isfinite(self.transform).all() or a * e == b * d:
            raise ConfigError(
                f"Expected six numbers (a, b, c, d, e, f) that give pixels an area, got {self.transform}. For square "
                "pixels of side s with the corner at (x, y) write (s, 0, x, 0, -s, y)."
            )

    def apply(self, points: np.ndarray) -> np.ndarray:
        """Points [N,2] in coordinates of the earth, from (column, row)."""
        a, b, c, d, e, f = self.transform
        x, y = points[:, 0], points[:, 1]
        return np.stack([a * x + b * y + c, d * x + e * y + f], axis=1)


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture and what was found in it.

    `file_name` is how files shall call it; `image` uint8 [H,W,3], for the formats that show it; `source` where its
    file is, for those that copy it; `stem` begins the names of its own files (by default that of `file_name`).
    """

    file_name: str
    size_hw: tuple[int, int]
    annotations: tuple[Annotation, ...] = ()
    image: np.ndarray | None = None
    source: Path | None = None
    stem: str = ""
    geo: Georeference | None = None
    model: str = ""

    def __post_init__(self) -> None:
        if not self.stem:
            object.__setattr__(self, "stem", Path(self.file_name).stem)
        sizes = {annotation.size_hw for annotation in self.annotations}
        sizes |= {self.image.shape[:2]} if self.image is not None else set()
        if sizes - {tuple(self.size_hw)}:
            raise ImageError(
                f"Expected masks and image of the size of {self.file_name}, {list(self.size_hw)} (height, width), got "
                f"{sorted(sizes - {tuple(self.size_hw)})}. Give masks at the size of the picture that they belong to."
            )

    @property
    def objects(self) -> list[tuple[int, Annotation]]:
        """The annotations that have pixels, each with its number, from 1; no format can say the others."""
        return [(number, item) for number, item in enumerate(self.annotations, 1) if item.area]

    def finished(self, finish: Finish) -> Picture:
        """The same picture with all masks finished."""
        if not finish.changes_masks:
            return self
        return replace(self, annotations=tuple(annotation.finished(finish) for annotation in self.annotations))


def picture_from_result(
    result: Segmentation, file_name: str, labels: str | Sequence[str] = LABEL, **about: Any
) -> Picture:
    """The best mask of every prompt of a result; `labels` is one name for all, or one for each.

    `about` are more fields of `Picture`: `source`, `stem`, `geo`.

    Raises:
        ConfigError: a number of labels other than that of prompts.
    """
    names = [labels] * len(result) if isinstance(labels, str) else list(labels)
    if len(names) != len(result):
        raise ConfigError(f"Expected one label for each of {len(result)} prompts, got {len(names)}. Give a single one.")
    annotations = tuple(
        Annotation(rle.encode(mask), name, float(score))
        for mask, name, score in zip(result.masks, names, result.scores, strict=True)
    )
    height, width = result.image.shape[:2]
    return Picture(file_name, (height, width), annotations, result.image, model=result.model, **about)


def picture_from_records(
    records: Iterable[Mapping[str, Any]], file_name: str, size_hw: tuple[int, int], **about: Any
) -> Picture:
    """A picture from records as segment-anything makes them, in any of its three output modes.

    Each has `segmentation` (bool [H,W], uncompressed RLE or compressed RLE) and may have `predicted_iou`,
    `stability_score`, `point_coords`, `bbox`, `crop_box`, and also a `label`; other entries become `extra`. `about` are
    more fields of `Picture`: `image`, `source`, `stem`, `geo`, `model`.

    Raises:
        ImageError: a segmentation that is neither a mask nor RLE, or of another size.
    """
    return Picture(file_name, size_hw, tuple(map(annotation_from_record, records)), **about)


def annotation_from_record(record: Mapping[str, Any]) -> Annotation:
    """One of segment-anything's records; see `picture_from_records`.

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
        None if points is None else _numbers(points[0], 2),
        _numbers(record.get("bbox"), 4),
        _numbers(record.get("crop_box"), 4),
        {key: value for key, value in record.items() if key not in _IN_RECORDS} or None,
    )


def record_from_annotation(annotation: Annotation) -> dict[str, Any]:
    """The record that segment-anything's `coco_rle` mode would give, as JSON values; what is unknown is left out.

    A label is written only where one was given.
    """
    known = {
        "predicted_iou": annotation.score,
        "point_coords": None if annotation.point is None else [list(annotation.point)],
        "stability_score": annotation.stability,
        "crop_box": None if annotation.crop is None else list(annotation.crop),
        "label": None if annotation.label == LABEL else annotation.label,
    }
    return {
        "segmentation": annotation.code,
        "area": annotation.area,
        "bbox": list(annotation.box or annotation.bbox_xywh),
        **{key: value for key, value in known.items() if value is not None},
        **(annotation.extra or {}),
    }


def rings(polygons: Iterable[Polygon]) -> Iterator[np.ndarray]:
    """Every ring [N,2], each polygon's exterior before its holes."""
    for polygon in polygons:
        yield polygon.exterior
        yield from polygon.holes


def _code(segmentation: Any) -> rle.RLE:
    """Compressed RLE, checked; a file's own counts as bytes become str."""
    if isinstance(segmentation, Mapping):
        counts, size = segmentation.get("counts"), segmentation.get("size")
        if isinstance(counts, str | bytes):
            rle.area(segmentation)
            return {
                "size": [int(n) for n in size or ()],
                "counts": counts if isinstance(counts, str) else counts.decode(),
            }
        return dict(rle.encode(rle.decode(segmentation)))
    if segmentation is None or isinstance(segmentation, list):
        raise ImageError(
            f"Expected an object's segmentation as a bool mask or RLE, got {str(segmentation)[:60]}. "
            "Polygons have no size; fill them first."
        )
    mask = as_array(segmentation)
    if mask.ndim != 2:
        raise ImageError(f"Expected an object's segmentation as one bool mask [H, W], got shape {list(mask.shape)}.")
    return dict(rle.encode(mask))


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _numbers(values: Any, count: int) -> Any:
    """A tuple of plain ints and floats; None for None."""
    if values is None:
        return None
    plain = tuple(as_array(values).ravel().tolist())
    if len(plain) != count:
        raise ImageError(f"Expected {count} coordinates in a record, got {str(values)[:60]}. Check the record.")
    return plain
