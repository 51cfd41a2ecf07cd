"""YouTube-VIS's files read: true objects of videos, and a tracker's boxes.

Knows nothing of networks, pictures or scores.

Source: youtubevos/cocoapi (keys).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from samhq.datasets.coco import in_order, plain_id, segmentation_code
from samhq.errors import ConfigError
from samhq.evaluation.boxes import from_xywh
from samhq.evaluation.suites.detections import best_first
from samhq.evaluation.tube_precision import MOST
from samhq.masks import rle, runs
from samhq.storage.documents import read_json
from samhq.storage.schema import ANY, BOX, FLAG, ID, NUMBER, PIXELS, TEXT, Either, Fields, Items, Null

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


def true_tubes(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The true objects of a YouTube-VIS file's content, each with `segmentations`: an RLE or None for every frame."""
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


def boxes_of_tubes(tubes: Sequence[Mapping[str, Any]]) -> dict[Any, list[dict[str, Any]]]:
    """The boxes of true objects by video, as `read_tubes` gives those of a tracker, with score 1; crowds have none."""
    from pycocotools import mask as coco

    tubes_by_video: dict[Any, list[dict[str, Any]]] = {}
    for tube in tubes:
        if tube["iscrowd"]:
            continue
        boxes = []
        for code in tube["segmentations"]:
            x, y, width, height = (0, 0, 0, 0) if code is None else map(float, coco.toBbox(code))
            # COCO's boxes end after the last pixel, prompts end on it.
            boxes.append([x, y, width - 1, height - 1] if width else None)
        tubes_by_video.setdefault(tube["video_id"], []).append({**tube, "bboxes": boxes, "score": 1.0})
    return tubes_by_video


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


def _compressed(record: Mapping[str, Any], size_hw: tuple[int, int]) -> rle.RLE:
    code = segmentation_code(record, size_hw, f"video {record['video_id']}")
    return runs.compressed_code(code)
