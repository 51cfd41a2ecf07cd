"""Boxes of an open-vocabulary detector on the pictures of a COCO file, as a file of results.

The detector searches for the file's own categories. No box is removed by score or overlap: the best pairs of a box and
a class count, as in SAM-HQ's SegInW script, because AP depends only on their order.

Source: SysCV/sam-hq, seginw/test_ap_on_seginw.py.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from samhq.datasets.coco import CocoPictures
from samhq.errors import ConfigError
from samhq.evaluation.suites.detections import MOST
from samhq.progress import counted
from samhq.results.detections import Detections
from samhq.storage.atomic import whole_file
from samhq.text.boxfile import BoxFile, is_box_file
from samhq.text.classes import Classes, as_classes, slash_variants
from samhq.text.detector import Detector
from samhq.text.load import load_detector
from samhq.text.search import Search

#: How detectors are loaded for AP: they give every pair of a box and a class, whatever its score.
EVERY_PAIR: dict[str, Any] = {"assign": "all", "floor": 0.0}
_AT_ONCE = 4  #: Pictures in a detector's batch.


def load_for_ap(detector: Any, device: Any = None) -> Detector | BoxFile:
    """A detector that gives all pairs of boxes and classes; a detector that is already loaded does not change.

    Raises:
        ConfigError, CheckpointError, MissingExtraError: as `samhq.text.load.load_detector`.
    """
    by_name = isinstance(detector, str | os.PathLike) and not is_box_file(Path(detector))
    return load_detector(detector, device=device, **(EVERY_PAIR if by_name else {}))


def write_boxes(
    detector: Any,
    pictures: CocoPictures,
    path: Path,
    *,
    places: Sequence[int] | None = None,
    label: str | None = None,
) -> Path:
    """Writes a detector's boxes of pictures, all or those at `places`, as a list of COCO results; returns the path.

    Boxes are (x, y, width, height), at most 100 for a picture, the best by score. Names with slashes are searched for
    by each part. `label` stands before a progress bar.

    Raises:
        ConfigError: no categories to search for.
        ImageError: a picture cannot be read, or has another size than its entry.
        PromptError: a category that the detector cannot read, or an answer of another form.
    """
    search = Search.of(_classes(pictures), detector=load_for_ap(detector), threshold=0.0, nms=1.0, max_detections=MOST)
    ids = sorted(pictures.categories)
    records: list[dict[str, Any]] = []
    chosen = range(len(pictures)) if places is None else places
    groups = [chosen[start : start + _AT_ONCE] for start in range(0, len(chosen), _AT_ONCE)]
    for group in counted(groups, "batch", label, show=label is not None):
        for place, boxes in zip(group, _detected(search, pictures, group), strict=True):
            records += _records(search.selection.apply(boxes), pictures.images[place]["id"], ids)
    with whole_file(path) as part:
        part.write_text(json.dumps(records), encoding="utf-8")
    return path


def _classes(pictures: CocoPictures) -> Classes:
    if not pictures.categories:
        raise ConfigError(f"Expected categories in {pictures.name} to search for, got none. Add them to the file.")
    return as_classes(slash_variants([pictures.categories[number] for number in sorted(pictures.categories)]))


def _detected(search: Search, pictures: CocoPictures, places: Sequence[int]) -> list[Detections]:
    paths = [pictures.path(place) for place in places]
    return search.detect([pictures.image(place) for place in places], [str(path) for path in paths])


def _records(detections: Detections, image: Any, categories: Sequence[int | str]) -> Iterator[dict[str, Any]]:
    for box, score, number in zip(
        detections.boxes.tolist(), detections.scores.tolist(), detections.class_ids.tolist(), strict=True
    ):
        x0, y0, x1, y1 = box
        record = {"image_id": image, "category_id": categories[number], "score": score}
        yield record | {"bbox": [x0, y0, x1 - x0, y1 - y0]}
