"""SegInW on small copies whose AP is known by construction: rectangles, a network that fills boxes, a stub detector."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO
from tests.datasets.layouts import annotation, coco, disc
from tests.evaluation.painter import SIDE, Painter
from tests.evaluation.suites.test_detections import bar, detection, write
from tests.text.tiny_detectors import ColourDetector, blobs

from samhq.errors import ConfigError
from samhq.evaluation.suites.seginw import SegInW, detect_seginw, evaluate_seginw, seginw_table

Rectangle = tuple[int, int, int, int]


def seginw_set(folder: Path, categories: list[str], pictures: list[list[tuple[str, int, Rectangle]]]) -> Path:
    """A set with pictures of rectangles (colour, category, corners); the mask holds the corner that a box ends on."""
    names, records = {f"{number}.png": (SIDE, SIDE) for number in range(1, len(pictures) + 1)}, []
    path = folder / "valid" / "_annotations_min1cat.coco.json"
    for image, rectangles in enumerate(pictures, 1):
        for _, category, (x0, y0, x1, y1) in rectangles:
            mask = bar(x0, y0, x1 - x0 + 1, y1 - y0 + 1)
            records.append(annotation(len(records) + 1, image, mask, category))
    coco(path, names, records)
    content = json.loads(path.read_text())
    content["categories"] = [{"id": number, "name": name} for number, name in enumerate(categories)]
    path.write_text(json.dumps(content))
    for name, rectangles in zip(names, pictures, strict=True):
        Image.fromarray(blobs({colour: box for colour, _, box in rectangles}, (SIDE, SIDE))).save(path.parent / name)
    return path


@pytest.fixture
def three_sets(tmp_path: Path) -> Path:
    """AP 1: all found. AP of the second: category 0 all found, category 1 half. AP 0: nothing found."""
    root = tmp_path / "seginw"
    seginw_set(root / "Apples", ["red apple"], [[("red", 0, (5, 5, 30, 20))], [("red", 0, (20, 30, 50, 60))]])
    second: Any = [("green", 0, (5, 5, 30, 20)), ("blue", 1, (20, 30, 50, 60))]
    seginw_set(root / "Blocks", ["red/green block", "blue block"], [second, [("grey", 1, (9, 9, 20, 20))]])
    seginw_set(root / "Cats", ["cat"], [[("red", 0, (5, 5, 30, 20))]])
    return root


def test_a_detector_of_known_ap_on_three_sets(three_sets: Path, tmp_path: Path) -> None:
    detector = ColourDetector()
    boxes = detect_seginw(detector, three_sets, tmp_path / "boxes")
    assert [names for _, names in detector.calls] == [("red apple",), ("red", "green block", "blue block"), ("cat",)]
    found = evaluate_seginw(Painter(), three_sets, boxes, results=tmp_path / "results")
    half = 51 / 101  # recall 0.5 at full precision, over the 101 places of COCO's curve
    expected = {"Apples": 1, "Blocks": (1 + half) / 2, "Cats": 0}
    assert {name: scores.masks.ap for name, scores in found.sets.items()} == pytest.approx(expected)
    assert found.mean == pytest.approx(sum(expected.values()) / 3)
    by_box = {name: scores.box_ap for name, scores in found.sets.items()}
    assert by_box == pytest.approx({"Apples": 0.9, "Blocks": 0.9 * (1 + half) / 2, "Cats": 0})
    assert found.mean_box == pytest.approx(sum(by_box.values()) / 3)
    assert found.to_json()["mean_box"] == pytest.approx(found.mean_box)


def test_the_result_files_are_those_of_sam_hqs_script(three_sets: Path, tmp_path: Path) -> None:
    boxes = detect_seginw(ColourDetector(), three_sets, tmp_path / "boxes")
    evaluate_seginw(Painter(), three_sets, boxes, results=tmp_path / "results")
    files = [tmp_path / "results" / f"seginw-{name}_val.json" for name in ("Apples", "Blocks", "Cats")]
    assert sorted((tmp_path / "results").iterdir()) == files
    records = json.loads(files[1].read_text())
    assert [(r["category_id"], r["score"]) for r in records] == [
        (0, pytest.approx(0.6)),
        (1, pytest.approx(0.3)),
    ]
    assert json.loads(files[2].read_text()) == []
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(three_sets / "Blocks" / "valid" / "_annotations_min1cat.coco.json"))
        loaded = truth.loadRes(str(files[1]))
    assert [one["area"] for one in loaded.dataset["annotations"]] == [26 * 16, 31 * 31]


def test_a_limit_counts_in_each_set(three_sets: Path, tmp_path: Path) -> None:
    boxes = detect_seginw(ColourDetector(), three_sets, tmp_path / "boxes", limit=1)
    assert len(json.loads((boxes / "Apples.json").read_text())) == 1
    assert evaluate_seginw(Painter(), three_sets, boxes, limit=1).sets["Apples"].masks.ap == pytest.approx(1)


def test_seginw_is_the_mean_over_sets(tmp_path: Path) -> None:
    for name, mask in (("Bars", bar(5, 5, 20, 20)), ("Discs", disc(SIDE, SIDE, (30, 30), 16))):
        folder = tmp_path / "seginw" / name / "valid"
        coco(folder / "_annotations_min1cat.coco.json", {"a.png": (SIDE, SIDE)}, [annotation(0, 1, mask)])
    found = evaluate_seginw(Painter(), tmp_path / "seginw", name="p")
    assert list(found.sets) == ["Bars", "Discs"]
    share = disc(SIDE, SIDE, (30, 30), 16).sum() / 33**2  # a disc in its box: 0.74
    thresholds = (np.linspace(0.5, 0.95, 10) <= share).mean()
    assert found.mean == pytest.approx((1 + thresholds) / 2)
    text = seginw_table([found, found])
    assert "| mean of 2 |" in text
    assert "not the published figure" in text
    boxes = tmp_path / "boxes"
    write(boxes / "Bars.json", [detection(5, 5, 20, 20)])
    with pytest.raises(ConfigError, match=r"Discs\.json"):
        evaluate_seginw(Painter(), tmp_path / "seginw", boxes)
    write(boxes / "Discs.json", [])
    assert evaluate_seginw(Painter(), tmp_path / "seginw", boxes).mean == pytest.approx(0.5)
    with pytest.raises(ConfigError, match=r"Unpack seginw\.zip"):
        evaluate_seginw(Painter(), tmp_path)
    with pytest.raises(ConfigError, match=r"Unpack seginw\.zip"):
        detect_seginw(ColourDetector(), tmp_path, tmp_path)


def test_a_set_without_true_objects_leaves_the_mean_as_it_is(tmp_path: Path) -> None:
    for name, records in (("Bars", [annotation(0, 1, bar(5, 5, 20, 20))]), ("None", [])):
        coco(tmp_path / name / "valid" / "_annotations_min1cat.coco.json", {"a.png": (SIDE, SIDE)}, records)
    found = evaluate_seginw(Painter(), tmp_path)
    assert (found.mean, found.mean_borders, len(found.measured)) == pytest.approx((1, 1, 1))
    lines = [line.split("|") for line in found.table().splitlines()]
    cells = {line[1].strip(): line[2].strip() for line in lines if len(line) > 2}
    assert (cells["None"], cells["mean of 1"]) == ("- / - / -", "100.0 / 100.0 / -")
    record = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert (record["mean"], record["measured"]) == (pytest.approx(1), 1)
    assert SegInW("p", "off", {"None": found.sets["None"]}).to_json()["mean"] is None
