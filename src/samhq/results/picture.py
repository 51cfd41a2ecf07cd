"""A picture with its objects, in the form that every writer takes, from a result or from segment-anything's records.

Knows nothing of networks or file formats.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from samhq.errors import ConfigError, ImageError
from samhq.masks import rle
from samhq.masks.finish import Finish
from samhq.plural import plural
from samhq.results.annotation import LABEL, Annotation, annotation_from_record
from samhq.results.segmentation import Segmentation


@dataclass(frozen=True)
class Georeference:
    """The position of a picture on Earth: x = a·column + b·row + c, y = d·column + e·row + f, for `transform` (a … f).

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
        """Points [N,2] in coordinates of `crs`, from (column, row)."""
        a, b, c, d, e, f = self.transform
        x, y = points[:, 0], points[:, 1]
        return np.stack([a * x + b * y + c, d * x + e * y + f], axis=1)


def georeference(source: Path, name: str | None = None) -> Georeference | None:
    """The geographic position of a TIFF, GeoTIFF, JPEG 2000 or VRT; None for other pictures.

    The suffix of `name` says what the file is, where its own does not.

    Raises:
        ImageError: it cannot be opened.
    """
    from samhq.image.sources import open_picture, read_by_window

    if not read_by_window(name or source):
        return None
    opened = open_picture(source)
    return None if opened.transform is None else Georeference(opened.transform, opened.crs)


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture and the objects found in it.

    `file_name` is the picture's name in the written files. `image` uint8 [H,W,3] is for formats that contain the
    picture; `source`, the path of its file, is for formats that copy it. The names of its own files begin with `stem`,
    by default the stem of `file_name`.
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
        """The annotations that have pixels, each with its number, from 1; no format can hold empty ones."""
        return [(number, item) for number, item in enumerate(self.annotations, 1) if item.area]

    def finished(self, finish: Finish) -> Picture:
        """The same picture with all masks cleaned."""
        if not finish.changes_masks:
            return self
        return replace(self, annotations=tuple(annotation.finished(finish) for annotation in self.annotations))


def picture_from_result(
    result: Segmentation, file_name: str, labels: str | Sequence[str] | None = None, **about: Any
) -> Picture:
    """A picture with the best mask of every prompt of a result; `labels` is one name for all, or one for each.

    None uses the labels of the prompts.

    `about` are more fields of `Picture`: `source`, `stem`, `geo`.

    Raises:
        ConfigError: a number of labels other than that of prompts.
    """
    own = [label or LABEL for label in result.labels] if labels is None else labels
    names = [own] * len(result) if isinstance(own, str) else list(own)
    if len(names) != len(result):
        raise ConfigError(
            f"Expected one label for each of {plural(len(result), 'prompt')}, got {len(names)}. Give a single one."
        )
    annotations = tuple(
        Annotation(rle.encode(mask), name, float(score), detector_score=prompt.score)
        for mask, name, score, prompt in zip(result.masks, names, result.scores, result.prompts, strict=True)
    )
    height, width = result.image.shape[:2]
    return Picture(file_name, (height, width), annotations, result.image, model=result.model, **about)


def as_picture(result: Any) -> Picture:
    """A picture from a `Segmentation`, an `Everything` or a `Picture`. A result without a file is called "picture".

    Raises:
        ConfigError: something else.
    """
    if isinstance(result, Picture):
        return result
    name = getattr(result, "file_name", None) or "picture"
    if hasattr(result, "candidates"):
        return picture_from_result(result, name)
    if hasattr(result, "as_records"):
        return picture_from_records(result.as_records("coco_rle"), name, result.kept.size_hw, model=result.model)
    raise ConfigError(
        f"Expected a result of segment or segment_everything, got a {type(result).__name__}. Give what they returned."
    )


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
