"""The interface of SAM 2 gives the answers of the original's predictor and generator, cleaning and batches included."""

from __future__ import annotations

import json
import zlib
from functools import cache
from typing import Any

import numpy as np
import pytest

from samhq.compat.sam2 import SAM2AutomaticMaskGenerator, SAM2ImagePredictor
from samhq.model.sam2.sam2 import Sam2
from tests.golden import deterministic
from tests.golden import sam2 as golden
from tests.golden.test_golden import DATA

RELATIVE = 2e-4  #: of the mean size of the stored logits
BORDER_PIXELS = 20  #: that may fall on the other side of zero in one mask
EXACT = 0.7  #: of the masks of a picture, at least, agree in every pixel


@cache
def model(file: str, side: int) -> tuple[Sam2, dict[str, Any]]:
    """A model with the stored weights, and what is stored of it."""
    described = json.loads((DATA / f"{file}.json").read_text())
    return golden.model(file, described, side), described


def check(file: str, case: str, masks: np.ndarray, iou: np.ndarray, low: np.ndarray) -> None:
    """One answer beside the stored one."""
    with np.load(DATA / f"{file}.npz") as stored:
        expected = stored[f"{case}__low"]
        steps = [-(-a // b) for a, b in zip(low.shape, expected.shape, strict=True)]
        part = low[tuple(slice(None, None, step) for step in steps)]
        assert np.abs(part - expected).max() < RELATIVE * np.abs(expected).mean(), case
        np.testing.assert_allclose(iou, stored[f"{case}__iou"], atol=1e-5)
        assert np.abs(masks.sum((-1, -2)) - stored[f"{case}__area"]).max() <= BORDER_PIXELS, case


CASES = ("point__multi1__cleaned", "points_pos_neg__multi0", "box_point__multi1", "boxes__multi0", "point_sets__multi1")


@pytest.mark.parametrize("file", ["sam2_1_hiera_t", pytest.param("hq_sam2_1_hiera_l", marks=pytest.mark.slow)])
def test_predict(file: str) -> None:
    sam, described = model(file, 1024)
    image = described["image"]
    predictor = SAM2ImagePredictor(sam)
    predictor.set_image(deterministic.image(*image["picture"]))
    for case in CASES:
        name = case if case in image["cases"] else f"{case}__hqonly0"
        stored = image["cases"][name]
        args = {key: value for key, value in stored["args"].items() if not key.startswith("max_")}
        predictor.max_hole_area = stored["args"].get("max_hole_area", 0)
        predictor.max_sprinkle_area = stored["args"].get("max_sprinkle_area", 0)
        prompt = {key: np.array(value) for key, value in stored["prompt"].items()}
        masks, iou, low = predictor.predict(**prompt, **args)
        assert (list(masks.shape), list(iou.shape), list(low.shape)) == (
            stored["mask_shape"],
            stored["iou_shape"],
            stored["low_shape"],
        )
        check(file, name, masks, iou, low)


@pytest.mark.parametrize(
    ("file", "side"),
    [
        pytest.param("sam2_1_hiera_t", 1024, marks=pytest.mark.slow),
        pytest.param("hq_sam2_1_hiera_l", 256, marks=pytest.mark.slow),
    ],
)
def test_predict_batch(file: str, side: int) -> None:
    sam, described = model(file, side)
    batch = described["image"]["batch"]
    predictor = SAM2ImagePredictor(sam)
    predictor.set_image_batch([deterministic.image(*picture) for picture in batch["pictures"]])
    for name, call in batch["calls"].items():
        for multi in (True, False):
            answers = predictor.predict_batch(**call, multimask_output=multi)
            for i, answer in enumerate(zip(*answers, strict=True)):
                check(file, f"{name}__multi{int(multi)}__picture{i}", *answer)


RUNS = [("sam2_1_hiera_t", name) for name in ("clean", "m2m", "all", "filtered", "single", "crops")]
RUNS += [("hq_sam2_1_hiera_l", name) for name in ("all", "filtered", "m2m")]


@pytest.mark.parametrize(
    ("file", "run"), [pytest.param(*row, marks=[pytest.mark.slow] * (row[1] != "clean")) for row in RUNS]
)
def test_generate(file: str, run: str) -> None:
    stored = json.loads((DATA / f"{file}.json").read_text())["amg"]
    sam, _ = model(file, stored["image_size"])
    generator = SAM2AutomaticMaskGenerator(sam, **stored["runs"][run]["args"], output_mode="coco_rle")
    records, expected = generator.generate(deterministic.image(*stored["picture"])), stored["runs"][run]["records"]
    assert len(records) == len(expected)
    exact = [same(ours, theirs) for ours, theirs in zip(records, expected, strict=True)]
    assert sum(exact) >= EXACT * len(exact)


def same(ours: dict[str, Any], theirs: dict[str, Any]) -> bool:
    """Whether the masks are equal; everything else must be."""
    assert ours["point_coords"] == [pytest.approx(theirs["point_coords"][0], abs=1e-3)]
    assert ours["crop_box"] == theirs["crop_box"]
    assert ours["segmentation"]["size"] == theirs["rle_size"]
    assert ours["predicted_iou"] == pytest.approx(theirs["predicted_iou"], abs=2e-5)
    stability = np.nan_to_num(theirs["stability_score"])  # that of an empty mask is NaN there, 0 here
    assert ours["stability_score"] == pytest.approx(stability, abs=1e-3)
    assert abs(ours["area"] - theirs["area"]) <= BORDER_PIXELS
    assert ours["bbox"] == pytest.approx(theirs["bbox"], abs=3)
    return zlib.crc32(ours["segmentation"]["counts"].encode()) == theirs["rle_counts_crc32"]
