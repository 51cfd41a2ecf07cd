"""Every prompt gives masks or an error of ours."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests import tiny
from tests.compat.segment_anything.tiny_predictors import BOX, LABELS, POINTS, SIZE, predictor_for

from samhq.compat.segment_anything import SamPredictor
from samhq.config import ModelConfig
from samhq.errors import ConfigError, PromptError, SamHQError


@pytest.mark.parametrize("config", [tiny.PLAIN, tiny.HQ], ids=lambda config: config.name)
def test_any_prompt_or_none(config: ModelConfig) -> None:
    predictor = predictor_for(config)
    _, _, low = predictor.predict(POINTS, LABELS, multimask_output=False)
    asked = [
        {},
        {"point_coords": POINTS, "point_labels": LABELS},
        {"point_coords": POINTS, "point_labels": np.array([1, -1])},
        {"box": BOX},
        {"box": BOX, "point_coords": POINTS, "point_labels": LABELS},
        {"mask_input": low},
        {"box": BOX, "mask_input": low},
    ]
    answers = [predictor.predict(**prompt, multimask_output=False)[2] for prompt in asked]
    for i, one in enumerate(answers):
        for other in answers[:i]:
            assert np.abs(one - other).max() > 1e-4


def test_number_types_of_prompts_do_not_matter(hq_predictor: SamPredictor) -> None:
    """Integers and doubles become float32, so that devices without doubles take them too."""
    expected = hq_predictor.predict(POINTS, LABELS, BOX)
    for dtype in (np.int32, np.float32, np.float64):
        got = hq_predictor.predict(POINTS.astype(dtype), LABELS.astype(dtype), BOX[None].astype(dtype))
        for ours, theirs in zip(got, expected, strict=True):
            np.testing.assert_array_equal(ours, theirs)
    prompts = hq_predictor.model.prompts(
        torch.zeros(1, 1, 2).double(), torch.ones(1, 1).int(), torch.ones(1, 4).long(), None
    )
    assert prompts.points.dtype == prompts.boxes.dtype == torch.float32
    assert prompts.labels.dtype == torch.int64


@pytest.mark.parametrize(
    ("prompt", "published", "message"),
    [
        ({"point_coords": POINTS}, AssertionError, "without labels"),
        ({"point_labels": LABELS}, PromptError, "without points"),
        ({"box": np.array([BOX, BOX])}, RuntimeError, "predict_torch"),
        ({"box": BOX[:3]}, RuntimeError, "one box"),
        ({"point_coords": POINTS, "point_labels": np.ones(3)}, RuntimeError, "prompts, points"),
        ({"point_coords": np.ones((2, 3)), "point_labels": LABELS}, RuntimeError, r"\(x, y\)"),
        ({"point_coords": POINTS[0], "point_labels": np.array(1)}, PromptError, "prompts, points"),
        ({"point_coords": POINTS, "point_labels": np.array([2, 3])}, PromptError, "box="),
        ({"point_coords": POINTS, "point_labels": np.array([1, -10])}, PromptError, "-10"),
        ({"point_coords": POINTS, "point_labels": np.array([1, 0.5])}, PromptError, "0.5"),
        ({"point_coords": POINTS * np.nan, "point_labels": LABELS}, PromptError, "finite"),
        ({"box": BOX * np.inf}, PromptError, "finite"),
        ({"mask_input": np.zeros((1, 90, 61))}, RuntimeError, "16, 16"),
        ({"mask_input": np.zeros((16, 16))}, RuntimeError, "low-resolution"),
        ({"mask_input": np.full((1, 16, 16), np.nan)}, PromptError, "finite"),
        ({"point_coords": [[1, 2], [3]], "point_labels": [1, 1]}, PromptError, "array of numbers"),
        ({"box": "left"}, PromptError, "array of numbers"),
    ],
)
def test_predict_refuses(hq_predictor: SamPredictor, prompt: dict, published: type[Exception], message: str) -> None:
    with pytest.raises(published, match=message) as raised:
        hq_predictor.predict(**prompt)
    assert isinstance(raised.value, PromptError)


NUMBERS = st.floats(width=32) | st.integers(-3, 3) | st.integers()
ARRAYS = st.none() | st.sampled_from([(2,), (4,), (1, 2), (2, 2), (1, 4), (2, 4), (0, 2), (1,), ()]).flatmap(
    lambda shape: st.lists(NUMBERS, min_size=int(np.prod(shape)), max_size=int(np.prod(shape))).map(
        lambda values: np.array(values, dtype=object).reshape(shape)
    )
)


@settings(max_examples=60, deadline=None)
@example(points=None, labels=None, box=None, filled=2.5e19, multimask=False)
@given(points=ARRAYS, labels=ARRAYS, box=ARRAYS, filled=st.none() | NUMBERS, multimask=st.booleans())
def test_any_prompt_gives_masks_or_our_own_error(points, labels, box, filled, multimask) -> None:
    predictor = fuzzed()
    mask = None if filled is None else np.full((1, 16, 16), filled, dtype=object)
    try:
        masks, scores, low = predictor.predict(points, labels, box, mask, multimask)
    except SamHQError:
        return
    assert masks.shape == (1, *SIZE)
    assert np.isfinite(scores).all()
    assert np.isfinite(low).all()


@lru_cache(maxsize=1)
def fuzzed() -> SamPredictor:
    return predictor_for(tiny.HQ)


def test_one_mask_serves_all_prompts(hq_predictor: SamPredictor) -> None:
    boxes = torch.tensor([[3.0, 4, 30, 40], [10, 4, 50, 60]])
    mask = tiny.masks(tiny.HQ, [True])
    shared = hq_predictor.predict_torch(None, None, boxes=boxes, mask_input=mask)
    repeated = hq_predictor.predict_torch(None, None, boxes=boxes, mask_input=mask.repeat(2, 1, 1, 1))
    torch.testing.assert_close(shared[2], repeated[2])


@pytest.mark.parametrize(
    ("coords", "labels", "boxes", "masks"),
    [
        ((2, 1, 2), (2, 1), (3, 4), None),
        ((1, 2), (1,), None, None),
        ((2, 1, 2), (1, 1), None, None),
        (None, None, (1, 2, 4), None),
        (None, None, (4,), None),
        (None, None, (2, 4), (3, 1, 16, 16)),
        (None, None, (2, 4), (2, 16, 16)),
    ],
)
def test_predict_torch_refuses_shapes(hq_predictor: SamPredictor, coords, labels, boxes, masks) -> None:
    given = [None if shape is None else torch.ones(shape) for shape in (coords, labels, boxes, masks)]
    with pytest.raises(PromptError):
        hq_predictor.predict_torch(*given)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("options", [{"multimask_output": "False"}, {"hq_token_only": "no"}])
def test_flags_given_as_text_are_refused(options: dict[str, Any]) -> None:
    predictor = SamPredictor(tiny.shared(tiny.HQ))
    predictor.set_image(np.zeros((40, 50, 3), np.uint8))
    with pytest.raises(ConfigError, match="as True or False"):
        predictor.predict(np.array([[5, 5]]), np.array([1]), **options)
