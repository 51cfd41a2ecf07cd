"""AP of masks that a network makes from detectors' boxes, on a COCO file.

Boxes and scores are the detector's, masks are the network's. Without a detector the true boxes are used, each with
score 1.

Source: SAM-HQ, arXiv 2306.01567, section 4.3.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from samhq.config import HQMode
from samhq.datasets.coco import CocoPictures, in_order, open_coco_pictures, plain_id, segmentation_code
from samhq.errors import ConfigError
from samhq.evaluation.average_precision import AveragePrecision, average_precision, box_precision
from samhq.evaluation.boxes import check_box, from_xywh, masks_from_boxes
from samhq.evaluation.network import measuring
from samhq.evaluation.protocols import default_hq
from samhq.evaluation.result import markdown, per_cent
from samhq.image.channels import AS_SHOWN, Channels
from samhq.inference.segment import Segmenter
from samhq.masks import rle, runs
from samhq.model.sam import Sam
from samhq.plural import plural
from samhq.progress import counted
from samhq.storage.atomic import whole_file
from samhq.storage.documents import read_json
from samhq.storage.schema import BOX, ID, NUMBER, Fields, Items

MOST = 100  #: Largest number of detections of a picture, the best by score; as in COCO's evaluation.
TRUE_BOXES = "the true masks"
_FORM = Items(Fields({"image_id": ID, "category_id": ID, "bbox": BOX, "score": NUMBER}))


@dataclass(frozen=True)
class DetectionScores:
    """AP by mask IoU and by boundary IoU of one model on one data set; `boxes` names their source.

    `by_box` is the AP of the detector's boxes themselves, by box IoU; None if the true boxes were used.
    """

    model: str
    source: str
    hq: HQMode
    boxes: str
    pictures: int
    detections: int
    masks: AveragePrecision
    borders: AveragePrecision
    by_box: AveragePrecision | None = None

    @property
    def box_ap(self) -> float:
        """The AP of the detector's boxes, NaN without a detector."""
        return math.nan if self.by_box is None else self.by_box.ap

    def row(self) -> list[str]:
        """The cells of the table's row, in per cent."""
        sizes = (self.masks.large, self.masks.medium, self.masks.small)
        numbers = (self.borders.ap, self.masks.ap, self.masks.ap50, self.masks.ap75, *sizes, self.box_ap)
        return [self.model, self.hq, str(self.detections), *map(per_cent, numbers)]

    def table(self) -> str:
        """The numbers as a Markdown table."""
        return detection_table([self])

    def to_json(self) -> dict[str, Any]:
        """The numbers as JSON values, None for NaN."""
        facts = {key: getattr(self, key) for key in ("model", "source", "hq", "boxes", "pictures", "detections")}
        by_box = None if self.by_box is None else self.by_box.to_json()
        return facts | {"masks": self.masks.to_json(), "borders": self.borders.to_json(), "by_box": by_box}


def detection_table(scores: Sequence[DetectionScores]) -> str:
    """A Markdown table of several models on one data set, in per cent.

    AP_B is boundary AP, AP_box the AP of the detector's boxes.
    """
    head = ["model", "HQ", "detections", "AP_B", "AP", "AP50", "AP75", "AP_L", "AP_M", "AP_S", "AP_box"]
    first = scores[0]
    heading = f"{first.source}: {plural(first.pictures, 'picture')}, boxes of {first.boxes}, values in %."
    return f"{heading}\n\n{markdown(head, [row.row() for row in scores])}\n"


def evaluate_detections(
    model: Segmenter | Sam | str | None,
    truth: CocoPictures | str | Path,
    detections: str | Path | None = None,
    *,
    hq: HQMode | None = None,
    images: str | Path | None = None,
    limit: int | None = None,
    skip_missing: bool = False,
    name: str | None = None,
    results: Path | None = None,
    progress: bool = False,
    channels: Channels = AS_SHOWN,
) -> DetectionScores:
    """AP and boundary AP of masks made from the boxes in a detections file, on a COCO file's pictures.

    `detections` is a JSON list of records with image_id, category_id, bbox (x, y, width, height) and score, in COCO's
    form for results; None uses the true objects' boxes. At most 100 count for a picture. `limit` takes this many
    pictures, spread evenly; `skip_missing` leaves out pictures whose files are missing. `results` is a file for the
    masks, in COCO's form, which pycocotools can read. `channels` says how the pictures of a path are shown.

    Raises:
        ConfigError: a file of another form, or a detection in a picture that the COCO file does not list.
        ImageError: a picture cannot be read, or has another size than in the COCO file.
    """
    pictures = truth if isinstance(truth, CocoPictures) else open_coco_pictures(Path(truth), images, channels)
    available = [place for place in range(len(pictures)) if not skip_missing or pictures.lacks(place) is None]
    places = [available[number] for number in spread_places(len(available), limit)]
    boxes_by_image = true_boxes(pictures, places) if detections is None else read_detections(Path(detections), pictures)
    with measuring(model) as sam:
        mode = hq or default_hq(sam.config, "exact")
        sam.hq_mode(mode)
        label = name or sam.config.name
        masks: list[dict[str, Any]] = []
        for place in counted(places, "picture", label, show=progress):
            masks += _segmented(sam, pictures, place, _boxes_in(pictures, place, boxes_by_image), mode)
    if results is not None:
        with whole_file(results) as part:
            part.write_text(json.dumps(masks), encoding="utf-8")
    used_boxes: list[Mapping[str, Any]] | None = None
    if detections is not None:
        used_boxes = [record for place in places for record in _boxes_in(pictures, place, boxes_by_image)]
    scores = _scores(pictures, places, masks, used_boxes)
    boxes = TRUE_BOXES if detections is None else Path(detections).name
    return DetectionScores(label, pictures.name, mode, boxes, len(places), len(masks), *scores)


def spread_places(count: int, limit: int | None) -> list[int]:
    """Up to `limit` indices, spread evenly over `count`; all of them for None.

    >>> spread_places(10, 3), spread_places(2, 5)
    ([0, 3, 6], [0, 1])
    """
    places = range(count) if limit is None else [i * count // limit for i in range(limit)]
    return sorted({place for place in places if place < count})


def read_detections(path: Path, pictures: CocoPictures) -> dict[Any, list[dict[str, Any]]]:
    """Detections by picture, the best by score first, at most `MOST` each.

    Raises:
        ConfigError: not a list of records with the needed keys, a box or a score without finite numbers, of a picture
            that is not listed, or all of categories that are not.
    """
    records = read_json(path, "detections", _FORM, ConfigError, "Write detections as COCO wants results.")
    known: dict[Any, list[dict[str, Any]]] = {image["id"]: [] for image in pictures.images}
    for record in map(_with_plain_ids, records):
        if record["image_id"] not in known:
            raise ConfigError(
                f"Expected detections of the pictures in {pictures.name}, got one of image {record['image_id']} in "
                f"{path}. Name the detections that belong to these pictures."
            )
        from_xywh(record["bbox"], f"a detection of image {record['image_id']} in {path}")
        known[record["image_id"]].append(record)
    categories = {plain_id(record["category_id"]) for record in records}
    if categories and pictures.categories and not categories & pictures.categories.keys():
        raise ConfigError(
            f"Expected detections of the categories {in_order(pictures.categories)[:9]} of {pictures.name}, got only "
            f"{in_order(categories)[:9]} in {path}. Write category ids, not places in a list of names."
        )
    return {image: best_first(records)[:MOST] for image, records in known.items()}


def best_first(records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The records, the highest score first."""
    return sorted(records, key=lambda record: -float(record["score"]))


def true_boxes(pictures: CocoPictures, places: Iterable[int]) -> dict[Any, list[dict[str, Any]]]:
    """The true objects' tight boxes as detections with score 1, without crowds and objects without pixels."""
    from pycocotools import mask as coco

    boxes_by_image: dict[Any, list[dict[str, Any]]] = {}
    for place in places:
        image = pictures.images[place]["id"]
        for record, code in _codes(pictures, place):
            if not record.get("iscrowd", 0) and rle.area(code):
                box = [float(n) for n in coco.toBbox(code)]
                # COCO's boxes end after the last pixel; those of prompts end on it.
                box = [box[0], box[1], box[2] - 1, box[3] - 1]
                detection = {"image_id": image, "category_id": _category(record), "score": 1.0, "bbox": box}
                boxes_by_image.setdefault(image, []).append(detection)
    return boxes_by_image


def _with_plain_ids(record: Mapping[str, Any]) -> dict[str, Any]:
    return {**record, **{key: plain_id(record[key]) for key in ("image_id", "category_id")}}


def _segmented(
    sam: Sam, pictures: CocoPictures, place: int, records: Sequence[Mapping[str, Any]], mode: HQMode
) -> list[dict[str, Any]]:
    """Results of one picture in COCO's form."""
    if not records:
        return []
    image = pictures.image(place)
    boxes = [from_xywh(record["bbox"], "a detection") for record in records]
    masks = masks_from_boxes(sam, image, boxes, mode)
    return [
        {
            "image_id": record["image_id"],
            "category_id": record["category_id"],
            "segmentation": rle.encode(mask),
            "score": float(record["score"]),
        }
        for record, mask in zip(records, masks, strict=True)
    ]


def _boxes_in(
    pictures: CocoPictures, place: int, by_image: Mapping[Any, Sequence[Mapping[str, Any]]]
) -> Sequence[Mapping[str, Any]]:
    """The detections of one picture."""
    return by_image.get(pictures.images[place]["id"], [])


def _scores(
    pictures: CocoPictures,
    places: Sequence[int],
    results: Sequence[Mapping[str, Any]],
    boxes: Sequence[Mapping[str, Any]] | None,
) -> tuple[AveragePrecision, AveragePrecision, AveragePrecision | None]:
    """AP of masks, by mask IoU and by boundary IoU, and of the boxes if a detector found them."""
    truth = [_truth(record, code) for place in places for record, code in _codes(pictures, place)]
    images = [pictures.images[place]["id"] for place in places]
    categories = in_order(pictures.categories or {record["category_id"] for record in truth})
    masks = average_precision(truth, results, images, categories)
    borders = average_precision(truth, results, images, categories, by_boundary=True)
    by_box = None if boxes is None else box_precision(truth, boxes, images, categories)
    return masks, borders, by_box


def _truth(record: Mapping[str, Any], code: rle.RLE) -> dict[str, Any]:
    """A true object as pycocotools wants it; the box is the annotation's own, else the one around its mask.

    Raises:
        ConfigError: the annotation's box is not four finite numbers.
    """
    from pycocotools import mask as coco

    area, box = record.get("area"), record.get("bbox")
    return {
        "image_id": record["image_id"],
        "category_id": _category(record),
        "area": rle.area(code) if area is None else area,
        "segmentation": code,
        "bbox": list(check_box(coco.toBbox(code) if box is None else box, f"annotation {record.get('id', '?')}")),
        "iscrowd": record.get("iscrowd", 0),
    }


def _category(record: Mapping[str, Any]) -> Any:
    """The category's id; -1 without one."""
    return -1 if record.get("category_id") is None else record["category_id"]


def _codes(pictures: CocoPictures, place: int) -> list[tuple[Mapping[str, Any], rle.RLE]]:
    """The annotations of a picture with their masks as compressed RLE."""
    size, path = pictures.size_hw(place), str(pictures.path(place))
    codes = [segmentation_code(record, size, path) for record in pictures.of(place)]
    return [(record, runs.compressed_code(code)) for record, code in zip(pictures.of(place), codes, strict=True)]
