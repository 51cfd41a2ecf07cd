from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO
from tests.datasets.layouts import annotation, coco, photo, save
from tests.evaluation.painter import SIDE, Painter

from samhq.errors import ConfigError, ImageError, SamHQWarning
from samhq.evaluation.boxes import from_xywh, masks_from_boxes
from samhq.evaluation.suites.detections import detection_table, evaluate_detections
from samhq.inference.segment import Segmenter
from samhq.model.sam import Sam


def bar(x: int, y: int, width: int, height: int) -> np.ndarray:
    mask = np.zeros((SIDE, SIDE), bool)
    mask[y : y + height, x : x + width] = True
    return mask


def detection(x: float, y: float, width: float, height: float, score: Any = 1.0, **more: Any) -> dict[str, Any]:
    """Boxes end on the last pixel, as prompts do."""
    return {"image_id": 1, "category_id": 1, "bbox": [x, y, width - 1, height - 1], "score": score} | more


def write(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    records = [annotation(1, 1, bar(5, 5, 20, 10)), annotation(2, 1, bar(40, 40, 12, 20), 2)]
    records += [annotation(3, 2, bar(0, 0, 30, 30)), annotation(4, 2, bar(30, 0, 30, 60), iscrowd=1)]
    return coco(tmp_path / "truth.json", {"a.png": (SIDE, SIDE), "b.png": (SIDE, SIDE)}, records)


def test_true_boxes_of_rectangles_are_perfect(truth: Path) -> None:
    painter = Painter()
    scores = evaluate_detections(painter, truth)
    assert (scores.masks.ap, scores.borders.ap, scores.detections, scores.pictures) == pytest.approx((1, 1, 3, 2))
    assert (scores.hq, scores.boxes, painter.encoded) == ("off", "the true masks", 2)


def test_boxes_of_a_detector(truth: Path, tmp_path: Path) -> None:
    """Category 1: half of it found at once, the rest after a false alarm; category 2: nothing."""
    found = [detection(5, 5, 20, 10, 0.9), detection(0, 50, 9, 9, 0.8), detection(0, 0, 30, 30, 0.7, image_id=2)]
    scores = evaluate_detections(Segmenter(Painter()), truth, write(tmp_path / "d.json", found))
    ap = (51 + 50 * 2 / 3) / 101
    assert scores.masks.categories == {1: pytest.approx(ap), 2: 0}
    assert scores.masks.ap == pytest.approx(ap / 2)
    assert scores.boxes == "d.json"
    assert f"| {50 * ap:.1f} |" in scores.table()


def test_the_results_file_is_pycocotools(truth: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "results.json"
    evaluate_detections(Painter(), truth, results=out)
    with contextlib.redirect_stdout(io.StringIO()):
        results = COCO(str(truth)).loadRes(str(out))
    assert [one["area"] for one in results.dataset["annotations"]] == [200, 240, 900]


def test_at_most_a_hundred_of_a_picture_count(truth: Path, tmp_path: Path) -> None:
    many = [detection(0, 50, 3, 3, 0.5) for _ in range(110)] + [detection(5, 5, 20, 10, 0.1)]
    scores = evaluate_detections(Painter(), truth, write(tmp_path / "d.json", many))
    assert (scores.detections, scores.masks.ap) == (100, 0)


def test_a_limit_leaves_other_pictures_out(truth: Path) -> None:
    scores = evaluate_detections(Painter(), truth, limit=1)
    assert (scores.pictures, scores.detections, scores.masks.ap) == (1, 2, pytest.approx(1))


def test_masks_are_those_that_a_user_gets(hq: Sam, tmp_path: Path) -> None:
    """Also of boxes that stick out of the picture, and of more than are decoded at a time."""
    image = photo(40, 56)
    boxes = [(float(k), float(k), k + 20.0, k + 30.0) for k in range(20)] + [(-5.0, -3.0, 20.0, 50.0)]
    boxes.append((-50.0, -3.0, 20.0, 70.0))  # Mostly outside.
    ours = masks_from_boxes(hq, image, boxes, "only")
    with pytest.warns(SamHQWarning):
        theirs = Segmenter(hq).segment(image, boxes=boxes, hq="only")
    assert np.array_equal(np.stack(ours), theirs.masks)
    assert masks_from_boxes(hq, image, [], "only") == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("no json", "as JSON, got text that is not"),
        ({"a": 1}, "as a list, each an object with image_id"),
        ([{"image_id": 1}], "without 'category_id'"),
        ([detection(0, 0, 3, 3, image_id=7)], "image 7"),
        ([detection(0, 0, 3, 3, category_id=0)], "category ids"),
        ([detection(0, 0, -3, 3)], "negative"),
        ([{**detection(0, 0, 3, 3), "bbox": [1, 2, 3]}], "a number of pixels"),
        ([{**detection(0, 0, 3, 3), "bbox": [1, 2, 3, float("nan")]}], "a number of pixels"),
        ([{**detection(0, 0, 3, 3), "bbox": [1, 2, 3, 10**400]}], "a number of pixels"),
        ([{**detection(0, 0, 3, 3), "bbox": [1, 2, 1e39, 3]}], "a number of pixels"),
        *(
            ([detection(0, 0, 3, 3, score)], "score as a finite number")
            for score in (None, "abc", [], float("nan"), 10**400)
        ),
    ],
)
def test_wrong_detections_are_refused(truth: Path, tmp_path: Path, content: Any, said: str) -> None:
    path = tmp_path / "d.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(ConfigError, match=said):
        evaluate_detections(Painter(), truth, path)


def test_an_area_of_null_is_that_of_the_mask(truth: Path) -> None:
    content = json.loads(truth.read_text())
    expected = evaluate_detections(Painter(), truth)
    for record in content["annotations"]:
        record["area"] = None
    assert evaluate_detections(Painter(), write(truth, content)) == expected
    assert expected.masks.small == pytest.approx(1)


def test_a_picture_of_another_size_is_named(truth: Path) -> None:
    save(truth.parent / "a.png", photo(20, 30))
    with pytest.raises(ImageError, match=r"a\.png of 30 x 20"):
        evaluate_detections(Painter(), truth)


def test_corners() -> None:
    assert from_xywh((1, 2, 3, 4), "x") == (1, 2, 4, 6)


def test_models_side_by_side(truth: Path) -> None:
    scores = [evaluate_detections(Painter(), truth, name=name) for name in ("A", "B")]
    lines = detection_table(scores).splitlines()
    assert [line.split("|")[1].strip() for line in lines[4:]] == ["A", "B"]
    assert json.loads(json.dumps(scores[0].to_json(), allow_nan=False))["masks"]["large"] is None


def test_a_missing_picture_can_be_left_out(truth: Path) -> None:
    content = json.loads(truth.read_text())
    content["images"].append({"id": 99, "file_name": "gone.png"})
    content["annotations"].append({**content["annotations"][0], "image_id": "99"})
    truth.write_text(json.dumps(content))
    with pytest.raises(ImageError, match=r"gone\.png"):
        evaluate_detections(Painter(), truth)
    scores = evaluate_detections(Painter(), truth, skip_missing=True)
    assert scores.pictures == len(content["images"]) - 1


def test_ids_of_text_are_those_of_numbers(truth: Path, tmp_path: Path) -> None:
    content = json.loads(truth.read_text())
    as_numbers = evaluate_detections(Painter(), truth)
    for record in (*content["images"], *content["categories"]):
        record["id"] = str(record["id"])
    truth.write_text(json.dumps(content))
    assert evaluate_detections(Painter(), truth).masks == as_numbers.masks


@pytest.mark.parametrize("box", [True, "abcd", [1, 2, 3], [1, 2, 3, None]])
def test_a_true_box_that_is_none_is_refused(truth: Path, box: Any) -> None:
    content = json.loads(truth.read_text())
    content["annotations"][0]["bbox"] = box
    with pytest.raises(ConfigError, match="four numbers of pixels in annotation"):
        evaluate_detections(Painter(), write(truth, content))
