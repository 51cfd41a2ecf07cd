"""AP of tubes: objects with a mask in every frame of a video.

The overlap of a result with a true object is computed over all frames together, so every wrong frame lowers it. Knows
nothing of files, networks or pictures.

Source: Yang et al., Video Instance Segmentation, arXiv 1905.04804; youtubevos/cocoapi (areas and their limits).
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping, Sequence
from functools import partial
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np

from samhq.evaluation.average_precision import AveragePrecision, coco_index, numbers_of
from samhq.masks import rle

if TYPE_CHECKING:
    from pycocotools.cocoeval import COCOeval

#: Mean areas per frame, in pixels, above which an object is medium and large; larger than COCO's.
MEDIUM, LARGE = 128**2, 256**2
MOST = 100  #: Largest number of results of a video, the best by score.

#: A mask in every frame of a video; None if the object is not visible.
Tube = Sequence[Mapping[str, Any] | None]


def tube_iou(pred: Tube, true: Tube, crowd: bool = False) -> float:
    """The overlap of two tubes, 0..1: all frames' intersections over all frames' unions; 0 if both are empty.

    For a crowd the prediction's own size replaces the union, as in COCO.

    >>> whole, half = (rle.encode(np.array([[True, a]])) for a in (True, False))
    >>> tube_iou([whole, whole], [whole, half]), tube_iou([whole, None], [whole, whole])
    (0.75, 0.5)
    """
    shared = sum(_shared(a, b) for a, b in zip(pred, true, strict=True))
    whole = _size(pred) if crowd else _size(pred) + _size(true) - shared
    return shared / whole if whole else 0.0


def tube_average_precision(
    truth: Sequence[Mapping[str, Any]],
    results: Sequence[Mapping[str, Any]],
    video_ids: Sequence[int],
    category_ids: Sequence[int | str],
) -> AveragePrecision:
    """The AP of tubes against true tubes; matching and means are pycocotools'.

    `truth` are records with video_id, category_id, segmentations (RLE or None for each frame) and iscrowd; `results`
    with video_id, category_id, segmentations and score. Sizes are by the mean area over the frames in which an object
    is visible.
    """
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools prints its progress.
        # Boxes are the only kind of object that it does not decode itself.
        evaluation = COCOeval(_tubes(truth, video_ids, category_ids), _tubes(results, video_ids, category_ids), "bbox")
        evaluation.params.areaRng = [[0, 1e10], [0, MEDIUM], [MEDIUM, LARGE], [LARGE, 1e10]]
        evaluation.params.maxDets = [1, 10, MOST]
        evaluation.computeIoU = partial(_tube_ious, evaluation)
        return numbers_of(evaluation)


def _tubes(records: Sequence[Mapping[str, Any]], video_ids: Sequence[int], category_ids: Sequence[int | str]) -> Any:
    """A data set as pycocotools holds it, with videos in place of images."""
    annotations = [
        {
            "id": number,  # From 1: pycocotools takes a match with annotation 0 for none.
            "image_id": record["video_id"],
            "category_id": record["category_id"],
            "iscrowd": int(bool(record.get("iscrowd", 0))),
            "area": mean_area(record["segmentations"]),
            "score": float(record.get("score", 0.0)),
            "tube": record["segmentations"],
        }
        for number, record in enumerate(records, 1)
    ]
    return coco_index(annotations, video_ids, category_ids)


def mean_area(tube: Tube) -> float:
    """The mean area of an object over the frames in which it is visible; 0 if it never is.

    >>> mean_area([None, {"size": [2, 2], "counts": [1, 3]}, {"size": [2, 2], "counts": [3, 1]}])
    2.0
    """
    areas = [rle.area(code) for code in tube if code is not None]
    return fmean(area for area in areas if area) if any(areas) else 0.0


def _tube_ious(evaluation: COCOeval, video: int, category: int) -> Any:
    """The result of `COCOeval.computeIoU`, [results by score, true objects], for tubes."""
    true, predicted = evaluation._gts[video, category], evaluation._dts[video, category]
    if not true and not predicted:
        return []
    order = np.argsort([-result["score"] for result in predicted], kind="mergesort")[: evaluation.params.maxDets[-1]]
    rows = []
    for k in order:
        tube = predicted[k]["tube"]
        rows.append([tube_iou(tube, true_tube["tube"], bool(true_tube["iscrowd"])) for true_tube in true])
    return np.array(rows).reshape(len(order), len(true))


def _shared(a: Mapping[str, Any] | None, b: Mapping[str, Any] | None) -> int:
    from pycocotools import mask as coco

    if a is None or b is None:
        return 0
    return int(coco.area(coco.merge([dict(a), dict(b)], intersect=True)))


def _size(tube: Tube) -> int:
    return sum(rle.area(code) for code in tube if code is not None)
