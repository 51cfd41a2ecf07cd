from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from tests import tiny
from tests.video import small

from samhq.compat.sam2 import (
    NoImageError,
    RefusedImageError,
    RefusedPromptError,
    SAM2AutomaticMaskGenerator,
    SAM2ImagePredictor,
    SAM2VideoPredictor,
)
from samhq.errors import ConfigError
from samhq.inference.segment import Segmenter

PICTURE = np.random.default_rng(0).integers(0, 255, (60, 90, 3)).astype(np.uint8)


@pytest.fixture
def predictor() -> SAM2ImagePredictor:
    made = SAM2ImagePredictor(tiny.shared(tiny.SECOND_HQ))
    made.set_image(PICTURE)
    return made


def test_masks_are_those_of_our_own_interface(predictor: SAM2ImagePredictor) -> None:
    masks, iou, low = predictor.predict(np.array([[40, 30]]), np.array([1]), box=np.array([10, 5, 80, 50]))
    assert masks.dtype == iou.dtype == low.dtype == np.float32
    assert (masks.shape, iou.shape, low.shape) == ((3, 60, 90), (3,), (3, 16, 16))
    ours = Segmenter(predictor.model).segment(PICTURE, points=[[40, 30]], box=[10, 5, 80, 50], multimask=True)
    order = np.argsort(-iou, kind="stable")
    np.testing.assert_array_equal(masks[order].astype(bool), ours.candidates[0])
    np.testing.assert_allclose(iou[order], ours.candidate_scores[0], atol=1e-6)
    assert np.abs(low).max() <= 32


def test_coordinates_may_be_parts_of_the_picture(predictor: SAM2ImagePredictor) -> None:
    pixels = predictor.predict(np.array([[45.0, 15.0]]), np.array([1]))
    parts = predictor.predict(np.array([[0.5, 0.25]]), np.array([1]), normalize_coords=False)
    np.testing.assert_allclose(pixels[2], parts[2], atol=1e-4)


def test_several_objects_have_an_axis_of_their_own(predictor: SAM2ImagePredictor) -> None:
    boxes = np.array([[1, 2, 30, 40], [20, 10, 80, 50]])
    masks, iou, low = predictor.predict(box=boxes, multimask_output=False)
    assert (masks.shape, iou.shape, low.shape) == ((2, 1, 60, 90), (2, 1), (2, 1, 16, 16))
    for row, box in enumerate(boxes):
        np.testing.assert_allclose(predictor.predict(box=box, multimask_output=False)[2], low[row], atol=1e-4)
    again = predictor.predict(box=boxes, mask_input=low, multimask_output=False, return_logits=True)
    assert again[0].dtype == np.float32
    assert len(np.unique(again[0])) > 2


def test_the_hq_mask_alone_is_one_mask_and_one_score(predictor: SAM2ImagePredictor) -> None:
    masks, iou, _ = predictor.predict(np.array([[40, 30]]), np.array([1]), hq_token_only=True)
    assert (masks.shape, iou.shape) == ((1, 60, 90), (1,))
    plain = SAM2ImagePredictor(tiny.shared(tiny.SECOND))
    plain.set_image(PICTURE)
    with pytest.raises(ConfigError, match="HQ heads"):
        plain.predict(np.array([[40, 30]]), np.array([1]), hq_token_only=True)


def test_a_batch_is_each_picture_alone(predictor: SAM2ImagePredictor) -> None:
    other, box = PICTURE[:40, ::-1].copy(), np.array([5, 5, 50, 35])
    predictor.set_image_batch([PICTURE, other])
    masks, iou, low = predictor.predict_batch(box_batch=[None, box], mask_input_batch=None)
    assert [one.shape for one in masks] == [(3, 60, 90), (3, 40, 90)]
    assert len(iou) == 2
    predictor.set_image(Image.fromarray(other))
    np.testing.assert_allclose(predictor.predict(box=box)[2], low[1], atol=1e-4)
    assert predictor.get_image_embedding().shape == (1, 32, 4, 4)


def test_grey_and_transparent_pictures_are_taken(predictor: SAM2ImagePredictor) -> None:
    for mode in ("L", "RGBA"):
        predictor.set_image(Image.fromarray(PICTURE).convert(mode))
        assert predictor.predict()[0].shape == (3, 60, 90)


def test_what_does_not_fit_is_refused(predictor: SAM2ImagePredictor) -> None:
    with pytest.raises(RefusedPromptError, match="labels together"):
        predictor.predict(np.array([[1, 2]]))
    with pytest.raises(RefusedPromptError, match="equally many objects"):
        predictor.predict(np.array([[1, 2]]), np.array([1]), box=np.array([[1, 2, 3, 4]] * 2))
    with pytest.raises(RefusedPromptError, match="label"):
        predictor.predict(np.array([[1, 2]]), np.array([7]))
    with pytest.raises(RefusedPromptError, match="NaN"):
        predictor.predict(np.array([[1, np.nan]]), np.array([1]))
    side = 4 * predictor.model.config.grid
    for shape in ((1, 5, side), (1, side, 5), (2, side, side), (side, side)):
        with pytest.raises(RefusedPromptError, match="mask_input"):
            predictor.predict(mask_input=np.zeros(shape))
    with pytest.raises(RefusedImageError, match=r"a tensor .*read_image"):
        predictor.set_image(torch.zeros(3, 8, 8))
    with pytest.raises(NoImageError):
        predictor.predict()
    with pytest.raises(NoImageError, match="batch"):
        predictor.predict_batch()
    with pytest.raises(ConfigError, match="tiny_hq"):
        SAM2ImagePredictor(tiny.shared(tiny.HQ))


def test_tensors_of_any_type_are_prompts(predictor: SAM2ImagePredictor) -> None:
    low = predictor.predict(np.array([[11, 18]]), np.array([1]))[2][:1]
    listed = predictor.predict([[11, 18]], [1], mask_input=torch.tensor(low).bfloat16().float().numpy())
    points = torch.tensor([[11.0, 18.0]], requires_grad=True)
    given = predictor.predict(points, torch.tensor([1]), mask_input=torch.tensor(low).bfloat16())
    assert np.array_equal(given[2], listed[2])


def test_a_video_predictor_is_a_model_as_in_the_original() -> None:
    model = small.shared()
    assert SAM2ImagePredictor(SAM2VideoPredictor(model)).model is model


def test_the_generators_settings_are_attributes() -> None:
    generator = SAM2AutomaticMaskGenerator(tiny.shared(tiny.SECOND), 4, pred_iou_thresh=-1, stability_score_thresh=-1)
    assert (generator.points_per_batch, generator.box_nms_thresh, generator.mask_threshold) == (64, 0.7, 0.0)
    assert (generator.use_m2m, generator.multimask_output, generator.min_mask_region_area) == (False, True, 0)
    many = len(generator.generate(PICTURE))
    generator.pred_iou_thresh = 2.0
    assert len(generator.generate(PICTURE)) < many
    generator.pred_iou_thresh, generator.multimask_output, generator.use_m2m = -1, False, True
    again = SAM2AutomaticMaskGenerator(
        tiny.shared(tiny.SECOND),
        4,
        pred_iou_thresh=0,
        stability_score_thresh=0,
        multimask_output=False,
        use_m2m=True,
    )
    assert [one["area"] for one in generator.generate(PICTURE)] == [one["area"] for one in again.generate(PICTURE)]


@pytest.mark.parametrize("area", [25.0, 25.5])
def test_the_least_area_of_regions_may_be_a_float_as_in_the_originals_notebook(area: float) -> None:
    sam = tiny.shared(tiny.SECOND)
    found = [
        SAM2AutomaticMaskGenerator(
            sam, 4, pred_iou_thresh=0, stability_score_thresh=0, min_mask_region_area=value
        ).generate(PICTURE)
        for value in (area, 25)
    ]
    assert [one["area"] for one in found[0]] == [one["area"] for one in found[1]]
    with pytest.raises(ConfigError, match="Expected min_mask_region_area as a number of at least 0, got -1"):
        SAM2AutomaticMaskGenerator(sam, 4, min_mask_region_area=-1.0)
