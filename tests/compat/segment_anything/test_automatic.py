"""`SamAutomaticMaskGenerator`: the published arguments, records and refusals."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import warnings
from typing import Any

import numpy as np
import pytest
from tests.inference.test_segment import picture
from tests.results.test_records import FIELDS

from samhq.compat.segment_anything.automatic import SamAutomaticMaskGenerator
from samhq.compat.segment_anything.sam import with_published_interface
from samhq.config import Defaults
from samhq.errors import ConfigError, ImageError, SamHQError, SamHQWarning
from samhq.inference.everything import segment_everything
from samhq.masks import rle
from samhq.model.sam import Sam

LOOSE: dict[str, Any] = {
    "points_per_side": 4, "pred_iou_thresh": 0.0, "stability_score_thresh": 0.01, "box_nms_thresh": 1.0,
}  # fmt: skip
#: Of segment-anything's class, in order.
PUBLISHED = {
    "points_per_side": 32,
    "points_per_batch": 64,
    "pred_iou_thresh": 0.88,
    "stability_score_thresh": 0.95,
    "stability_score_offset": 1.0,
    "box_nms_thresh": 0.7,
    "crop_n_layers": 0,
    "crop_nms_thresh": 0.7,
    "crop_overlap_ratio": 512 / 1500,
    "crop_n_points_downscale_factor": 1,
    "point_grids": None,
    "min_mask_region_area": 0,
    "output_mode": "binary_mask",
}


def test_the_published_parameters() -> None:
    parameters = list(inspect.signature(SamAutomaticMaskGenerator).parameters.values())
    assert parameters[0].name == "model"
    assert {p.name: p.default for p in parameters[1:]} == PUBLISHED
    assert [p.name for p in parameters[1:]] == list(PUBLISHED)


def test_records_are_those_of_our_own_interface(first_sam: Sam) -> None:
    records = SamAutomaticMaskGenerator(first_sam, **LOOSE, crop_n_layers=1).generate(picture(90, 120))
    expected = segment_everything(picture(90, 120), first_sam, **LOOSE, crop_n_layers=1).records
    assert len(records) == len(expected) > 0
    for record, own in zip(records, expected, strict=True):
        assert list(record) == FIELDS
        assert np.array_equal(record["segmentation"], own["segmentation"])
        assert record["predicted_iou"] == pytest.approx(own["predicted_iou"], abs=1e-6)
        assert record["point_coords"] == own["point_coords"]


def test_thresholds_that_suit_the_weights_are_named_once(hq: Sam) -> None:
    tuned = copy.copy(hq)
    tuned.config = dataclasses.replace(hq.config, defaults=Defaults(pred_iou_thresh=0.4, stability_score_thresh=0.85))
    generator = SamAutomaticMaskGenerator(tuned, points_per_side=2)
    with pytest.warns(SamHQWarning, match=r"pred_iou_thresh=0\.4, stability_score_thresh=0\.85\)") as caught:
        generator.generate(picture())
    assert len(caught) == 1
    quiet = [
        generator,
        SamAutomaticMaskGenerator(hq, points_per_side=2),
        SamAutomaticMaskGenerator(tuned, points_per_side=2, pred_iou_thresh=0.4, stability_score_thresh=0.85),
        SamAutomaticMaskGenerator(tuned, points_per_side=2, pred_iou_thresh=0.9, stability_score_thresh=0.9),
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error", SamHQWarning)
        for silent in quiet:
            silent.generate(picture())


def test_parameters_are_attributes_that_may_be_changed(hq: Sam) -> None:
    generator = SamAutomaticMaskGenerator(hq, points_per_side=4)
    for name, default in PUBLISHED.items():
        if name not in ("points_per_side", "point_grids"):  # the published class has no such attribute, or builds grids
            assert getattr(generator, name) == default
    assert generator.generate(picture(90, 120)) == []
    generator.pred_iou_thresh, generator.stability_score_thresh = 0.0, 0.01
    assert generator.generate(picture(90, 120))
    with pytest.raises(ConfigError, match="points_per_batch"):
        generator.points_per_batch = 0


@pytest.mark.parametrize("mode", ["uncompressed_rle", "coco_rle"])
def test_output_modes(hq: Sam, mode: Any) -> None:
    masks = SamAutomaticMaskGenerator(hq, **LOOSE).generate(picture())
    codes = SamAutomaticMaskGenerator(hq, **LOOSE, output_mode=mode).generate(picture())
    for mask, code in zip(masks, codes, strict=True):
        assert np.array_equal(rle.decode(code["segmentation"]), mask["segmentation"])
        assert isinstance(code["segmentation"]["counts"], str if mode == "coco_rle" else list)


def test_plain_models_give_three_masks_a_point_and_hq_models_one(plain: Sam, hq: Sam) -> None:
    free = {**LOOSE, "stability_score_thresh": 0.0}
    assert len(SamAutomaticMaskGenerator(plain, **free).generate(picture())) == 48
    assert len(SamAutomaticMaskGenerator(hq, **free).generate(picture())) == 16


@pytest.mark.parametrize("fixture", ["plain", "hq"])
def test_one_mask_a_point(request: pytest.FixtureRequest, fixture: str) -> None:
    sam = request.getfixturevalue(fixture)
    free = {**LOOSE, "stability_score_thresh": 0.0}
    single = SamAutomaticMaskGenerator(sam, **free).generate(picture(), multimask_output=False)
    expected = segment_everything(picture(), sam, **free, candidates="single").records
    assert [r["area"] for r in single] == [r["area"] for r in expected]
    assert len(single) == 16


def test_the_models_threshold_counts(hq: Sam) -> None:
    model = with_published_interface(hq)
    model.mask_threshold = 2.0
    higher = SamAutomaticMaskGenerator(model, **LOOSE).generate(picture())
    expected = segment_everything(picture(), hq, **LOOSE, mask_threshold=2.0).records
    assert [r["area"] for r in higher] == [r["area"] for r in expected]


@pytest.mark.parametrize("crops", [0, 1])
def test_nothing_is_an_empty_list(hq: Sam, crops: int) -> None:
    generator = SamAutomaticMaskGenerator(hq, 3, pred_iou_thresh=9.0, crop_n_layers=crops, min_mask_region_area=5)
    assert generator.generate(picture()) == []


@pytest.mark.parametrize(
    "options",
    [
        {"points_per_side": None},
        {"points_per_side": 4, "point_grids": [np.full((1, 2), 0.5)]},
        {"output_mode": "polygons"},
    ],
)
def test_what_the_published_class_asserts(hq: Sam, options: dict[str, Any]) -> None:
    with pytest.raises(AssertionError) as caught:
        SamAutomaticMaskGenerator(hq, **options)
    assert isinstance(caught.value, SamHQError)


def test_other_misuse(hq: Sam) -> None:
    with pytest.raises(ConfigError, match="sam_model_registry"):
        SamAutomaticMaskGenerator("vit_b")  # type: ignore[arg-type]
    with pytest.raises(ImageError, match="uint8"):
        SamAutomaticMaskGenerator(hq).generate(picture() / 255)


def test_a_negative_threshold_is_off_as_in_the_published_generator(hq: Sam) -> None:
    generator = SamAutomaticMaskGenerator(hq, 3, pred_iou_thresh=-1.0, stability_score_thresh=-1)
    off = SamAutomaticMaskGenerator(hq, 3, pred_iou_thresh=0.0, stability_score_thresh=0.0)
    assert generator.config.pred_iou_thresh == 0 == generator.stability_score_thresh
    assert len(generator.generate(picture())) == len(off.generate(picture()))
    generator.pred_iou_thresh = -3
    assert generator.pred_iou_thresh == 0
