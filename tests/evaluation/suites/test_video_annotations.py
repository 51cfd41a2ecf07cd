from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.evaluation.suites.test_youtube_vis import truth  # noqa: F401

from samhq.errors import ConfigError
from samhq.evaluation.suites.video_annotations import boxes_of_tubes, read_tubes, read_videos, true_tubes
from samhq.evaluation.tube_precision import MOST
from samhq.masks import rle

BOX = [5.0, 20.0, 9.0, 9.0]


@pytest.fixture
def content(truth: Path) -> dict[str, Any]:  # noqa: F811
    return read_videos(truth)


def test_true_tubes_have_a_compressed_mask_for_each_frame(content: dict[str, Any]) -> None:
    (tube,) = true_tubes(content)
    assert (tube["video_id"], tube["category_id"], tube["iscrowd"]) == (1, 3, 0)
    assert tube["segmentations"][3] is None
    masks = [rle.decode(code) for code in tube["segmentations"][:3]]
    assert all(np.argwhere(mask)[[0, -1]].tolist() == [[20, 5], [29, 14]] for mask in masks)


def test_boxes_of_true_tubes_end_on_the_last_pixel(content: dict[str, Any]) -> None:
    ((tube,),) = boxes_of_tubes(true_tubes(content)).values()
    assert tube["bboxes"] == [BOX, BOX, BOX, None]
    assert tube["score"] == 1


def test_crowds_have_no_boxes(content: dict[str, Any]) -> None:
    assert boxes_of_tubes([{**tube, "iscrowd": 1} for tube in true_tubes(content)]) == {}


def test_only_the_best_detections_of_a_video_are_kept(content: dict[str, Any], tmp_path: Path) -> None:
    scores = np.random.default_rng(0).permutation(MOST + 20) / 1000
    rows = [{"video_id": 1, "category_id": 3, "score": float(s), "bboxes": [BOX, None, None, BOX]} for s in scores]
    (tmp_path / "boxes.json").write_text(json.dumps(rows))
    kept = read_tubes(tmp_path / "boxes.json", content)[1]
    assert [row["score"] for row in kept] == sorted(scores, reverse=True)[:MOST]


def test_a_file_without_videos_is_refused(tmp_path: Path) -> None:
    (tmp_path / "truth.json").write_text(json.dumps({"annotations": []}))
    with pytest.raises(ConfigError, match="a YouTube-VIS file"):
        read_videos(tmp_path / "truth.json")
