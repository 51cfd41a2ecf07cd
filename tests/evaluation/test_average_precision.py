from __future__ import annotations

import contextlib
import copy
import io
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from tests.datasets.layouts import annotation

from samhq.evaluation.average_precision import average_precision, boundary_code, box_precision
from samhq.evaluation.metrics import boundary, boundary_iou, iou
from samhq.masks import rle

SIZE = (120, 160)


def box(x: int, y: int, width: int = 20, height: int = 20) -> np.ndarray:
    mask = np.zeros(SIZE, bool)
    mask[y : y + height, x : x + width] = True
    return mask


def result(mask: np.ndarray, score: float, image: int = 1, category: int = 1) -> dict[str, Any]:
    return {"image_id": image, "category_id": category, "segmentation": rle.encode(mask), "score": score}


def measured(truth: list, results: list, by_boundary: bool = False) -> float:
    return round(average_precision(truth, results, [1], [1], by_boundary=by_boundary).ap, 9)  # pycocotools rounds


def blobs(rng: np.random.Generator, count: int) -> list[np.ndarray]:
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    return [
        ((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2 <= 1
        for cy, cx, ry, rx in zip(
            rng.uniform(0, SIZE[0], count), rng.uniform(0, SIZE[1], count), *rng.uniform(4, 70, (2, count)), strict=True
        )
    ]


def jittered(mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.roll(mask, rng.integers(-5, 6, 2), (0, 1))


@pytest.mark.parametrize("seed", range(4))
def test_the_numbers_are_those_of_pycocotools(tmp_path: Path, seed: int) -> None:
    """Called directly, on files, with objects of all sizes, two categories, crowds, misses and false alarms."""
    rng = np.random.default_rng(seed)
    truth, results = [], []
    for image in range(1, 6):
        for number, mask in enumerate(blobs(rng, 7)):
            category, crowd = int(rng.integers(1, 3)), int(rng.random() < 0.15)
            truth.append(annotation(len(truth) + 1, image, mask, category, iscrowd=crowd))
            if rng.random() < 0.8:
                results.append(result(jittered(mask, rng), float(rng.random()), image, category))
            if number % 3 == 0:
                results.append(result(blobs(rng, 1)[0], float(rng.random()), image, category))
    data = {
        "images": [{"id": i, "height": SIZE[0], "width": SIZE[1]} for i in range(1, 6)],
        "annotations": truth,
        "categories": [{"id": 1}, {"id": 2}],
        "info": {},
    }
    for name, content in (("truth.json", data), ("results.json", results)):
        (tmp_path / name).write_text(json.dumps(content))
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(tmp_path / "truth.json"))
        direct = COCOeval(coco, coco.loadRes(str(tmp_path / "results.json")), "segm")
        direct.evaluate()
        direct.accumulate()
        direct.summarize()
    ours = average_precision(truth, results, range(1, 6), [1, 2])
    mine = [ours.ap, ours.ap50, ours.ap75, ours.small, ours.medium, ours.large]
    # Where there is no object of a size pycocotools says -1.
    assert np.nan_to_num(mine, nan=-1).tolist() == pytest.approx(direct.stats[:6].tolist(), abs=1e-12)
    assert 0.05 < ours.ap < 0.95
    assert np.nanmean(list(ours.categories.values())) == pytest.approx(ours.ap)


@pytest.mark.parametrize("seed", range(3))
def test_box_ap_is_that_of_pycocotools(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth, results = [], []
    for image in (1, 2, 3):
        for mask in blobs(rng, 6):
            category, crowd = int(rng.integers(1, 3)), int(rng.random() < 0.15)
            truth.append(annotation(len(truth) + 1, image, mask, category, iscrowd=crowd))
            box_xywh = (np.array(truth[-1]["bbox"]) + rng.uniform(-2, 2, 4)).clip(0).tolist()
            about = {"image_id": image, "category_id": category, "score": float(rng.random())}
            results.append(about | {"bbox": box_xywh})
    data = {"images": [{"id": i} for i in (1, 2, 3)], "annotations": truth, "categories": [{"id": 1}, {"id": 2}]}
    for name, content in (("truth.json", data | {"info": {}}), ("results.json", results)):
        (tmp_path / name).write_text(json.dumps(content))
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(tmp_path / "truth.json"))
        direct = COCOeval(coco, coco.loadRes(str(tmp_path / "results.json")), "bbox")
        direct.evaluate()
        direct.accumulate()
        direct.summarize()
    ours = box_precision(truth, results, [1, 2, 3], [1, 2])
    mine = [ours.ap, ours.ap50, ours.ap75, ours.small, ours.medium, ours.large]
    assert np.nan_to_num(mine, nan=-1).tolist() == pytest.approx(direct.stats[:6].tolist(), abs=1e-12)
    assert 0.05 < ours.ap < 0.95


def test_ap_by_hand() -> None:
    """Right, wrong, right: precision 1 up to a recall of one half, then two thirds, at 101 recalls."""
    truth = [annotation(1, 1, box(0, 0)), annotation(2, 1, box(50, 50))]
    results = [result(box(0, 0), 0.9), result(box(100, 80), 0.8), result(box(50, 50), 0.7)]
    assert measured(truth, results) == pytest.approx((51 * 1 + 50 * 2 / 3) / 101)
    assert measured(truth, results[:1]) == pytest.approx(51 / 101)
    assert measured(truth, results[1:2]) == measured(truth, []) == 0
    assert math.isnan(measured([], results))


def test_thresholds_by_hand() -> None:
    """An IoU of 3/5 passes the thresholds 0.50, 0.55 and 0.60 of ten."""
    truth, results = [annotation(1, 1, box(0, 0, 20, 20))], [result(box(5, 0, 20, 20), 1.0)]
    found = average_precision(truth, results, [1], [1])
    assert (found.ap, found.ap50, found.ap75) == pytest.approx((0.3, 1, 0))
    assert found.small == pytest.approx(0.3)
    assert math.isnan(found.large)


def test_a_second_detection_of_one_object_is_wrong() -> None:
    truth = [annotation(1, 1, box(0, 0)), annotation(2, 1, box(50, 50))]
    results = [result(box(0, 0), 0.9), result(box(0, 0), 0.8), result(box(50, 50), 0.7)]
    assert measured(truth, results) == pytest.approx((51 + 50 * 2 / 3) / 101)


def test_what_lies_in_a_crowd_is_neither_right_nor_wrong() -> None:
    crowd = annotation(2, 1, box(40, 40, 80, 60), iscrowd=1)
    truth, right = [annotation(1, 1, box(0, 0)), crowd], result(box(0, 0), 0.5)
    inside = [result(box(60, 60), 0.9), result(box(80, 70), 0.8)]
    for by_boundary in (False, True):
        assert measured(truth, [*inside, right], by_boundary) == 1
        assert measured(truth[:1], [*inside, right], by_boundary) == pytest.approx(1 / 3)


def test_an_annotation_numbered_0_counts() -> None:
    """pycocotools itself takes a match with it for none."""
    truth = [annotation(0, 1, box(0, 0))]
    assert measured(truth, [result(box(0, 0), 1.0)]) == 1


def test_boundary_ap_asks_for_both() -> None:
    """One result a picture: it counts up to the smaller of its two IoU, computed from the definition."""
    rng = np.random.default_rng(3)
    for mask in blobs(rng, 12):
        other = jittered(mask, rng)
        true, pred = torch.from_numpy(mask), torch.from_numpy(other)
        value = min(iou(pred, true).item(), boundary_iou(pred, true).item())
        expected = (np.linspace(0.5, 0.95, 10) <= value + 1e-9).mean()
        found = measured([annotation(1, 1, mask)], [result(other, 1.0)], by_boundary=True)
        assert found == pytest.approx(expected if mask.any() and other.any() else 0)


def test_a_band_in_a_large_object_can_fail_where_its_area_passes() -> None:
    truth, results = [annotation(1, 1, box(10, 10, 90, 90))], [result(box(14, 10, 90, 90), 1.0)]
    assert measured(truth, results) == pytest.approx(0.9)
    assert measured(truth, results, by_boundary=True) <= 0.1


def test_boundary_codes_are_the_boundaries() -> None:
    rng = np.random.default_rng(0)
    for mask in [*blobs(rng, 8), np.ones(SIZE, bool), np.zeros(SIZE, bool), box(159, 119, 1, 1)]:
        expected = boundary(torch.from_numpy(mask)).numpy()
        assert np.array_equal(rle.decode(boundary_code(rle.encode(mask))), expected)


def test_only_the_named_pictures_count_and_records_stay_as_they_are() -> None:
    truth = [annotation(1, 1, box(0, 0)), annotation(2, 2, box(0, 0))]
    results = [result(box(0, 0), 0.5), result(box(60, 60), 0.9, image=2)]
    before = copy.deepcopy((truth, results))
    assert measured(truth[:1], results[:1]) == 1
    assert average_precision(truth[:1], results, [1], [1]).ap == pytest.approx(1)
    assert (truth, results) == before


def test_uncompressed_codes_and_json() -> None:
    mask = box(3, 3)
    truth = [{**annotation(1, 1, mask), "segmentation": rle.uncompressed(mask)}]
    found = average_precision(truth, [result(mask, 1.0)], [1], [1, 2])
    record = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert (record["large"], record["categories"]["2"]) == (None, None)
    assert (record["ap"], record["categories"]["1"]) == pytest.approx((1, 1))
