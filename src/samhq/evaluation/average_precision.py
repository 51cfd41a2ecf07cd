"""COCO's average precision of masks, by pycocotools itself, and boundary AP.

Knows annotations and results in COCO's form; nothing of models or pictures.

Source: cocodataset.org, "Detection Evaluation"; Boundary IoU, arXiv 2103.16562: the overlap is the smaller of mask IoU
and boundary IoU; for crowds it is mask IoU alone.
"""

from __future__ import annotations

import contextlib
import io
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from samhq.evaluation.metrics import DILATION, band_width, boundary
from samhq.evaluation.result import as_json
from samhq.masks import rle, runs
from samhq.masks.regions import Piece

if TYPE_CHECKING:
    from pycocotools.cocoeval import COCOeval

#: The numbers to report: the field, IoU threshold (None: mean over 0.50 to 0.95), and size.
_REPORTED = (
    ("ap", None, "all"),
    ("ap50", 0.5, "all"),
    ("ap75", 0.75, "all"),
    ("small", None, "small"),
    ("medium", None, "medium"),
    ("large", None, "large"),
)


@dataclass(frozen=True)
class AveragePrecision:
    """COCO's numbers, 0..1; NaN if there is no true object of that kind.

    `ap` is the mean over IoU thresholds 0.50, 0.55 ... 0.95 and categories; `small`, `medium` and `large` are over true
    objects of these areas. `categories` has the AP of each by its id.
    """

    ap: float
    ap50: float
    ap75: float
    small: float
    medium: float
    large: float
    categories: dict[int, float]

    def to_json(self) -> dict[str, Any]:
        """The numbers as JSON values, None for NaN."""
        return as_json(asdict(self) | {"categories": {str(key): ap for key, ap in self.categories.items()}})


def average_precision(
    truth: Sequence[Mapping[str, Any]],
    results: Sequence[Mapping[str, Any]],
    image_ids: Iterable[int],
    category_ids: Iterable[int | str],
    *,
    by_boundary: bool = False,
) -> AveragePrecision:
    """The AP of results against true objects.

    `truth` are records with image_id, category_id, segmentation (RLE), area and iscrowd; `results` with image_id,
    category_id, segmentation (RLE) and score. At most 100 results of a picture count, the best by score. Objects get
    new numbers from 1, because pycocotools takes a match with annotation 0 for none.
    """
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools prints its progress.
        evaluation = COCOeval(
            _coco(_numbered(truth, _true_object), image_ids, category_ids),
            _coco(_numbered(results, _result), image_ids, category_ids),
            "segm",
        )
        if by_boundary:
            # The evaluation calls its own attribute, so this function replaces the method of the class.
            evaluation.computeIoU = partial(_boundary_ious, evaluation, evaluation.computeIoU, {})
        return numbers_of(evaluation)


def box_precision(
    truth: Sequence[Mapping[str, Any]],
    results: Sequence[Mapping[str, Any]],
    image_ids: Iterable[int],
    category_ids: Iterable[int | str],
) -> AveragePrecision:
    """The AP of boxes against true objects, by box IoU.

    As `average_precision`, but records of both kinds have a bbox (x, y, width, height) in place of a segmentation.
    """
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        true_boxes = _boxes(truth, lambda record: float(record["area"]))
        evaluation = COCOeval(
            coco_index(true_boxes, image_ids, category_ids),
            coco_index(_boxes(results, _box_area), image_ids, category_ids),
            "bbox",
        )
        return numbers_of(evaluation)


def numbers_of(evaluation: COCOeval) -> AveragePrecision:
    """Runs an evaluation and returns its numbers."""
    evaluation.evaluate()
    evaluation.accumulate()
    precision = evaluation.eval["precision"]  # [thresholds, recalls, categories, areas, detections]
    params = evaluation.params
    numbers = {}
    for field, threshold, size in _REPORTED:
        rows = slice(None) if threshold is None else np.isclose(params.iouThrs, threshold)
        numbers[field] = _mean(precision[rows, :, :, params.areaRngLbl.index(size), -1])
    categories = {int(id): _mean(precision[:, :, k, 0, -1]) for k, id in enumerate(params.catIds)}
    return AveragePrecision(**numbers, categories=categories)


def _mean(precision: np.ndarray) -> float:
    """The mean of the valid numbers; pycocotools writes -1 if there was nothing to find."""
    measured = precision[precision > -1]
    return float(measured.mean()) if measured.size else math.nan


def _true_object(record: Mapping[str, Any]) -> dict[str, Any]:
    return {"iscrowd": int(bool(record.get("iscrowd", 0))), "area": record["area"]}


def _result(record: Mapping[str, Any]) -> dict[str, Any]:
    return {"iscrowd": 0, "area": rle.area(record["segmentation"]), "score": float(record["score"])}


def _numbered(
    records: Sequence[Mapping[str, Any]], other_keys: Callable[[Mapping[str, Any]], dict[str, Any]]
) -> list[dict[str, Any]]:
    """Records of masks as pycocotools compares them, with new numbers from 1."""
    return [
        {
            "image_id": record["image_id"],
            "category_id": record["category_id"],
            "segmentation": record["segmentation"],
            **other_keys(record),
            "id": number,
        }
        for number, record in enumerate(records, 1)
    ]


def _boxes(records: Sequence[Mapping[str, Any]], area: Callable[[Mapping[str, Any]], float]) -> list[dict[str, Any]]:
    """Records as pycocotools compares boxes; the area sorts them into small, medium and large."""
    return [
        {
            "image_id": record["image_id"],
            "category_id": record["category_id"],
            "bbox": record["bbox"],
            "iscrowd": int(bool(record.get("iscrowd", 0))),
            "score": float(record.get("score", 1)),
            "area": area(record),
            "id": number,
        }
        for number, record in enumerate(records, 1)
    ]


def _box_area(record: Mapping[str, Any]) -> float:
    return float(record["bbox"][2]) * float(record["bbox"][3])


def _coco(annotations: list[dict[str, Any]], image_ids: Iterable[int | str], category_ids: Iterable[int | str]) -> Any:
    """A data set as pycocotools holds it; masks are compressed RLE, so it needs no sizes of pictures."""
    compressed = [annotation | {"segmentation": _compressed(annotation)} for annotation in annotations]
    return coco_index(compressed, image_ids, category_ids)


def coco_index(
    annotations: list[dict[str, Any]], image_ids: Iterable[int | str], category_ids: Iterable[int | str]
) -> Any:
    """A data set as pycocotools holds it, a `COCO` with these annotations."""
    from pycocotools.coco import COCO

    coco = COCO()
    coco.dataset = {
        "images": [{"id": number, "height": 0, "width": 0} for number in image_ids],
        "categories": [{"id": number, "name": str(number)} for number in category_ids],
        "annotations": annotations,
    }
    coco.createIndex()
    return coco


def _compressed(annotation: Mapping[str, Any]) -> rle.RLE:
    code = annotation["segmentation"]
    return runs.compressed_code(code) if isinstance(code["counts"], list) else dict(code)


def _boundary_ious(
    evaluation: COCOeval,
    mask_ious: Callable[[int, int], Any],
    known: dict[tuple[bool, int], rle.RLE],
    image: int,
    category: int,
) -> Any:
    """The result of `COCOeval.computeIoU`, [results by score, true objects], limited by the boundary IoU."""
    from pycocotools import mask as coco

    ious = mask_ious(image, category)
    true, predicted = evaluation._gts[image, category], evaluation._dts[image, category]
    if not len(true) or not len(predicted):
        return ious
    order = np.argsort([-result["score"] for result in predicted], kind="mergesort")[: evaluation.params.maxDets[-1]]

    def band(record: Mapping[str, Any], is_true: bool) -> rle.RLE:
        key = is_true, record["id"]
        if key not in known:
            known[key] = boundary_code(record["segmentation"])
        return known[key]

    predicted_bands = [band(predicted[k], False) for k in order]
    true_bands = [band(true_object, True) for true_object in true]
    crowds = [true_object["iscrowd"] for true_object in true]
    of_bands = np.asarray(coco.iou(predicted_bands, true_bands, crowds))
    return np.where(np.array(crowds, bool), ious, np.minimum(ious, of_bands))


def boundary_code(code: Mapping[str, Any]) -> rle.RLE:
    """The RLE of the boundary of a mask, `band_width` pixels wide inside it.

    >>> rle.area(boundary_code(rle.encode(np.ones((9, 9), bool))))
    32
    """
    from pycocotools import mask as coco

    height, width = (int(size) for size in code["size"])
    x, y, w, h = (int(size) for size in coco.toBbox(dict(code)))
    if not w or not h:
        return dict(code)
    part = torch.from_numpy(rle.decode_window(code, (x, y, w, h)))
    band = boundary(part, width=band_width(height, width, DILATION))
    return dict(Piece.of(band.numpy(), x, y).rle((height, width)))
