"""`OnnxPredictor` takes and gives what `SamPredictor` does."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from samhq.compat.segment_anything import SamPredictor
from samhq.errors import ConfigError, ImageError, PromptError
from samhq.model.sam import Sam
from samhq.runtime import OnnxPredictor


def picture(height: int = 45, width: int = 70) -> np.ndarray:
    small = np.random.default_rng(5).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return np.array(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


@pytest.fixture(scope="module")
def ready(hq_folder: Path) -> OnnxPredictor:
    predictor = OnnxPredictor(hq_folder)
    predictor.set_image(picture())
    return predictor


@pytest.fixture
def reference(hq: Sam) -> SamPredictor:
    predictor = SamPredictor(hq)
    predictor.set_image(picture())
    return predictor


@pytest.mark.parametrize("moment", ["decode", "hq_mode"])
def test_a_picture_that_another_thread_sets_meanwhile_changes_no_answer(
    moment: str, hq_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictor = OnnxPredictor(hq_folder)
    predictor.set_image(picture())
    asked: dict[str, Any] = {"point_coords": np.array([[20, 30]]), "point_labels": np.array([1])}
    alone = predictor.predict(**asked)
    step = getattr(predictor.model, moment)

    def interrupted(*args: Any) -> Any:
        predictor.set_image(picture()[:40])
        return step(*args)

    monkeypatch.setattr(predictor.model, moment, interrupted)
    for mine, expected in zip(predictor.predict(**asked), alone, strict=True):
        np.testing.assert_array_equal(mine, expected)


LOGITS = np.random.default_rng(1).standard_normal((1, 16, 16)).astype(np.float32) * 4
PROMPTS: list[dict[str, Any]] = [
    {"point_coords": np.array([[20, 30]]), "point_labels": np.array([1])},
    {"point_coords": np.array([[20.5, 30], [60, 3]]), "point_labels": np.array([1, 0])},
    {"point_coords": np.array([[20, 30], [0, 0]]), "point_labels": np.array([1, -1])},
    {"box": np.array([5, 4, 40, 30])},
    {"box": np.array([[5.5, 4, 40, 30]]), "point_coords": np.array([[9, 9]]), "point_labels": np.array([0])},
    {"mask_input": LOGITS, "point_coords": np.array([[9, 9]]), "point_labels": np.array([1])},
    {"mask_input": LOGITS},
    {},
]


@pytest.mark.parametrize("asked", PROMPTS, ids=lambda asked: "+".join(asked) or "nothing")
@pytest.mark.parametrize(
    "how",
    [
        {},
        {"multimask_output": False},
        {"multimask_output": False, "hq_token_only": True},
        {"return_logits": True},
    ],
    ids=str,
)
def test_the_same_as_sam_predictor(
    ready: OnnxPredictor, reference: SamPredictor, asked: dict[str, Any], how: dict[str, bool]
) -> None:
    masks, scores, low_res = ready.predict(**asked, **how)
    expected = reference.predict(**asked, **how)
    for got, wanted in zip((masks, scores, low_res), expected, strict=True):
        assert got.shape == wanted.shape
        assert got.dtype == wanted.dtype
    np.testing.assert_allclose(scores, expected[1], atol=1e-5)
    np.testing.assert_allclose(low_res, expected[2], atol=2e-4)
    if how.get("return_logits"):
        np.testing.assert_allclose(masks, expected[0], atol=3e-4)
    else:
        assert (masks != expected[0]).mean() < 1e-3


def test_what_it_knows_of_the_picture(ready: OnnxPredictor, reference: SamPredictor) -> None:
    assert ready.original_size == reference.original_size == (45, 70)
    assert ready.input_size == reference.input_size
    np.testing.assert_allclose(ready.get_image_embedding(), reference.get_image_embedding(), atol=1e-4)


def test_bgr_is_turned_round(hq_folder: Path, ready: OnnxPredictor) -> None:
    other = OnnxPredictor(hq_folder)
    other.set_image(picture()[..., ::-1], image_format="BGR")
    np.testing.assert_array_equal(other.get_image_embedding(), ready.get_image_embedding())
    other.reset_image()
    assert not other.is_image_set
    assert other.features is other.original_size is other.input_size is None
    with pytest.raises(PromptError, match="set_image first"):
        other.predict(**PROMPTS[0])


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"point_coords": np.array([[1, 1]])}, "without labels"),
        ({"point_labels": np.array([1])}, "without points"),
        ({"point_coords": np.array([[1, 1]]), "point_labels": np.array([1, 0])}, "a label for each"),
        ({"point_coords": np.array([[1, np.nan]]), "point_labels": np.array([1])}, "NaN"),
        ({"point_coords": np.array([[1, 1]]), "point_labels": np.array([2])}, "labels 1"),
        ({"box": np.zeros((2, 4))}, "one box"),
        ({"box": "everything"}, "array of numbers"),
        ({"mask_input": np.zeros((1, 5, 5), np.float32)}, "mask prompt"),
    ],
)
def test_misuse_is_told(ready: OnnxPredictor, asked: dict[str, Any], says: str) -> None:
    with pytest.raises(PromptError, match=says):
        ready.predict(**asked)


def test_pictures_of_other_kinds_are_refused(ready: OnnxPredictor) -> None:
    for image, order in ((np.zeros((4, 4), np.uint8), "RGB"), (picture(), "GBR")):
        with pytest.raises(ImageError):
            ready.set_image(image, order)
    assert ready.is_image_set


def test_a_plain_sam_has_no_hq_mask(ready: OnnxPredictor, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    monkeypatch.setattr(ready.model, "about", replace(ready.model.about, hq=False))
    with pytest.raises(ConfigError, match="plain SAM"):
        ready.predict(**PROMPTS[0], hq_token_only=True)


def test_a_predictor_can_be_pickled_with_its_picture(hq_folder: Path) -> None:
    predictor = OnnxPredictor(hq_folder)
    predictor.set_image(np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8))
    copied, box = pickle.loads(pickle.dumps(predictor)), np.array([5, 5, 30, 30])
    for mine, theirs in zip(predictor.predict(box=box), copied.predict(box=box), strict=True):
        np.testing.assert_array_equal(mine, theirs)
