"""YouTube-VIS's AP of masks that a network makes from a tracker's box in every frame."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from samhq.config import HQMode
from samhq.datasets.coco import find_images, in_order, located
from samhq.datasets.sample import check_size
from samhq.evaluation.average_precision import AveragePrecision
from samhq.evaluation.boxes import from_xywh, masks_from_boxes
from samhq.evaluation.network import measuring
from samhq.evaluation.protocols import default_hq
from samhq.evaluation.result import markdown, per_cent
from samhq.evaluation.suites.video_annotations import boxes_of_tubes, read_tubes, read_videos, true_tubes
from samhq.evaluation.tube_precision import tube_average_precision
from samhq.image.read import read_image
from samhq.inference.segment import Segmenter
from samhq.masks import rle
from samhq.model.sam import Sam
from samhq.plural import plural
from samhq.progress import counted
from samhq.storage.atomic import whole_file


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
        facts = {key: getattr(self, key) for key in ("model", "source", "hq", "boxes", "videos", "tubes")}
        return facts | {"masks": self.masks.to_json()}


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
    true = true_tubes(content)
    tubes_by_video = boxes_of_tubes(true) if detections is None else read_tubes(Path(detections), content)
    tubes: list[dict[str, Any]] = []
    with measuring(model) as sam:
        mode = hq or default_hq(sam.config, "exact")
        sam.hq_mode(mode)
        label = name or sam.config.name
        for video in counted(videos, "video", label, show=progress):
            tubes += _segmented(sam, folder, video, tubes_by_video.get(video["id"], []), mode)
    if results is not None:
        with whole_file(results) as part:
            part.write_text(json.dumps(tubes), encoding="utf-8")
    ids = [video["id"] for video in videos]
    true = [tube for tube in true if tube["video_id"] in set(ids)]
    categories = [category["id"] for category in content.get("categories", [])]
    categories = categories or in_order({tube["category_id"] for tube in true})
    scores = tube_average_precision(true, tubes, ids, categories)
    boxes = "the true masks" if detections is None else Path(detections).name
    return VideoScores(label, Path(truth).stem, mode, boxes, len(videos), len(tubes), scores)


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
