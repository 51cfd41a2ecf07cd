"""`SamPredictor`, called the way that scripts call it."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch
from tests import tiny
from tests.compat.segment_anything.tiny_predictors import (
    BOX,
    LABELS,
    PICTURE,
    POINTS,
    SIZE,
    batch,
    model,
    predictor_for,
)
from tests.golden import deterministic
from torch import nn

from samhq.compat.segment_anything import SamAutomaticMaskGenerator, SamPredictor
from samhq.compat.segment_anything.refusals import NoImageError
from samhq.config import ModelConfig
from samhq.errors import ConfigError, ImageError, PromptError
from samhq.image.transform import SquareForm, to_pixels
from samhq.types import Prompts


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
    assert len(hq_predictor._pictures) == 0
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


def test_plain_masks_are_the_cores_in_the_networks_order(plain_predictor: SamPredictor) -> None:
    sam = plain_predictor.model
    pixels, frame = to_pixels(PICTURE, SquareForm.for_model(sam.config))
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


def test_threshold_of_the_model_counts(plain_predictor: SamPredictor) -> None:
    raw, _, _ = plain_predictor.predict(POINTS, LABELS, return_logits=True)
    plain_predictor.model.mask_threshold = float(np.median(raw))
    masks, _, _ = plain_predictor.predict(POINTS, LABELS)
    np.testing.assert_array_equal(masks, raw > np.float32(np.median(raw)))


def test_adapters_and_hooks_of_a_core_model_count_here_too() -> None:
    core = tiny.model(tiny.HQ)
    before = list(predictor_of(core).predict(POINTS, LABELS))
    calls: list[int] = []
    core.mask_decoder.transformer.layers[0].cross_attn_token_to_image.k_proj.register_forward_hook(
        lambda *_: calls.append(1)
    )
    inner = core.image_encoder.blocks[0].attn.qkv
    core.image_encoder.blocks[0].attn.qkv = nn.Sequential(inner, nn.Dropout(0.0))
    for network in (core, nn.DataParallel(core)):
        after = predictor_of(network).predict(POINTS, LABELS)
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


def test_features_changed_in_place_count_at_the_next_call() -> None:
    predictor = predictor_for(tiny.HQ)
    before = predictor.predict(POINTS, LABELS)[2]
    assert np.array_equal(predictor.predict(POINTS, LABELS)[2], before)
    predictor.features.mul_(2)
    changed = predictor.predict(POINTS, LABELS)[2]
    assert not np.array_equal(changed, before)
    predictor.features = predictor.features.clone()
    assert np.array_equal(predictor.predict(POINTS, LABELS)[2], changed)
