import json
from pathlib import Path

import numpy as np
import pytest

from samhq.errors import PromptError
from samhq.masks import rle
from samhq.text.boxfile import BoxFile, BoxRow, is_box_file, read_boxes
from tests.text import tiny_detectors as tiny

HW = (100, 200)


def test_a_coco_data_set(tmp_path: Path) -> None:
    path = tiny.coco_boxes(
        tmp_path / "b.json", {"a/1.jpg": [("cup", [10, 20, 30, 40], 0.5)], "b/1.jpg": [], "c.jpg": []}
    )
    boxes = read_boxes(path)
    found = boxes.boxes_of("/data/a/1.jpg", HW)
    assert (found.labels, found.boxes.tolist(), found.scores.tolist()) == (("cup",), [[10, 20, 40, 60]], [0.5])
    assert boxes.names == boxes.classes == ("cup",)
    assert len(boxes.boxes_of("x/b/1.jpg", HW)) == 0
    with pytest.raises(PromptError, match=r"boxes for d.jpg .* Did you mean 'c.jpg'"):
        boxes.boxes_of("d.jpg", HW)


def test_coco_results_with_names(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    rows = [
        {"file_name": "1.jpg", "category": "cup", "bbox": [1, 2, 3, 4], "score": 0.5},
        {"image_id": "1.jpg", "label": "fork", "bbox": [0, 0, 9, 9], "score": 0.25},
    ]
    path.write_text(json.dumps(rows))
    boxes = read_boxes(path)
    assert boxes.boxes_of("1.jpg", HW).labels == ("cup", "fork")
    assert (boxes.names, boxes.classes) == ((), ("cup", "fork")), "results name only the classes that were found"
    assert len(boxes.boxes_of("2.jpg", HW)) == 0, "a list of results does not list pictures without any"


def test_masks_of_a_coco_file(tmp_path: Path) -> None:
    mask = np.zeros(HW, bool)
    mask[3:9, 5:20] = True
    path = tmp_path / "r.json"
    row = {"file_name": "1.jpg", "category": "cup", "bbox": [5, 3, 15, 6], "score": 1, "segmentation": rle.encode(mask)}
    path.write_text(json.dumps([row]))
    boxes = read_boxes(path)
    assert np.array_equal(boxes.boxes_of("1.jpg", HW).masks, mask[None])
    with pytest.raises(PromptError, match="another size"):
        boxes.boxes_of("1.jpg", (10, 10))
    path.write_text(json.dumps([row, {**row, "segmentation": None}]))
    assert read_boxes(path).boxes_of("1.jpg", HW).masks is None


@pytest.mark.parametrize(("names", "place"), [("classes.txt", "."), ("data.yaml", "."), ("data.yaml", "..")])
def test_yolo_text_files(tmp_path: Path, names: str, place: str) -> None:
    folder = tmp_path / "labels"
    folder.mkdir()
    text = "cup\nfork\n" if names.endswith("txt") else "train: images\nnames: {0: cup, 1: fork}\n"
    (folder / place / names).write_text(text)
    (folder / "1.txt").write_text("1 0.5 0.5 0.2 0.4 0.75\n0 0.25 0.25 0.5 0.5\n")
    (folder / "2.txt").write_text("")
    assert is_box_file(folder)
    assert read_boxes(folder).names == ("cup", "fork")
    boxes = read_boxes(folder)
    found = boxes.boxes_of("x/1.jpg", HW)
    assert found.labels == ("fork", "cup")
    assert found.boxes.tolist() == pytest.approx(np.array([[80, 30, 120, 70], [0, 0, 100, 50]]), abs=1e-4)
    assert found.scores.tolist() == [0.75, 1]
    assert len(boxes.boxes_of("2.jpg", HW)) == len(boxes.boxes_of("3.jpg", HW)) == 0


@pytest.mark.parametrize(("score", "expected"), [("", 1.0), (" 0.75", 0.75)])
def test_the_boxes_of_yolo_s_outlines(tmp_path: Path, score: str, expected: float) -> None:
    (tmp_path / "classes.txt").write_text("cup\nfork\n")
    (tmp_path / "1.txt").write_text(f"1 0.4 0.3 0.6 0.5 0.5 0.7{score}\n0 0.1 0.2 0.3 0.2 0.3 0.4 0.1 0.4{score}\n")
    found = read_boxes(tmp_path).boxes_of("1.jpg", HW)
    assert found.labels == ("fork", "cup")
    assert found.boxes.tolist() == pytest.approx(np.array([[80, 30, 120, 70], [20, 20, 60, 40]]), abs=1e-4)
    assert found.scores.tolist() == [expected, expected]


def test_yolo_without_names_is_said(tmp_path: Path) -> None:
    (tmp_path / "1.txt").write_text("0 0.5 0.5 0.1 0.1\n")
    with pytest.raises(PromptError, match=r"classes\.txt"):
        read_boxes(tmp_path)


@pytest.mark.parametrize(
    "line",
    [
        "0 0.5 0.5 0.1",
        "2 0.5 0.5 0.1 0.1",
        "cup 0.5 0.5 0.1 0.1",
        "0 0.5 nan 0.1 0.1",
        "0 1 1 1 1 1 1",
        "0 .1 .1 .2 .2 .3 2",
    ],
)
def test_yolo_lines_of_another_form_are_said(tmp_path: Path, line: str) -> None:
    (tmp_path / "classes.txt").write_text("cup\nfork\n")
    (tmp_path / "1.txt").write_text(line)
    with pytest.raises(PromptError, match="Expected"):
        read_boxes(tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        "no json",
        "3",
        "[3]",
        '[{"file_name": "a", "category": "b"}]',
        '[{"image_id": 1, "category_id": 2, "bbox": [0, 0, 1, 1], "score": 1}]',
        '[{"file_name": "a", "category": "b", "bbox": [0, 0, 1], "score": 1}]',
        '[{"file_name": "a", "category": "b", "bbox": [0, 0, 1, 1], "score": "x"}]',
        '{"images": []}',
        '{"images": [], "categories": [], "annotations": [{"image_id": 1}]}',
    ],
)
def test_json_of_another_form_is_said(tmp_path: Path, content: str) -> None:
    path = tmp_path / "b.json"
    path.write_text(content)
    with pytest.raises(PromptError, match="Expected"):
        read_boxes(path)


def test_what_is_no_file_of_boxes(tmp_path: Path) -> None:
    assert not is_box_file(tmp_path)
    assert not is_box_file(tmp_path / "none")
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "vocab.txt").write_text("a")
    assert not is_box_file(tmp_path), "a folder of transformers'"
    with pytest.raises(PromptError, match="cannot be read"):
        read_boxes(tmp_path / "none.json")


def test_a_longer_name_in_the_file_is_found_if_only_one_fits() -> None:
    box = BoxRow("cup", (0, 0, 9, 9), 0.5)
    boxes = BoxFile(Path("x"), {"photos/cat.png": [box], "a/dog.png": [box], "b/dog.png": []}, complete=True)
    assert len(boxes.boxes_of("cat.png", HW)) == len(boxes.boxes_of("cat", HW)) == 1
    with pytest.raises(PromptError, match="got none"):
        boxes.boxes_of("dog.png", HW)


def test_a_bare_name_is_found_by_its_stem() -> None:
    assert len(BoxFile(Path("x"), {"cat": []}, complete=True).boxes_of("a/cat.png", HW)) == 0
