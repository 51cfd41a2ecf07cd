"""YouTube-VIS's AP of masks made from a tracker's box in every frame: an object is its tube through the video.

The overlap of a result with a true object is computed over all frames together, so every wrong frame lowers it.

Source: Yang et al., Video Instance Segmentation, arXiv 1905.04804; youtubevos/cocoapi (areas and their limits).
"""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np

from samhq.config import HQMode
from samhq.datasets.coco import find_images, in_order, located, plain_id, segmentation_code
from samhq.datasets.sample import check_size
from samhq.errors import ConfigError
from samhq.evaluation.average_precision import AveragePrecision, numbers_of
from samhq.evaluation.boxes import from_xywh, masks_from_boxes
from samhq.evaluation.network import measuring
from samhq.evaluation.protocols import default_hq
from samhq.evaluation.result import markdown, per_cent
from samhq.evaluation.suites.detections import best_first
from samhq.image.read import read_image
from samhq.inference.segment import Segmenter
from samhq.masks import rle, runs
from samhq.model.sam import Sam
from samhq.plural import plural
from samhq.progress import counted
from samhq.storage.documents import read_json
from samhq.storage.schema import ANY, BOX, FLAG, ID, NUMBER, PIXELS, TEXT, Either, Fields, Items, Null

if TYPE_CHECKING:
    from pycocotools.cocoeval import COCOeval

#: Mean areas per frame, in pixels, above which an object is medium and large; larger than COCO's.
MEDIUM, LARGE = 128**2, 256**2
MOST = 100  #: Largest number of results of a video, the best by score.

_LISTS = ("videos", "annotations", "categories")
_FORM = Fields(
    {
        "videos": Items(Fields({"id": ID, "file_names": Items(TEXT), "height": PIXELS, "width": PIXELS})),
        "annotations": Items(
            Fields({"video_id": ID, "segmentations": Items(ANY)}, {"id": ID, "category_id": ID, "iscrowd": FLAG})
        ),
    },
    {"categories": Items(Fields({"id": ID}))},
)
_TUBES = Items(
    Fields({"video_id": ID, "category_id": ID, "bboxes": Items(Either((BOX, Null()))), "score": NUMBER}),
)

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


@dataclass(frozen=True)
class VideoScores:
    """AP by tube IoU of one model; `boxes` names the source of the boxes."""

    model: str
    source: str
    hq: HQMode
    boxes: str
    videos: int
    tubes: int
    masks: AveragePrecision

    def table(self) -> str:
        """The numbers as a Markdown table, in per cent."""
        return video_table([self])

    def to_json(self) -> dict[str, Any]:
        """The numbers as JSON values, None for NaN."""
        about = {key: getattr(self, key) for key in ("model", "source", "hq", "boxes", "videos", "tubes")}
        return about | {"masks": self.masks.to_json()}


def video_table(scores: Sequence[VideoScores]) -> str:
    """A Markdown table of several models, in per cent."""
    first = scores[0]
    head = ["model", "HQ", "tubes", "AP", "AP50", "AP75", "AP_L", "AP_M", "AP_S"]
    rows = []
    for row in scores:
        ap = row.masks
        numbers = (ap.ap, ap.ap50, ap.ap75, ap.large, ap.medium, ap.small)
        rows.append([row.model, row.hq, str(row.tubes), *map(per_cent, numbers)])
    heading = f"{first.source}: {plural(first.videos, 'video')}, boxes of {first.boxes}, values in %."
    return f"{heading}\n\n{markdown(head, rows)}\n"


def evaluate_youtube_vis(
    model: Segmenter | Sam | str | None,
    truth: str | Path,
    detections: str | Path | None = None,
    *,
    images: str | Path | None = None,
    hq: HQMode | None = None,
    limit: int | None = None,
    name: str | None = None,
    results: Path | None = None,
    progress: bool = False,
) -> VideoScores:
    """AP of tubes made from a box for each frame, on a YouTube-VIS file.

    `detections` is a JSON list of records with video_id, category_id, score and bboxes, one (x, y, width, height) or
    null for every frame; None uses the true boxes. `images` is the folder that `file_names` are relative to, by default
    found beside the file. `limit` takes only the first videos. `results` is a file for the tubes, in YouTube-VIS's form
    for results.

    Raises:
        ConfigError: a file of another form, an object or a detection of a video that is not listed, or of another
            length, or detections of other categories alone.
        ImageError: a frame cannot be read, or has another size than the file says.
    """
    content = read_videos(Path(truth))
    videos = content["videos"][:limit]
    names = [frame for video in videos for frame in video["file_names"]]
    folder = find_images(Path(truth), names) if images is None else Path(images)
    tubes_by_video = _true_tubes(content) if detections is None else read_tubes(Path(detections), content)
    tubes: list[dict[str, Any]] = []
    with measuring(model) as sam:
        mode = hq or default_hq(sam.config, "exact")
        sam.hq_mode(mode)
        label = name or sam.config.name
        for video in counted(videos, "video", label, show=progress):
            tubes += _segmented(sam, folder, video, tubes_by_video.get(video["id"], []), mode)
    if results is not None:
        from samhq.storage.atomic import whole_file

        with whole_file(results) as part:
            part.write_text(json.dumps(tubes), encoding="utf-8")
    ids = [video["id"] for video in videos]
    categories = [category["id"] for category in content.get("categories", [])]
    true = [record for record in _true_codes(content) if record["video_id"] in set(ids)]
    categories = categories or in_order({record["category_id"] for record in true})
    scores = tube_average_precision(true, tubes, ids, categories)
    boxes = "the true masks" if detections is None else Path(detections).name
    return VideoScores(label, Path(truth).stem, mode, boxes, len(videos), len(tubes), scores)


def read_videos(path: Path) -> dict[str, Any]:
    """The content of a YouTube-VIS file, its lists and keys checked.

    Raises:
        ConfigError: it cannot be read, lacks videos, annotations or their keys, or has an object of a video that is not
            listed or of another length.
    """
    content = read_json(path, "a YouTube-VIS file", _FORM, ConfigError, "Correct it, or name another file.")
    content = {**content, **{key: list(map(_with_plain_ids, content.get(key) or ())) for key in _LISTS}}
    lengths = _lengths(content)
    for record in content["annotations"]:
        _check_tube(record, "segmentations", lengths, f"annotation {record.get('id', '?')} in {path}")
    return dict(content)


def read_tubes(path: Path, content: Mapping[str, Any]) -> dict[Any, list[dict[str, Any]]]:
    """Detections by video, the best by score first, at most `MOST` each; `content` is that of the YouTube-VIS file.

    Raises:
        ConfigError: not a list of records with the needed keys, a box or a score without finite numbers, of a video
            that is not listed or of another length, or all of categories that are not listed.
    """
    lengths = _lengths(content)
    rows = read_json(path, "a tracker's boxes", _TUBES, ConfigError, "Write them as YouTube-VIS wants results.")
    records = [_with_plain_ids(row) for row in rows]
    tubes_by_video: dict[Any, list[dict[str, Any]]] = {}
    for record in records:
        place = f"a detection of video {record['video_id']} in {path}"
        _check_tube(record, "bboxes", lengths, place)
        for box in record["bboxes"]:
            if box is not None:
                from_xywh(box, place)
        tubes_by_video.setdefault(record["video_id"], []).append(record)
    known = {category["id"] for category in content.get("categories", [])}
    categories = {record["category_id"] for record in records}
    if categories and known and not categories & known:
        raise ConfigError(
            f"Expected detections of the categories {in_order(known)[:9]}, got only {in_order(categories)[:9]} in "
            f"{path}. Write category ids, not places in a list of names."
        )
    return {video: best_first(tubes)[:MOST] for video, tubes in tubes_by_video.items()}


def _lengths(content: Mapping[str, Any]) -> dict[Any, int]:
    return {video["id"]: len(video["file_names"]) for video in content["videos"]}


def _check_tube(record: Mapping[str, Any], key: str, lengths: Mapping[Any, int], place: str) -> None:
    """Checks that a record belongs to a listed video and has one entry for each frame.

    Raises:
        ConfigError: it does not.
    """
    video, entries = record["video_id"], record[key]
    if video not in lengths:
        raise ConfigError(
            f"Expected objects of the {len(lengths)} listed videos, got {place} of video {video}. Name the file that "
            "belongs to these videos."
        )
    if not isinstance(entries, list) or len(entries) != lengths[video]:
        count = len(entries) if isinstance(entries, list) else "none"
        raise ConfigError(
            f"Expected {lengths[video]} {key}, one for each frame, in {place}, got {count}. "
            "Write null for a frame without one."
        )


def _with_plain_ids(record: Mapping[str, Any]) -> dict[str, Any]:
    ids = [key for key in ("id", "video_id", "category_id") if record.get(key) is not None]
    return {**record, **{key: plain_id(record[key]) for key in ids}}


def _true_codes(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    """True objects with an RLE or None for every frame."""
    sizes = {video["id"]: (int(video["height"]), int(video["width"])) for video in content["videos"]}
    tubes = []
    for record in content["annotations"]:
        codes = [
            None if part is None else _compressed({**record, "segmentation": part}, sizes[record["video_id"]])
            for part in record["segmentations"]
        ]
        ids = {key: record.get(key) or 0 for key in ("video_id", "category_id", "iscrowd")}
        tubes.append(ids | {"segmentations": codes})
    return tubes


def _compressed(record: Mapping[str, Any], size_hw: tuple[int, int]) -> rle.RLE:
    code = segmentation_code(record, size_hw, f"video {record['video_id']}")
    return runs.compressed_code(code)


def _true_tubes(content: Mapping[str, Any]) -> dict[Any, list[dict[str, Any]]]:
    from pycocotools import mask as coco

    tubes_by_video: dict[Any, list[dict[str, Any]]] = {}
    for record in _true_codes(content):
        if record["iscrowd"]:
            continue
        boxes = []
        for code in record["segmentations"]:
            x, y, width, height = (0, 0, 0, 0) if code is None else map(float, coco.toBbox(code))
            # COCO's boxes end after the last pixel, prompts end on it.
            boxes.append([x, y, width - 1, height - 1] if width else None)
        tubes_by_video.setdefault(record["video_id"], []).append({**record, "bboxes": boxes, "score": 1.0})
    return tubes_by_video


def _segmented(
    sam: Sam, folder: Path, video: Mapping[str, Any], tubes_to_segment: Sequence[Mapping[str, Any]], mode: HQMode
) -> list[dict[str, Any]]:
    """The tubes of one video; every frame is encoded once for all its objects."""
    tubes: list[dict[str, Any]] = [
        {
            "video_id": tube["video_id"],
            "category_id": tube["category_id"],
            "score": tube["score"],
            "segmentations": [None] * len(video["file_names"]),
        }
        for tube in tubes_to_segment
    ]
    for place, file in enumerate(video["file_names"]):
        visible = [k for k, tube in enumerate(tubes_to_segment) if tube["bboxes"][place] is not None]
        if not visible:
            continue
        image = read_image(located(folder, file))
        check_size(image.shape[:2], located(folder, file), (video["height"], video["width"]), f"video {video['id']}")
        boxes = [from_xywh(tubes_to_segment[k]["bboxes"][place], f"video {video['id']}") for k in visible]
        for k, mask in zip(visible, masks_from_boxes(sam, image, boxes, mode), strict=True):
            tubes[k]["segmentations"][place] = rle.encode(mask)
    return tubes


def _tubes(records: Sequence[Mapping[str, Any]], video_ids: Sequence[int], category_ids: Sequence[int | str]) -> Any:
    """A data set as pycocotools holds it, with videos in place of images."""
    from pycocotools.coco import COCO

    coco = COCO()
    coco.dataset = {
        "images": [{"id": number} for number in video_ids],
        "categories": [{"id": number} for number in category_ids],
        "annotations": [
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
        ],
    }
    coco.createIndex()
    return coco


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
