from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.datasets.layouts import photo, save
from tests.evaluation.painter import SIDE, Painter

from samhq.errors import ConfigError
from samhq.evaluation.suites.youtube_vis import evaluate_youtube_vis, video_table
from samhq.masks import rle


def square(x: int) -> np.ndarray:
    mask = np.zeros((SIDE, SIDE), bool)
    mask[20:30, x : x + 10] = True
    return mask


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    """A video of four frames with one square that rests, and leaves before the last."""
    names = [f"v/{n}.jpg" for n in range(4)]
    for n, name in enumerate(names):
        save(tmp_path / name, photo(SIDE, SIDE, n))
    video = {"id": 1, "file_names": names, "height": SIDE, "width": SIDE, "length": 4}
    codes = [*(rle.uncompressed(square(5)) for _ in range(3)), None]
    record = {"id": 0, "video_id": 1, "category_id": 3, "segmentations": codes, "iscrowd": 0}
    content = {"videos": [video], "annotations": [record], "categories": [{"id": 3, "name": "square"}]}
    path = tmp_path / "truth.json"
    path.write_text(json.dumps(content))
    return path


def tracked(path: Path, *boxes: list[float] | None, **more: Any) -> Path:
    path.write_text(json.dumps([{"video_id": 1, "category_id": 3, "score": 0.5, "bboxes": list(boxes)} | more]))
    return path


def test_true_boxes_of_squares_are_perfect(truth: Path) -> None:
    painter = Painter()
    scores = evaluate_youtube_vis(painter, truth, results=truth.parent / "out.json")
    assert (scores.masks.ap, scores.masks.small, scores.videos, scores.tubes) == pytest.approx((1, 1, 1, 1))
    assert painter.encoded == 3, "a frame without boxes is not looked at"
    (tube,) = json.loads((truth.parent / "out.json").read_text())
    assert [code is not None for code in tube["segmentations"]] == [True, True, True, False]
    assert "| 100.0 |" in video_table([scores])
    json.dumps(scores.to_json(), allow_nan=False)


def test_a_tracker_that_loses_a_frame(truth: Path) -> None:
    """Two frames of three: a tube IoU of 2/3 passes 0.50, 0.55, 0.60 and 0.65 of ten thresholds."""
    box = [5.0, 20.0, 9.0, 9.0]
    scores = evaluate_youtube_vis(Painter(), truth, tracked(truth.parent / "d.json", box, None, box, None))
    assert scores.masks.ap == pytest.approx(0.4)
    more = evaluate_youtube_vis(Painter(), truth, tracked(truth.parent / "d.json", box, box, box, box))
    assert more.masks.ap == pytest.approx(0.6), "3/4: a frame too many costs as well"


def test_what_does_not_fit_is_refused(truth: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Expected 4 bboxes, one for each frame, in a detection of video 1"):
        evaluate_youtube_vis(Painter(), truth, tracked(tmp_path / "d.json", None))
    with pytest.raises(ConfigError, match="Expected 4 bboxes"):
        evaluate_youtube_vis(Painter(), truth, tracked(tmp_path / "d.json", bboxes=[]))
    (tmp_path / "d.json").write_text("{}")
    with pytest.raises(ConfigError, match="as a list, each an object with video_id"):
        evaluate_youtube_vis(Painter(), truth, tmp_path / "d.json")
    with pytest.raises(ConfigError, match="an object with videos"):
        evaluate_youtube_vis(Painter(), tmp_path / "d.json")
    with pytest.raises(ConfigError, match="cannot be read"):
        evaluate_youtube_vis(Painter(), tmp_path / "nowhere.json")


BOX = [5.0, 20.0, 9.0, 9.0]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"video_id": 2}, "of video 2"),
        ({"category_id": 0}, "category ids"),
        ({"score": None}, "score as a finite number"),
        ({"score": "abc"}, "score as a finite number"),
        ({"bboxes": [BOX, None, None, [1, 2, 3]]}, "a number of pixels"),
    ],
)
def test_wrong_detections_are_refused(truth: Path, tmp_path: Path, more: dict[str, Any], said: str) -> None:
    painter = Painter()
    with pytest.raises(ConfigError, match=said):
        evaluate_youtube_vis(painter, truth, tracked(tmp_path / "d.json", BOX, BOX, BOX, None, **more))
    assert painter.encoded == 0


def test_detections_of_a_video_beyond_the_limit_are_listed_ones(truth: Path, tmp_path: Path) -> None:
    content = json.loads(truth.read_text())
    content["videos"].append({**content["videos"][0], "id": 2})
    truth.write_text(json.dumps(content))
    later = tracked(tmp_path / "d.json", BOX, BOX, BOX, None, video_id=2)
    assert evaluate_youtube_vis(Painter(), truth, later, limit=1).tubes == 0


@pytest.mark.parametrize(
    ("more", "said"),
    [({"video_id": 7}, "annotation 0 in .*of video 7"), ({"segmentations": [None] * 3}, "Expected 4 segmentations")],
)
def test_true_objects_that_do_not_fit_their_video_are_refused(truth: Path, more: dict[str, Any], said: str) -> None:
    content = json.loads(truth.read_text())
    content["annotations"][0] |= more
    truth.write_text(json.dumps(content))
    with pytest.raises(ConfigError, match=said):
        evaluate_youtube_vis(Painter(), truth)
