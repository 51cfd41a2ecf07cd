from __future__ import annotations

import copy
from dataclasses import dataclass

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from samhq.config import Candidates, HQMode, ModelConfig
from samhq.errors import ConfigError, PromptError
from samhq.model.build import build
from samhq.model.prompt_encoder import PromptEncoder
from samhq.model.sam import Sam
from samhq.types import FOREGROUND, IGNORED, ImageEmbedding, LowRes, Prompts
from tests import tiny

IMAGES = 3
CANDIDATES: list[Candidates] = ["single", "best", "all", "sorted"]


def close(ours: LowRes, expected: LowRes, relative: float = 1e-5) -> None:
    """The same logits and scores, to a part of the largest."""
    assert ours.logits.shape == expected.logits.shape
    assert (ours.logits - expected.logits).abs().max() <= relative * expected.logits.abs().max()
    assert (ours.iou - expected.iou).abs().max() <= relative * expected.iou.abs().max().clamp(min=1)


def embed(sam: Sam, images: int = IMAGES) -> ImageEmbedding:
    return sam.encode(tiny.pixels(sam.config, images))


@dataclass(frozen=True)
class Asked:
    """One prompt before it is put into a list with others."""

    image: int
    points: int
    box: bool
    mask: bool


ASKED = st.builds(Asked, st.integers(0, IMAGES - 1), st.integers(0, 3), st.booleans(), st.booleans())


def together(config: ModelConfig, asked: list[Asked]) -> Prompts:
    places, labels = tiny.points(config, [one.points for one in asked])
    boxes, masks = [one.box for one in asked], [one.mask for one in asked]
    return Prompts(
        torch.tensor([one.image for one in asked]),
        places if places.shape[1] else None,
        labels if places.shape[1] else None,
        tiny.boxes(config, boxes) if any(boxes) else None,
        tiny.masks(config, masks) if any(masks) else None,
    )


def alone(prompts: Prompts, row: int, one: Asked) -> Prompts:
    """One prompt of a list with nothing but what it has: no filling, no NaN."""
    rest = prompts[row : row + 1]
    return Prompts(
        torch.zeros(1, dtype=torch.int64),
        rest.points[:, : one.points] if rest.points is not None and one.points else None,
        rest.labels[:, : one.points] if rest.labels is not None and one.points else None,
        rest.boxes if one.box else None,
        rest.masks if one.mask else None,
    )


@settings(max_examples=25)
@given(
    st.lists(ASKED, min_size=1, max_size=7),
    st.integers(1, 8),
    st.sampled_from(CANDIDATES),
    st.sampled_from(tiny.ALL),
)
def test_a_prompt_does_not_depend_on_its_neighbours(
    asked: list[Asked], batch: int, candidates: Candidates, config: ModelConfig
) -> None:
    sam = tiny.shared(config)
    embedding, prompts = embed(sam), together(config, asked)
    mixed = sam.decode(embedding, prompts, candidates=candidates, batch=batch)
    for row, one in enumerate(asked):
        own = embedding[one.image : one.image + 1]
        expected = sam.decode(own, alone(prompts, row, one), candidates=candidates)
        close(LowRes(mixed.logits[row : row + 1], mixed.iou[row : row + 1]), expected)


def test_the_order_of_points_does_not_matter(any_sam: Sam) -> None:
    embedding = embed(any_sam, 1)
    places, labels = tiny.points(any_sam.config, [4])
    turned = torch.tensor([2, 0, 3, 1])
    index = torch.tensor([0])
    forwards = any_sam.decode(embedding, Prompts(index, places, labels))
    close(any_sam.decode(embedding, Prompts(index, places[:, turned], labels[:, turned])), forwards)


def test_two_corner_points_are_a_box(any_sam: Sam) -> None:
    """But for the end that prompts of points alone have; with a real box beside them there is none."""
    embedding, index = embed(any_sam, 1), torch.tensor([0])
    box = tiny.boxes(any_sam.config, [True])
    corners, labels = box.view(1, 2, 2), torch.tensor([[2, 3]])
    encoder = any_sam.prompt_encoder
    boxed = Prompts(index, boxes=box)
    torch.testing.assert_close(encoder.embed_places(corners, labels), encoder.sparse(boxed).tokens[:, :2])
    ours = any_sam.decode(embedding, Prompts(index, corners, labels))
    if any_sam.config.second:  # there boxes have that end too
        close(ours, any_sam.decode(embedding, boxed))
        return
    end = Prompts(index, torch.zeros(1, 1, 2), torch.tensor([[-1]]), boxes=box)
    close(ours, any_sam.decode(embedding, end))


def test_an_ignored_point_takes_no_part(any_sam: Sam) -> None:
    embedding, prompts = embed(any_sam, 1), tiny.one_point(any_sam.config)
    place = torch.full((1, 1, 2), 7.0)
    more = Prompts(
        prompts.image_index,
        torch.cat([place, prompts.points, place], 1),
        torch.tensor([[IGNORED, FOREGROUND, IGNORED]]),
    )
    close(any_sam.decode(embedding, more), any_sam.decode(embedding, prompts))


@pytest.mark.parametrize("candidates", CANDIDATES)
@pytest.mark.parametrize("hq", ["add", "only", "off"])
def test_choosing_before_painting_equals_painting_all(hq: HQMode, candidates: Candidates) -> None:
    sam = tiny.shared(tiny.HQ)
    embedding, prompts = embed(sam), together(tiny.HQ, [Asked(i, i, True, False) for i in range(IMAGES)])
    attended = sam.attend(embedding, prompts)
    numbers = torch.arange(4).expand(IMAGES, -1)
    every, refined = sam.mask_decoder.logits(attended, embedding, numbers, "add")
    order = {
        "single": torch.zeros(IMAGES, 1, dtype=torch.int64),
        "best": 1 + attended.iou[:, 1:].argmax(1, keepdim=True),
        "all": numbers[:, 1:],
        "sorted": 1 + attended.iou[:, 1:].sort(1, descending=True).indices,
    }[candidates]
    picked = torch.stack([every[row, chosen] for row, chosen in enumerate(order)])
    scores = attended.iou.gather(1, order)
    expected = {"add": picked + refined, "off": picked, "only": refined}[hq]
    if hq == "only":
        scores = scores.max(1, keepdim=True).values
    close(sam.decode(embedding, prompts, candidates=candidates, hq=hq), LowRes(expected, scores))


def test_the_default_is_add_for_hq_and_off_for_plain(any_sam: Sam) -> None:
    embedding, prompts = embed(any_sam, 1), tiny.one_point(any_sam.config)
    mode: HQMode = "add" if any_sam.config.hq else "off"
    assert any_sam.hq_mode(None) == mode
    close(any_sam.decode(embedding, prompts), any_sam.decode(embedding, prompts, hq=mode), relative=0)


@pytest.mark.parametrize("hq", ["add", "only"])
def test_a_plain_model_has_no_hq_mask(plain: Sam, hq: HQMode) -> None:
    with pytest.raises(ConfigError, match=r"needs a model with HQ heads, but tiny_plain is a plain SAM.*sam_hq_vit_b"):
        plain.decode(embed(plain, 1), tiny.one_point(plain.config), hq=hq)


@pytest.mark.parametrize("candidates", ["single", "best", "all", "sorted"])
def test_no_prompts_give_no_masks_of_the_right_shape(any_sam: Sam, candidates: Candidates) -> None:
    none, one = Prompts(torch.zeros(0, dtype=torch.int64)), tiny.one_point(any_sam.config)
    embedding = embed(any_sam, 2)
    for hq in ("add", "only", "off") if any_sam.config.hq else ("off",):
        empty, full = (any_sam.decode(embedding, some, candidates=candidates, hq=hq) for some in (none, one))
        assert (empty.logits.shape, empty.iou.shape) == ((0, *full.logits.shape[1:]), (0, *full.iou.shape[1:]))
        assert (empty.logits.dtype, empty.iou.dtype) == (full.logits.dtype, full.iou.dtype)


@pytest.mark.parametrize("image", [-1, 2])
def test_a_prompt_of_no_image_is_an_error(any_sam: Sam, image: int) -> None:
    with pytest.raises(PromptError, match=rf"image_index in 0\.\.1, got \[{image}\]"):
        any_sam.decode(embed(any_sam, 2), tiny.one_point(any_sam.config, image))


@pytest.mark.parametrize("shape", [(3, 64, 64), (1, 3, 32, 32), (1, 1, 64, 64), (1, 3, 64, 48)])
def test_pixels_of_another_shape_are_an_error(plain: Sam, shape: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match=r"\(images, 3, 64, 64\), got"):
        plain.encode(torch.zeros(shape))


def test_early_features_are_kept_only_when_asked_for(any_sam: Sam) -> None:
    pixels = tiny.pixels(any_sam.config)
    assert any_sam.encode(pixels).early is None
    kept = any_sam.encode(pixels, keep_early=True)
    if any_sam.config.second:  # which reads none
        assert kept.early is None
        return
    grid = any_sam.config.grid
    assert kept.early is not None
    assert kept.early.shape == (1, grid, grid, any_sam.config.encoder.early_dim)
    assert torch.equal(kept.early, any_sam.image_encoder(pixels)[1][0])  # the first of them
    again = any_sam.embed(kept.features, kept.early)
    assert torch.equal(again.features, kept.features)
    assert (again.hq is None) == (not any_sam.config.hq)
    if again.hq is not None:
        assert torch.equal(again.hq, kept.hq)


def test_no_call_leaves_a_trace(any_sam: Sam) -> None:
    sam = tiny.model(any_sam.config)
    before = copy.deepcopy(sam.state_dict())
    pixels, prompts = (
        tiny.pixels(sam.config),
        together(sam.config, [Asked(0, 2, True, True), Asked(0, 0, False, False)]),
    )
    given = copy.deepcopy(prompts)
    first = sam.decode(sam.encode(pixels), prompts)
    sam.decode(sam.encode(pixels + 1), tiny.one_point(sam.config))
    close(sam.decode(sam.encode(pixels), prompts), first, relative=0)
    assert all(torch.equal(value, before[key]) for key, value in sam.state_dict().items())
    for name in ("points", "labels", "boxes", "masks"):
        torch.testing.assert_close(getattr(prompts, name), getattr(given, name), equal_nan=True)


@torch.inference_mode()
@pytest.mark.parametrize(("dtype", "relative"), [(torch.float16, 0.02), (torch.bfloat16, 0.12)])
def test_half_precision_runs_and_stays_close(any_sam: Sam, dtype: torch.dtype, relative: float) -> None:
    config = any_sam.config
    half, pixels = tiny.model(config).to(dtype), tiny.pixels(config, 2)
    asked = [Asked(0, 2, True, False), Asked(1, 0, False, True), Asked(1, 1, False, False)]
    prompts = together(config, asked)
    low = half.decode(half.encode(pixels), prompts, candidates="all")
    assert half.dtype == low.logits.dtype == dtype
    expected = any_sam.decode(any_sam.encode(pixels), prompts, candidates="all")
    close(LowRes(low.logits.float(), low.iou.float()), expected, relative)
    assert ((low.logits > 0) == (expected.logits > 0)).float().mean() > 0.95


def test_parts_are_built_in_place_of_the_core() -> None:
    class OtherSam(Sam):
        pass

    class OtherPrompts(PromptEncoder):
        pass

    sam = build(tiny.HQ, parts={Sam: OtherSam, PromptEncoder: OtherPrompts})
    assert type(sam) is OtherSam
    assert type(sam.prompt_encoder) is OtherPrompts
    assert type(sam.mask_decoder) is type(tiny.shared(tiny.HQ).mask_decoder)
