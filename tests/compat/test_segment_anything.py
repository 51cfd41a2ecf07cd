"""The published interfaces of segment-anything and SAM-HQ, called the way that scripts call them."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests import tiny
from tests.golden import deterministic
from torch import nn

import samhq
from samhq.compat.segment_anything import ResizeLongestSide, Sam, SamAutomaticMaskGenerator, SamPredictor
from samhq.compat.segment_anything.refusals import NoImageError
from samhq.compat.segment_anything.sam import blank, published
from samhq.config import MODELS, ModelConfig
from samhq.errors import CheckpointError, ConfigError, ImageError, PromptError, SamHQError
from samhq.image.transform import to_pixels
from samhq.model.build import build
from samhq.types import Prompts

CASES = (
    "point__multi1__hqonly0",
    "points_pos_neg__multi1__hqonly1",
    "box__multi0__hqonly0",
    "box_point__multi0__hqonly1",
)
GOLDEN = Path(__file__).parents[1] / "golden" / "data"
PICTURE = deterministic.image(90, 61)  # taller than wide, and larger than the tiny models' squares
SIZE = PICTURE.shape[:2]
POINTS, LABELS = np.array([[30, 40], [12, 70]]), np.array([1, 0])
BOX = np.array([10, 15, 50, 80])


def model(config: ModelConfig) -> Sam:
    sam = blank(config)
    tiny.fill(sam)
    return sam


def predictor_for(config: ModelConfig) -> SamPredictor:
    predictor = SamPredictor(model(config))
    predictor.set_image(PICTURE)
    return predictor


@pytest.fixture
def hq_predictor() -> SamPredictor:
    return predictor_for(tiny.HQ)


@pytest.fixture
def plain_predictor() -> SamPredictor:
    return predictor_for(tiny.PLAIN)


# ---- the predictor -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "many"), [(tiny.PLAIN, 3), (tiny.HQ, 1), (tiny.LIGHT, 1)], ids=lambda v: str(v)[:30]
)
def test_predict_shapes_and_types(config: ModelConfig, many: int) -> None:
    predictor, low = predictor_for(config), 4 * config.grid
    for multimask, count in ((True, many), (False, 1)):
        masks, scores, logits = predictor.predict(POINTS, LABELS, multimask_output=multimask)
        assert (masks.shape, masks.dtype) == ((count, *SIZE), np.bool_)
        assert (scores.shape, scores.dtype) == ((count,), np.float32)
        assert (logits.shape, logits.dtype) == ((count, low, low), np.float32)
    raw, _, _ = predictor.predict(POINTS, LABELS, return_logits=True, multimask_output=False)
    assert raw.dtype == np.float32
    assert ((raw > 0) == masks).all()


def test_attributes_describe_the_picture(hq_predictor: SamPredictor, plain_predictor: SamPredictor) -> None:
    side, grid = tiny.HQ.side, tiny.HQ.grid
    assert hq_predictor.is_image_set
    assert hq_predictor.original_size == SIZE
    assert hq_predictor.input_size == (64, 43)
    assert hq_predictor.transform.target_length == hq_predictor.model.image_encoder.img_size == side
    assert hq_predictor.features.shape == (1, 32, grid, grid)
    assert [tuple(early.shape) for early in hq_predictor.interm_features] == [(1, grid, grid, 32)] * 2
    assert plain_predictor.interm_features == []
    assert hq_predictor.get_image_embedding() is hq_predictor.features
    assert hq_predictor.device == torch.device("cpu")


def test_reset_image_forgets_everything(hq_predictor: SamPredictor) -> None:
    hq_predictor.predict(POINTS, LABELS)
    hq_predictor.reset_image()
    assert hq_predictor.is_image_set is False
    assert hq_predictor._embedded is None
    for name in ("features", "interm_features", "original_size", "input_size"):
        assert getattr(hq_predictor, name) is None
    for call in (lambda: hq_predictor.predict(POINTS, LABELS), hq_predictor.get_image_embedding):
        with pytest.raises(RuntimeError, match="set_image") as raised:
            call()
        assert isinstance(raised.value, PromptError)


def other_picture() -> np.ndarray:
    return np.random.default_rng(7).integers(0, 256, (33, 70, 3), dtype=np.uint8)


@pytest.mark.parametrize("moment", ["apply_coords", "model.prompts", "model.answer", "model.frame"])
def test_a_picture_that_another_thread_sets_meanwhile_changes_no_answer(
    moment: str, hq_predictor: SamPredictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = hq_predictor.predict(POINTS, LABELS)
    owner = hq_predictor.transform if moment == "apply_coords" else hq_predictor.model
    name = moment.removeprefix("model.")
    step, state = getattr(owner, name), {}

    def interrupted(*args: Any, **options: Any) -> Any:
        if not state:
            state["set"] = True
            hq_predictor.set_image(other_picture())
        return step(*args, **options)

    monkeypatch.setattr(owner, name, interrupted)
    for mine, expected in zip(hq_predictor.predict(POINTS, LABELS), alone, strict=True):
        np.testing.assert_array_equal(mine, expected)
    assert hq_predictor.original_size == (33, 70)


def test_threads_that_ask_and_set_pictures_get_whole_ones(hq_predictor: SamPredictor) -> None:
    pictures = [other_picture(), other_picture().transpose(1, 0, 2).copy()]
    expected = {}
    for picture in pictures:
        hq_predictor.set_image(picture)
        expected[picture.shape[:2]] = hq_predictor.predict(POINTS, LABELS)[0]

    def setting() -> None:
        for number in range(30):
            hq_predictor.set_image(pictures[number % 2])

    def asking() -> int:
        done = 0
        while not set_by.done():
            mask = hq_predictor.predict(POINTS, LABELS)[0]
            np.testing.assert_array_equal(mask, expected[mask.shape[1:]])
            done += 1
        return done

    with ThreadPoolExecutor(3) as pool:
        set_by = pool.submit(setting)
        asked = [pool.submit(asking) for _ in range(2)]
        set_by.result()
        assert sum(one.result() for one in asked) > 0


def test_after_a_picture_that_cannot_be_encoded_there_is_none(
    hq_predictor: SamPredictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(hq_predictor.model, "encode_published", full)
    with pytest.raises(RuntimeError, match="out of memory"):
        hq_predictor.set_image(other_picture())
    with pytest.raises(NoImageError):
        hq_predictor.predict(POINTS, LABELS)


def test_no_gradients_through_the_predictor(hq_predictor: SamPredictor) -> None:
    masks, iou, low = hq_predictor.predict_torch(torch.ones(1, 1, 2), torch.ones(1, 1), return_logits=True)
    assert not any(value.requires_grad for value in (masks, iou, low, hq_predictor.features))


def test_bgr_is_rgb_reversed() -> None:
    predictor = SamPredictor(model(tiny.PLAIN))
    predictor.set_image(PICTURE)
    first = predictor.features
    predictor.set_image(PICTURE[..., ::-1], image_format="BGR")
    torch.testing.assert_close(predictor.features, first, rtol=0, atol=0)
    predictor.set_image(PICTURE, image_format="BGR")
    assert not torch.allclose(predictor.features, first)


def test_picture_that_fits_already() -> None:
    predictor = SamPredictor(model(tiny.HQ))
    picture = np.ascontiguousarray(PICTURE[:64, :40])
    before = picture.copy()
    predictor.set_image(picture[..., ::-1], image_format="BGR")
    assert predictor.input_size == (64, 40)
    assert predictor.predict(box=BOX)[0].shape == (1, 64, 40)
    assert (picture == before).all()


def test_set_torch_image_is_set_image_by_hand() -> None:
    """The steps that notebooks write out, with the resize on tensors, give nearly the same features."""
    predictor = predictor_for(tiny.PLAIN)
    features = predictor.features
    resized = torch.as_tensor(predictor.transform.apply_image(PICTURE).copy()).permute(2, 0, 1)[None]
    predictor.set_torch_image(resized, SIZE)
    torch.testing.assert_close(predictor.features, features, rtol=0, atol=0)
    on_device = predictor.transform.apply_image_torch(torch.as_tensor(PICTURE).permute(2, 0, 1)[None])
    predictor.set_torch_image(on_device, SIZE)
    assert (predictor.features - features).abs().max() < 0.1 * features.abs().max()


@pytest.mark.parametrize("shape", [(3, 64, 43), (1, 1, 64, 43), (1, 3, 63, 43), (1, 3, 64, 65)])
def test_set_torch_image_refuses(shape: tuple[int, ...]) -> None:
    predictor = predictor_for(tiny.HQ)
    with pytest.raises(AssertionError, match="longer side of 64") as raised:
        predictor.set_torch_image(torch.zeros(shape), SIZE)
    assert isinstance(raised.value, ImageError)


@pytest.mark.parametrize(
    "picture", [PICTURE[..., 0], PICTURE / 255, PICTURE.transpose(2, 0, 1), PICTURE[:0], "car.png"]
)
@pytest.mark.parametrize("order", ["RGB", "BGR"])
def test_set_image_refuses_pictures(picture: object, order: str) -> None:
    with pytest.raises(ImageError):
        SamPredictor(model(tiny.PLAIN)).set_image(picture, order)


def test_set_image_refuses_formats() -> None:
    with pytest.raises(AssertionError, match="BGR") as raised:
        SamPredictor(model(tiny.PLAIN)).set_image(PICTURE, "rgb")
    assert isinstance(raised.value, ImageError)


def test_refused_predictor_keeps_nothing_of_the_old_picture() -> None:
    predictor = predictor_for(tiny.HQ)
    old, interm = predictor.features, predictor.interm_features
    predictor.set_image(deterministic.image(33, 90, seed=3))
    assert predictor.original_size == (33, 90)
    assert predictor.features is not old
    assert predictor.interm_features is not interm
    fresh = SamPredictor(predictor.model)
    fresh.set_image(deterministic.image(33, 90, seed=3))
    again, _, _ = predictor.predict(box=np.array([5, 5, 60, 30]), return_logits=True)
    np.testing.assert_array_equal(again, fresh.predict(box=np.array([5, 5, 60, 30]), return_logits=True)[0])


@pytest.mark.parametrize("config", [tiny.PLAIN, tiny.HQ], ids=lambda config: config.name)
def test_features_saved_and_put_back(config: ModelConfig) -> None:
    """What people do to encode once and prompt later (segment-anything issue 217)."""
    first = predictor_for(config)
    expected = first.predict(POINTS, LABELS)
    names = ("features", "interm_features", "original_size", "input_size", "is_image_set")
    saved = pickle.loads(pickle.dumps({name: getattr(first, name) for name in names}))
    later = SamPredictor(first.model)
    later.set_image(deterministic.image(50, 80, seed=1))
    later.predict(POINTS, LABELS)
    for name, value in saved.items():
        setattr(later, name, value)
    for ours, theirs in zip(later.predict(POINTS, LABELS), expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_hq_features_without_early_ones_are_refused(hq_predictor: SamPredictor) -> None:
    hq_predictor.interm_features = None
    with pytest.raises(ConfigError, match="interm_features"):
        hq_predictor.predict(POINTS, LABELS)


def test_hq_map_is_made_once_a_picture(hq_predictor: SamPredictor, monkeypatch: pytest.MonkeyPatch) -> None:
    decoder, made = hq_predictor.model.mask_decoder, []
    original = decoder.image_features
    monkeypatch.setattr(decoder, "image_features", lambda *maps: made.append(1) or original(*maps))
    for _ in range(3):
        hq_predictor.predict(POINTS, LABELS)
    assert len(made) == 1
    hq_predictor.set_image(PICTURE)
    hq_predictor.predict(POINTS, LABELS)
    assert len(made) == 2


# ---- what may be asked ---------------------------------------------------------------------------------------------


def test_plain_masks_are_the_cores_in_the_networks_order(plain_predictor: SamPredictor) -> None:
    sam = plain_predictor.model
    pixels, frame = to_pixels(PICTURE, sam.config.side)
    points = torch.from_numpy(frame.points_to_model(POINTS))[None]
    prompts = Prompts(torch.zeros(1, dtype=torch.int64), points, torch.from_numpy(LABELS)[None])
    with torch.no_grad():
        core = tiny.shared(tiny.PLAIN)
        low = core.decode(core.encode(pixels), prompts, candidates="all")
    _, scores, logits = plain_predictor.predict(POINTS, LABELS)
    np.testing.assert_allclose(logits, low.logits[0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(scores, low.iou[0], rtol=1e-4, atol=1e-5)


def test_hq_multimask_is_the_best_of_three_plus_hq(hq_predictor: SamPredictor) -> None:
    sam = hq_predictor.model
    embedding = sam.embedding(hq_predictor.features, hq_predictor.interm_features)
    prompts = sam.prompts(hq_predictor.transform.apply_coords(POINTS, SIZE)[None], LABELS[None], None, None)
    with torch.no_grad():
        three = sam.decode(embedding, prompts, candidates="all", hq="off")
        alone = sam.decode(embedding, prompts, hq="only")
    best = int(three.iou.argmax())
    _, scores, low = hq_predictor.predict(POINTS, LABELS, multimask_output=True)
    np.testing.assert_allclose(low[0], three.logits[0, best] + alone.logits[0, 0], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(scores, three.iou[:, best], rtol=1e-5)
    _, scores, low = hq_predictor.predict(POINTS, LABELS, multimask_output=True, hq_token_only=True)
    assert low.shape[0] == scores.shape[0] == 1
    np.testing.assert_allclose(low[0], alone.logits[0, 0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(scores, three.iou[:, best], rtol=1e-5)


def test_score_is_the_sam_masks_not_the_hq_masks(hq_predictor: SamPredictor) -> None:
    both, only = (hq_predictor.predict(POINTS, LABELS, hq_token_only=flag) for flag in (False, True))
    np.testing.assert_array_equal(both[1], only[1])
    assert np.abs(both[2] - only[2]).max() > 0.01


def test_hq_token_of_a_plain_model_is_refused(plain_predictor: SamPredictor) -> None:
    with pytest.raises(ConfigError, match="sam_model_registry"):
        plain_predictor.predict(POINTS, LABELS, hq_token_only=True)


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


def test_predict_torch_answers_each_prompt_alone(hq_predictor: SamPredictor) -> None:
    boxes = np.array([[5, 5, 30, 60], [20, 10, 60, 88], [0, 0, 61, 90]])
    points = np.array([[[10, 20], [12, 30]], [[40, 40], [30, 80]], [[1, 1], [59, 2]]])
    labels = np.array([[1, 0], [1, 1], [0, -1]])
    masks, iou, low = hq_predictor.predict_torch(
        hq_predictor.transform.apply_coords_torch(torch.as_tensor(points), SIZE),
        torch.as_tensor(labels),
        boxes=hq_predictor.transform.apply_boxes_torch(torch.as_tensor(boxes), SIZE),
    )
    assert masks.shape == (3, 1, *SIZE)
    for i in range(3):
        one = hq_predictor.predict(points[i], labels[i], boxes[i])
        np.testing.assert_allclose(low[i], one[2], rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(iou[i], one[1], rtol=1e-4, atol=1e-5)
        assert (masks[i].numpy() != one[0]).mean() < 0.001


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


NOTHING = {
    "boxes": (None, None, torch.zeros(0, 4)),
    "boxes as training scripts write them": (None, None, torch.zeros(0, 1, 4)),
    "points": (torch.zeros(0, 2, 2), torch.zeros(0, 2)),
    "points and boxes": (np.zeros((0, 1, 2)), np.zeros((0, 1)), np.zeros((0, 4))),
    "boxes and one mask": (None, None, torch.zeros(0, 4), torch.zeros(1, 1, 16, 16)),
}


@pytest.mark.parametrize("given", NOTHING.values(), ids=NOTHING)
@pytest.mark.parametrize("flags", [{}, {"multimask_output": False}, {"return_logits": True}], ids=str)
def test_a_detector_that_found_nothing_gets_no_masks(
    hq_predictor: SamPredictor, plain_predictor: SamPredictor, given: tuple, flags: dict
) -> None:
    """IDEA-Research/Grounded-Segment-Anything#100."""
    for predictor in (hq_predictor, plain_predictor):
        found = predictor.predict_torch(*given, **flags)
        some = predictor.predict_torch(None, None, torch.ones(1, 4), **flags)
        for ours, theirs in zip(found, some, strict=True):
            assert (ours.shape, ours.dtype) == ((0, *theirs.shape[1:]), theirs.dtype)
    assert hq_predictor.transform.apply_boxes_torch(torch.zeros(0, 4), SIZE).shape == (0, 4)


def test_a_picture_of_a_batch_may_have_no_boxes() -> None:
    sam = model(tiny.HQ)
    inputs = batch(sam)[:1] * 2
    inputs = [
        {key: inputs[0][key] for key in ("image", "original_size")} | {"boxes": torch.zeros(n, 4) + 9} for n in (0, 2)
    ]
    empty, full = sam(inputs, multimask_output=True)
    for key, value in full.items():
        assert (empty[key].shape, empty[key].dtype) == ((0, *value.shape[1:]), value.dtype)


@pytest.mark.parametrize("config", [tiny.PLAIN, tiny.HQ], ids=str)
def test_parts_take_no_rows(config: ModelConfig) -> None:
    sam = model(config)
    encoded = sam.image_encoder(tiny.pixels(config))
    features, early = (encoded, None) if isinstance(encoded, torch.Tensor) else encoded
    none, one = (decode_parts(sam, features, early, torch.ones(n, 4), multimask_output=True) for n in (0, 1))
    for ours, theirs in zip(none, one, strict=True):
        assert (ours.shape, ours.dtype) == ((0, *theirs.shape[1:]), theirs.dtype)


def test_predictor_takes_core_models_and_nothing_else(plain_predictor: SamPredictor) -> None:
    core = tiny.shared(tiny.PLAIN)
    predictor = SamPredictor(core)
    assert predictor.model.mask_decoder.mask_tokens.weight.data_ptr() == core.mask_decoder.mask_tokens.weight.data_ptr()
    predictor.set_image(PICTURE)
    np.testing.assert_array_equal(predictor.predict(box=BOX)[2], plain_predictor.predict(box=BOX)[2])
    with pytest.raises(ConfigError, match="Linear"):
        SamPredictor(nn.Linear(2, 2))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision(dtype: torch.dtype) -> None:
    predictor = SamPredictor(model(tiny.HQ).to(dtype))
    predictor.set_image(PICTURE)
    masks, scores, low = predictor.predict(POINTS, LABELS, BOX, return_logits=True)
    assert masks.dtype == scores.dtype == low.dtype == np.float32
    exact = predictor_for(tiny.HQ).predict(POINTS, LABELS, BOX)[2]
    assert np.abs(low - exact).max() < 0.1 * np.abs(exact).max()


# ---- the transform -------------------------------------------------------------------------------------------------


def test_transform() -> None:
    transform = ResizeLongestSide(1024)
    assert [ResizeLongestSide.get_preprocess_shape(h, w, 1024) for h, w in ((600, 901), (300, 450), (500, 200))] == [
        (682, 1024),
        (683, 1024),
        (1024, 410),
    ]
    boxes = transform.apply_boxes(np.array([[0, 0, 200, 500]]), (500, 200))
    assert boxes.tolist() == [[0, 0, 410, 1024]]
    boxes = transform.apply_boxes_torch(torch.tensor([[0, 0, 200, 500]]), (500, 200))
    assert boxes.dtype == torch.float32
    assert boxes.tolist() == [[0, 0, 410, 1024]]
    assert transform.apply_boxes(np.array([0, 0, 200, 500]), (500, 200)).shape == (1, 4)
    points = np.array([[[100, 250], [3, 7]]])
    given = torch.as_tensor(points)
    np.testing.assert_allclose(
        transform.apply_coords(points, (500, 200)), transform.apply_coords_torch(given, (500, 200)), rtol=1e-6
    )
    assert points.tolist() == given.tolist() == [[[100, 250], [3, 7]]]
    assert transform.apply_image(PICTURE).shape == (1024, 694, 3)
    assert transform.apply_image_torch(torch.zeros(2, 3, 90, 61)).shape == (2, 3, 1024, 694)


# ---- the model -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("config", tiny.FIRST, ids=lambda config: config.name)
def test_state_dict_is_the_originals(config: ModelConfig) -> None:
    sam, core = model(config), build(config, device="meta")
    assert list(sam.state_dict()) == list(core.state_dict())
    assert {name.split(".")[0] for name in sam.state_dict()} == {"image_encoder", "prompt_encoder", "mask_decoder"}
    assert isinstance(sam, nn.Module)
    assert not sam.training
    assert (sam.image_format, sam.mask_threshold) == ("RGB", 0.0)
    assert sam.pixel_mean.shape == sam.pixel_std.shape == (3, 1, 1)


def batch(sam: Sam) -> list[dict]:
    """Two pictures of different sizes with different prompts, as the notebooks build them."""
    transform = ResizeLongestSide(sam.image_encoder.img_size)

    def prepare(picture: np.ndarray) -> torch.Tensor:
        return torch.as_tensor(transform.apply_image(picture).copy()).permute(2, 0, 1).contiguous()

    other = deterministic.image(40, 77, seed=2)
    boxes = torch.tensor([[5, 5, 30, 60], [20, 10, 60, 88]])
    points = torch.tensor([[[20, 20]], [[60, 10]], [[7, 33]]])
    return [
        {
            "image": prepare(PICTURE),
            "boxes": transform.apply_boxes_torch(boxes, SIZE),
            "original_size": SIZE,
        },
        {
            "image": prepare(other),
            "point_coords": transform.apply_coords_torch(points, (40, 77)),
            "point_labels": torch.ones(3, 1),
            "original_size": (40, 77),
        },
    ]


@pytest.mark.parametrize(("config", "many"), [(tiny.PLAIN, 3), (tiny.HQ, 1)], ids=lambda v: str(v)[:30])
def test_batched_input_equals_the_predictor(config: ModelConfig, many: int) -> None:
    sam = model(config)
    inputs = batch(sam)
    outputs = sam(inputs, multimask_output=True)
    assert [tuple(output["masks"].shape) for output in outputs] == [(2, many, *SIZE), (3, many, 40, 77)]
    predictor = SamPredictor(sam)
    for record, output in zip(inputs, outputs, strict=True):
        predictor.set_torch_image(record["image"][None], record["original_size"])
        masks, iou, low = predictor.predict_torch(
            record.get("point_coords"), record.get("point_labels"), record.get("boxes")
        )
        torch.testing.assert_close(output["low_res_logits"], low, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(output["iou_predictions"], iou, rtol=1e-4, atol=1e-5)
        assert output["masks"].dtype == torch.bool
        assert (output["masks"] != masks).float().mean() < 0.001
        again = sam([{**record, "mask_inputs": low[:, :1]}], multimask_output=False)
        expected = predictor.predict_torch(
            record.get("point_coords"), record.get("point_labels"), record.get("boxes"), low[:, :1], False
        )
        torch.testing.assert_close(again[0]["low_res_logits"], expected[2], rtol=1e-4, atol=1e-4)


def test_forward_tracks_gradients_in_training_mode_alone() -> None:
    sam = model(tiny.HQ)
    assert not any(value.requires_grad for value in sam(batch(sam), multimask_output=False)[0].values())
    sam.train()
    (output, _) = sam(batch(sam), multimask_output=True, hq_token_only=True)
    output["low_res_logits"].mean().backward()
    assert sam.mask_decoder.hf_token.weight.grad.abs().sum() > 0
    assert sam.image_encoder.pos_embed.grad.abs().sum() > 0
    with torch.no_grad():
        assert not sam(batch(sam), multimask_output=False)[0]["low_res_logits"].requires_grad


def test_forward_of_nothing() -> None:
    assert model(tiny.PLAIN)([], multimask_output=True) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"box": torch.zeros(1, 4)}, "boxes"),
        ({"labels": torch.zeros(1, 1)}, "point_labels"),
        ({"image": torch.zeros(1, 3, 64, 43)}, "3, h, w"),
        ({"image": PICTURE}, "3, h, w"),
        ({"image": torch.zeros(3, 65, 43)}, "up to 64"),
    ],
)
def test_forward_refuses(change: dict, message: str) -> None:
    sam = model(tiny.HQ)
    with pytest.raises(SamHQError, match=message):
        sam([{**batch(sam)[0], **change}], multimask_output=True)


def test_forward_refuses_what_lacks_its_size() -> None:
    sam = model(tiny.HQ)
    with pytest.raises(PromptError, match="original_size"):
        sam([{"image": torch.zeros(3, 64, 43)}], multimask_output=True)


def test_preprocess_and_postprocess() -> None:
    sam = model(tiny.HQ)
    picture = torch.full((3, 64, 40), 200.0)
    pixels = sam.preprocess(picture)
    assert pixels.shape == (3, 64, 64)
    expected = (picture - sam.pixel_mean) / sam.pixel_std
    torch.testing.assert_close(pixels[:, :, :40], expected)
    assert (pixels[:, :, 40:] == 0).all()
    torch.testing.assert_close(sam.preprocess(picture[None].repeat(2, 1, 1, 1))[1], pixels)
    low = tiny.masks(tiny.HQ, [True, True])
    full = F.interpolate(low, (64, 64), mode="bilinear")[..., :64, :40]
    expected = F.interpolate(full, (90, 57), mode="bilinear")
    torch.testing.assert_close(sam.postprocess_masks(low, (64, 40), (90, 57)), expected)


def test_face_model_serves_as_a_core_model() -> None:
    """`encode` and `decode` answer as the core's, also where the published encoder returns a tensor."""
    for config in tiny.FIRST:
        sam, core = model(config), tiny.shared(config)
        pixels = tiny.pixels(config, 2)
        with torch.no_grad():
            ours, theirs = (each.encode(pixels, keep_early=config.hq) for each in (sam, core))
            torch.testing.assert_close(ours.features, theirs.features)
            if config.hq:
                torch.testing.assert_close(ours.hq, theirs.hq)
                torch.testing.assert_close(ours.early, theirs.early)
        with pytest.raises(ConfigError, match="pixels of shape"):
            sam.encode(pixels[..., :-1])


def test_threshold_of_the_model_counts(plain_predictor: SamPredictor) -> None:
    raw, _, _ = plain_predictor.predict(POINTS, LABELS, return_logits=True)
    plain_predictor.model.mask_threshold = float(np.median(raw))
    masks, _, _ = plain_predictor.predict(POINTS, LABELS)
    np.testing.assert_array_equal(masks, raw > np.float32(np.median(raw)))


def test_copies_and_device_moves() -> None:
    sam = copy.deepcopy(model(tiny.HQ))
    assert sam.to(device="cpu") is sam
    assert sam.half().dtype == torch.float16
    assert published(sam) is sam


# ---- parts called one by one, as training scripts do ----------------------------------------------------------------


def test_encoders_return_what_each_package_returns() -> None:
    features = model(tiny.PLAIN).image_encoder(tiny.pixels(tiny.PLAIN))
    assert features.shape == (1, 32, 4, 4)
    features, early = model(tiny.HQ).image_encoder(tiny.pixels(tiny.HQ))
    assert (features.shape, [tuple(e.shape) for e in early]) == ((1, 32, 4, 4), [(1, 4, 4, 32)] * 2)
    features, early = model(tiny.LIGHT).image_encoder(tiny.pixels(tiny.LIGHT))
    assert (features.shape, [tuple(e.shape) for e in early]) == ((1, 32, 6, 6), [(1, 6, 6, 32)])
    mobile = model(tiny.LIGHT.replace(hq=False)).image_encoder
    assert mobile(tiny.pixels(tiny.LIGHT)).shape == (1, 32, 6, 6)
    assert mobile.img_size == 96


def test_prompt_encoder() -> None:
    encoder = model(tiny.HQ).prompt_encoder
    assert encoder.embed_dim == 32
    assert encoder.image_embedding_size == (4, 4)
    assert encoder.input_image_size == (64, 64)
    assert encoder.mask_input_size == (16, 16)
    assert encoder.get_dense_pe().shape == (1, 32, 4, 4)
    points, labels, boxes = torch.ones(3, 2, 2), torch.ones(3, 2), torch.tensor([[1.0, 2, 30, 40]] * 3)
    shapes = {
        (0, 1): encoder(points=None, boxes=None, masks=None),
        (3, 3): encoder(points=(points, labels), boxes=None, masks=None),
        (2, 3): encoder(points=None, boxes=boxes, masks=None),
        (4, 3): encoder(points=(points, labels), boxes=boxes, masks=torch.zeros(3, 1, 16, 16)),
    }
    for (tokens, rows), (sparse, dense) in shapes.items():
        assert sparse.shape == (rows, tokens, 32)
        assert dense.shape == (rows, 32, 4, 4)
    torch.testing.assert_close(encoder(boxes=boxes[:, None])[0], encoder(boxes=boxes)[0])
    with pytest.raises(AssertionError, match="box="):
        encoder(points=(points, 2 * labels))


def loss_of(sam: Sam, pixels: torch.Tensor, boxes: torch.Tensor, multimask: bool = False) -> torch.Tensor:
    """One step as MedSAM writes it, with SAM-HQ's early features where there are some."""
    seen = sam.image_encoder(pixels)
    features, extra = (seen, {}) if torch.is_tensor(seen) else (seen[0], {"interm_embeddings": seen[1]})
    with torch.no_grad():
        sparse, dense = sam.prompt_encoder(points=None, boxes=boxes[:, None, :], masks=None)
    masks, iou = sam.mask_decoder(
        image_embeddings=features,
        image_pe=sam.prompt_encoder.get_dense_pe(),
        sparse_prompt_embeddings=sparse,
        dense_prompt_embeddings=dense,
        multimask_output=multimask,
        **extra,
    )
    target = torch.zeros_like(masks)
    target[..., 4:9, 3:12] = 1
    return F.binary_cross_entropy_with_logits(masks, target) + iou.square().mean()


@pytest.mark.parametrize("config", tiny.FIRST, ids=lambda config: config.name)
@pytest.mark.parametrize("multimask", [False, True])
def test_training_through_the_parts(config: ModelConfig, multimask: bool) -> None:
    sam, boxes = model(config), torch.tensor([[8.0, 8, 40, 30], [10, 20, 60, 60]])
    sam.train()
    sam.prompt_encoder.requires_grad_(False)
    optimiser = torch.optim.AdamW([p for p in sam.parameters() if p.requires_grad], lr=1e-3)
    losses = []
    for _ in range(8):
        loss = loss_of(sam, tiny.pixels(config, 2), boxes, multimask)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.9 * losses[0]
    silent = [n for n, p in sam.mask_decoder.named_parameters() if p.grad is None]
    assert all(n.startswith("output_hypernetworks_mlps") for n in silent)
    first = next(p for n, p in sam.image_encoder.named_parameters() if "patch_embed" in n)
    assert first.grad.abs().sum() > 0


def decode_parts(sam: Sam, features: torch.Tensor, early: list[torch.Tensor], boxes: torch.Tensor, masks=None, **flags):
    sparse, dense = sam.prompt_encoder(points=None, boxes=boxes, masks=masks)
    return sam.mask_decoder(
        image_embeddings=features,
        image_pe=sam.prompt_encoder.get_dense_pe(),
        sparse_prompt_embeddings=sparse,
        dense_prompt_embeddings=dense,
        interm_embeddings=early,
        **{"multimask_output": False, **flags},
    )


@pytest.mark.parametrize("with_masks", [False, True])
@pytest.mark.parametrize("flags", [{}, {"multimask_output": True}, {"hq_token_only": True}], ids=str)
@torch.no_grad()
def test_rows_of_several_images(with_masks: bool, flags: dict) -> None:
    """A prompt an image, all at once, is each image with its prompt; one image is shared by all prompts."""
    sam = model(tiny.HQ)
    features, early = sam.image_encoder(tiny.pixels(tiny.HQ, 3))
    boxes = tiny.boxes(tiny.HQ, [True] * 3)
    masks = tiny.masks(tiny.HQ, [True] * 3) if with_masks else None
    together = decode_parts(sam, features, early, boxes, masks, **flags)
    shared = decode_parts(sam, features[:1], [e[:1] for e in early], boxes, masks, **flags)
    for i in range(3):
        mask = None if masks is None else masks[i : i + 1]
        alone = decode_parts(sam, features[i : i + 1], [e[i : i + 1] for e in early], boxes[i : i + 1], mask, **flags)
        on_first = decode_parts(sam, features[:1], [e[:1] for e in early], boxes[i : i + 1], mask, **flags)
        for batched, single in ((together, alone), (shared, on_first)):
            torch.testing.assert_close(batched[0][i : i + 1], single[0], rtol=1e-4, atol=1e-4)
            torch.testing.assert_close(batched[1][i : i + 1], single[1], rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_one_prompt_row_serves_all_images() -> None:
    """Scripts that learn their prompts call the prompt encoder with nothing and decode a whole batch."""
    sam = model(tiny.PLAIN)
    features = sam.image_encoder(tiny.pixels(tiny.PLAIN, 3))
    sparse, dense = sam.prompt_encoder(points=None, boxes=None, masks=None)
    pe = sam.prompt_encoder.get_dense_pe()
    masks, iou = sam.mask_decoder(features, pe, sparse, dense, multimask_output=True)
    assert (masks.shape, iou.shape) == ((3, 3, 16, 16), (3, 3))
    alone, _ = sam.mask_decoder(features[1:2], pe, sparse, dense, multimask_output=True)
    torch.testing.assert_close(masks[1:2], alone, rtol=1e-4, atol=1e-5)


def test_rows_that_do_not_fit_are_refused() -> None:
    sam = model(tiny.HQ)
    features, early = sam.image_encoder(tiny.pixels(tiny.HQ, 2))
    with pytest.raises(PromptError, match="2 of image_embeddings, 3 of sparse"):
        decode_parts(sam, features, early, tiny.boxes(tiny.HQ, [True] * 3))
    with pytest.raises(PromptError, match="interm_embeddings"):
        decode_parts(sam, features, [early[0][:1]], tiny.boxes(tiny.HQ, [True] * 2))
    with pytest.raises(ConfigError, match="interm_embeddings"):
        decode_parts(sam, features, None, tiny.boxes(tiny.HQ, [True] * 2))


@torch.no_grad()
def test_stacked_early_features_are_taken_too() -> None:
    sam = model(tiny.HQ)
    features, early = sam.image_encoder(tiny.pixels(tiny.HQ))
    boxes = tiny.boxes(tiny.HQ, [True])
    listed, stacked = (decode_parts(sam, features, maps, boxes)[0] for maps in (early, torch.stack(early)))
    torch.testing.assert_close(listed, stacked)


# ---- the registries ------------------------------------------------------------------------------------------------


@pytest.fixture
def small_models(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, row in list(MODELS.items()):
        monkeypatch.setitem(MODELS, name, (tiny.HQ if row.hq else tiny.PLAIN).replace(name=name))


@pytest.mark.usefixtures("small_models")
def test_registry_keys_and_their_models() -> None:
    names = {key: make().config.name for key, make in samhq.sam_model_registry.items()}
    high = {"vit_h": "sam_hq_vit_h", "vit_l": "sam_hq_vit_l", "vit_b": "sam_hq_vit_b", "vit_tiny": "sam_hq_vit_tiny"}
    assert names == {"default": "sam_hq_vit_h", **high}
    names = {key: make(checkpoint=None).config.name for key, make in samhq.sam_model_registry_baseline.items()}
    plain = {"vit_h": "sam_vit_h", "vit_l": "sam_vit_l", "vit_b": "sam_vit_b"}
    assert names == {"default": "sam_vit_h", **plain, "vit_tiny": "mobile_sam", "vit_t": "mobile_sam"}
    assert samhq.sam_hq_model_registry["vit_b"]().config.name == "sam_hq_vit_b"


@pytest.mark.usefixtures("small_models")
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("build_sam", "sam_hq_vit_h"),
        ("build_sam_vit_h", "sam_hq_vit_h"),
        ("build_sam_vit_l", "sam_hq_vit_l"),
        ("build_sam_vit_b", "sam_hq_vit_b"),
        ("build_sam_vit_tiny", "sam_hq_vit_tiny"),
        ("build_sam_vit_t", "mobile_sam"),
        ("build_sam_hq", "sam_hq_vit_h"),
        ("build_sam_hq_vit_h", "sam_hq_vit_h"),
        ("build_sam_hq_vit_l", "sam_hq_vit_l"),
        ("build_sam_hq_vit_b", "sam_hq_vit_b"),
    ],
)
def test_builders(name: str, expected: str) -> None:
    builder: Callable[..., Sam] = getattr(samhq, name)
    assert builder().config.name == expected


def test_unknown_key_names_the_known_ones() -> None:
    with pytest.raises(KeyError, match="Did you mean 'vit_tiny'") as raised:
        samhq.sam_model_registry["vit_tny"]
    assert isinstance(raised.value, ConfigError)
    assert "vit_t" not in samhq.sam_model_registry
    assert samhq.sam_model_registry.get("vit_t") is None


def filled(name: str, folder: Path) -> Path:
    """A file as its publishers save it: a plain state dict."""
    state = {k: torch.from_numpy(deterministic.tensor(k, tuple(v.shape))) for k, v in layout(name).items()}
    path = folder / f"{name}.pth"
    torch.save(state, path)
    return path


def layout(name: str) -> dict[str, torch.Tensor]:
    return build(MODELS[name], device="meta").state_dict()


@pytest.fixture(scope="module")
def light_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return filled("sam_hq_vit_tiny", tmp_path_factory.mktemp("weights"))


def test_file_of_another_model_is_refused_with_its_registry(light_file: Path) -> None:
    with pytest.raises(CheckpointError, match=r'Use sam_model_registry\["vit_tiny"\]') as raised:
        samhq.sam_model_registry_baseline["vit_t"](checkpoint=light_file)
    assert "sam_hq_vit_tiny" in str(raised.value)
    with pytest.raises(RuntimeError, match="does not exist"):
        samhq.sam_model_registry["vit_b"](checkpoint=str(light_file.parent / "none.pth"))


# ---- the published implementation's own numbers ---------------------------------------------------------------------


def test_golden_values_through_the_face(light_file: Path) -> None:
    """From the file on disk to masks at full size, one stored case for each way to ask Light HQ-SAM."""
    described = json.loads((GOLDEN / "hq_vit_tiny.json").read_text())
    predictor = SamPredictor(samhq.sam_model_registry["vit_tiny"](checkpoint=str(light_file)))
    predictor.set_image(deterministic.image(*described["image"]))
    with np.load(GOLDEN / "hq_vit_tiny.npz") as stored:
        assert relative(predictor.features[:, ::8, ::4, ::4], stored["embedding"]) < 2e-4
        assert relative(predictor.interm_features[0][:, ::4, ::4, ::16], stored["early"]) < 2e-4
        for name in CASES:
            case = described["cases"][name]
            prompt = {key: np.array(value) for key, value in case["prompt"].items()}
            flags = {"multimask_output": "multi1" in name, "hq_token_only": "hqonly1" in name}
            masks, scores, low = predictor.predict(**prompt, **flags)
            assert list(masks.shape) == case["mask_shape"]
            part = low if f"{name}__mask_bits" in stored else low[:, ::4, ::4]
            assert relative(part, stored[f"{name}__low"]) < 2e-4, name
            assert relative(scores, stored[f"{name}__iou"]) < 2e-4, name
            assert abs(int(masks.sum()) - int(stored[f"{name}__area"][0])) <= 12, name
        point = {key: np.array(value) for key, value in described["cases"]["mask_feedback"]["prompt"].items()}
        _, _, first = predictor.predict(**point, multimask_output=False, hq_token_only=True)
        _, scores, low = predictor.predict(**point, mask_input=first, multimask_output=False)
        assert relative(low[:, ::4, ::4], stored["mask_feedback__low"]) < 2e-4
        assert relative(scores, stored["mask_feedback__iou"]) < 2e-4


def relative(ours: np.ndarray | torch.Tensor, stored: np.ndarray) -> float:
    """The largest difference, as a part of the largest stored value."""
    assert tuple(ours.shape) == stored.shape
    return float(np.abs(np.asarray(ours, np.float64) - stored).max() / np.abs(stored).max())


# ---- a script ------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("small_models")
@pytest.mark.parametrize("registry", ["sam_model_registry", "sam_model_registry_baseline"])
def test_the_notebooks_calls(registry: str) -> None:
    """The predictor notebook of segment-anything, step by step, with either registry."""
    sam = getattr(samhq, registry)["vit_b"](checkpoint=None)
    sam.to(device="cpu")
    predictor = samhq.SamPredictor(sam)
    predictor.set_image(PICTURE)

    masks, scores, logits = predictor.predict(
        point_coords=np.array([[30, 40]]), point_labels=np.array([1]), multimask_output=True
    )
    mask_input = logits[np.argmax(scores), :, :]
    masks, _, _ = predictor.predict(
        point_coords=np.array([[30, 40], [12, 70]]),
        point_labels=np.array([1, 0]),
        mask_input=mask_input[None, :, :],
        multimask_output=False,
    )
    assert masks.shape == (1, *SIZE)
    masks, _, _ = predictor.predict(point_coords=None, point_labels=None, box=BOX[None, :], multimask_output=False)
    assert masks[0].shape == SIZE

    input_boxes = torch.tensor([[5, 5, 30, 60], [20, 10, 60, 88]], device=predictor.device)
    transformed_boxes = predictor.transform.apply_boxes_torch(input_boxes, PICTURE.shape[:2])
    masks, scores, _ = predictor.predict_torch(
        point_coords=None, point_labels=None, boxes=transformed_boxes, multimask_output=False
    )
    assert masks.shape == (2, 1, *SIZE)
    assert masks.squeeze(1).cpu().numpy().dtype == np.bool_
    assert scores.squeeze(1).cpu().numpy().shape == (2,)

    batched_output = sam(batch(sam), multimask_output=False)
    assert [list(output) for output in batched_output] == [["masks", "iou_predictions", "low_res_logits"]] * 2


def test_the_record_and_the_rows_that_are_wrong_are_named() -> None:
    sam = model(tiny.HQ)
    image = torch.zeros(3, 64, 64)
    fine = {"image": image, "original_size": (64, 64), "boxes": torch.tensor([[1.0, 1, 9, 9]] * 3)}
    nan = torch.tensor([[1.0, 1, 9, 9], [1, 1, torch.nan, 9], [1, 1, 9, torch.inf]])
    with pytest.raises(PromptError, match=r"^Input 1 \(of 0 to 1\): .* in rows 1, 2"):
        sam([fine, {**fine, "boxes": nan}], multimask_output=False)
    with pytest.raises(PromptError, match=r"^Input 0 \(of 0 to 1\): .*'point'"):
        sam([{**fine, "point": 1}, fine], multimask_output=False)
    with pytest.raises(ImageError, match=r"^Input 1 \(of 0 to 1\): Expected `image`"):
        sam([fine, {**fine, "image": image[None]}], multimask_output=False)
    with pytest.raises(PromptError, match="got 7 in rows 1"):
        sam.prompts(torch.ones(2, 1, 2), torch.tensor([[1], [7]]), None, None)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("options", [{"multimask_output": "False"}, {"hq_token_only": "no"}])
def test_flags_given_as_text_are_refused(options: dict[str, Any]) -> None:
    predictor = SamPredictor(tiny.shared(tiny.HQ))
    predictor.set_image(np.zeros((40, 50, 3), np.uint8))
    with pytest.raises(ConfigError, match="as True or False"):
        predictor.predict(np.array([[5, 5]]), np.array([1]), **options)


def test_adapters_and_hooks_of_a_core_model_count_here_too() -> None:
    core = tiny.model(tiny.HQ)
    before = list(predictor_of(core).predict(POINTS, LABELS))
    calls: list[int] = []
    core.mask_decoder.transformer.layers[0].cross_attn_token_to_image.k_proj.register_forward_hook(
        lambda *_: calls.append(1)
    )
    inner = core.image_encoder.blocks[0].attn.qkv
    core.image_encoder.blocks[0].attn.qkv = nn.Sequential(inner, nn.Dropout(0.0))
    for model in (core, nn.DataParallel(core)):
        after = predictor_of(model).predict(POINTS, LABELS)
        np.testing.assert_allclose(after[2], before[2], atol=1e-3)
    assert len(calls) == 2


def predictor_of(core: nn.Module) -> SamPredictor:
    predictor = SamPredictor(core)
    predictor.set_image(PICTURE)
    return predictor


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_is_near_float32(dtype: torch.dtype) -> None:
    for config in (tiny.PLAIN, tiny.HQ, tiny.LIGHT):
        expected = predictor_for(config).predict(POINTS, LABELS, return_logits=True)
        with torch.autocast("cpu", dtype):
            predictor = predictor_for(config)
            found = predictor.predict(POINTS, LABELS, return_logits=True)
            many = predictor.model(batch(predictor.model)[:1], multimask_output=True)
            generator = SamAutomaticMaskGenerator(
                predictor.model, points_per_side=2, pred_iou_thresh=0.0, stability_score_thresh=0.0
            )
            assert isinstance(generator.generate(PICTURE), list)
        outside = predictor.predict(POINTS, LABELS, return_logits=True)
        for ours in (found, outside):
            assert [part.dtype for part in ours] == [np.float32] * 3
            for one, other in zip(ours, expected, strict=True):
                np.testing.assert_allclose(one, other, atol=0.1 * np.abs(other).max())
        assert many[0]["iou_predictions"].dtype == torch.float32
