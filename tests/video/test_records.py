from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from pycocotools.coco import COCO

from samhq.evaluation.suites.video_annotations import read_videos
from samhq.masks import rle
from samhq.video.records import VideoInfo, write_coco_vid, write_youtube_vis

MASK = np.zeros((6, 8), bool)
MASK[1:3, 2:5] = True
INFO = VideoInfo("clip", (6, 8), 25.0, ["000000", "000001", "000002"])


def entry(number: int, label: str | None = None, mask: np.ndarray = MASK) -> dict[str, object]:
    area = int(mask.sum())
    named = {} if label is None else {"label": label}
    box = [2, 1, 3, 2] if area else [0, 0, 0, 0]
    return {"id": number, **named, "score": 0.5, "area": area, "bbox": box, "segmentation": rle.encode(mask)}


FRAMES = [(0, [entry(3, "cat")]), (1, [entry(3, "cat"), entry(5)]), (2, [entry(3, "cat", MASK & False), entry(5)])]


def test_coco_vid_has_an_annotation_an_object_and_frame(tmp_path: Path) -> None:
    path = write_coco_vid(tmp_path / "coco-vid.json", INFO, FRAMES)
    content = json.loads(path.read_text())
    assert [(a["image_id"], a["instance_id"]) for a in content["annotations"]] == [(1, 3), (2, 3), (2, 5), (3, 5)]
    assert content["categories"] == [{"id": 1, "name": "cat"}, {"id": 2, "name": "object"}]
    assert [image["frame_id"] for image in content["images"]] == [0, 1, 2]
    coco = COCO(str(path))
    assert (coco.annToMask(coco.loadAnns([3])[0]) == MASK).all()


def test_coco_vid_without_objects_is_json(tmp_path: Path) -> None:
    content = json.loads(write_coco_vid(tmp_path / "none.json", INFO, []).read_text())
    assert content["annotations"] == content["categories"] == []


def test_youtube_vis_has_an_annotation_an_object(tmp_path: Path) -> None:
    content = read_videos(write_youtube_vis(tmp_path / "youtube-vis.json", INFO, FRAMES))
    cat, other = content["annotations"]
    assert [code is not None for code in cat["segmentations"]] == [True, True, False]
    assert other["bboxes"] == [None, [2, 1, 3, 2], [2, 1, 3, 2]]
    assert (cat["score"], cat["category_id"], other["category_id"]) == (0.5, 1, 2)
    assert content["videos"][0]["file_names"] == list(INFO.frame_names)
