"""Parts that are called one by one give what the whole model gives, and what transformers' own parts give."""

from __future__ import annotations

import copy
import io
from typing import Any

import pytest
import torch
from tests.parity.test_transformers_face import SIDE, pair

from samhq.compat.transformers import SamHQModel, SamModel
from samhq.errors import ConfigError, PromptError

PIXELS = torch.randn(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
POINTS = torch.tensor([[[[20.0, 30.0]], [[40.0, 10.0]], [[5.0, 50.0]]]]).repeat(2, 1, 1, 1)
LABELS = torch.ones(2, 3, 1, dtype=torch.int64)
BOXES = torch.tensor([[[5.0, 5.0, 40.0, 50.0], [10.0, 20.0, 60.0, 60.0], [0.0, 0.0, 30.0, 30.0]]]).repeat(2, 1, 1)
MASKS = torch.randn(2, 1, SIDE // 4, SIDE // 4, generator=torch.Generator().manual_seed(1))
PROMPTS: list[dict[str, Any]] = [
    {"input_points": POINTS, "input_labels": LABELS},
    {"input_boxes": BOXES},
    {"input_points": POINTS, "input_labels": LABELS, "input_boxes": BOXES},
    {"input_boxes": BOXES[:, :1], "input_masks": MASKS},
]
WAYS = pytest.mark.parametrize("prompts", PROMPTS, ids=lambda prompts: "+".join(prompts))
NONE: dict[str, None] = {"input_points": None, "input_labels": None, "input_boxes": None, "input_masks": None}


def by_parts(model: Any, prompts: dict[str, Any], **options: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """The training script's way: each part by itself."""
    seen = model.vision_encoder(pixel_values=PIXELS)
    sparse, dense = model.prompt_encoder(**{**NONE, **prompts})
    places = model.get_image_wide_positional_embeddings().repeat(2, 1, 1, 1)
    masks, iou = model.mask_decoder(
        image_embeddings=seen.last_hidden_state,
        image_positional_embeddings=places,
        sparse_prompt_embeddings=sparse,
        dense_prompt_embeddings=dense,
        **options,
    )
    return masks, iou


@WAYS
@pytest.mark.parametrize("multimask", [True, False])
def test_sams_parts_agree_with_transformers(prompts: dict[str, Any], multimask: bool) -> None:
    reference, model = pair("SamModel")
    for one, other in zip(by_parts(model, prompts, multimask_output=multimask),
                          by_parts(reference, prompts, multimask_output=multimask), strict=True):  # fmt: skip
        torch.testing.assert_close(one, other, atol=2e-3, rtol=1e-3)
    whole = model(pixel_values=PIXELS, multimask_output=multimask, **prompts)
    masks = by_parts(model, prompts, multimask_output=multimask)[0]
    torch.testing.assert_close(masks, whole.pred_masks, atol=5e-4, rtol=1e-3)


@WAYS
def test_prompt_and_vision_encoders_agree_with_transformers(prompts: dict[str, Any]) -> None:
    reference, model = pair("SamHQModel")
    for one, other in zip(model.prompt_encoder(**{**NONE, **prompts}), reference.prompt_encoder(**{**NONE, **prompts}),
                          strict=True):  # fmt: skip
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)
    ours, theirs = model.vision_encoder(PIXELS), reference.vision_encoder(PIXELS)
    torch.testing.assert_close(ours.last_hidden_state, theirs.last_hidden_state, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(ours[0], theirs[0], atol=1e-3, rtol=1e-3)
    for one, other in zip(ours.intermediate_embeddings, theirs.intermediate_embeddings, strict=True):
        torch.testing.assert_close(one, other, atol=1e-3, rtol=1e-3)


@WAYS
@pytest.mark.parametrize(("multimask", "alone"), [(True, False), (False, False), (False, True)])
def test_hq_parts_agree_with_the_whole_model(prompts: dict[str, Any], multimask: bool, alone: bool) -> None:
    _, model = pair("SamHQModel")
    options = {"multimask_output": multimask, "hq_token_only": alone}
    early = model.vision_encoder(PIXELS).intermediate_embeddings
    masks, iou = by_parts(model, prompts, **options, intermediate_embeddings=early)
    whole = model(pixel_values=PIXELS, **options, **prompts)
    torch.testing.assert_close(masks, whole.pred_masks, atol=5e-4, rtol=1e-3)
    torch.testing.assert_close(iou, whole.iou_scores, atol=1e-4, rtol=1e-4)


def test_parts_without_prompts_and_with_wrong_ones(sam: SamModel, model: SamHQModel) -> None:
    assert sam.prompt_encoder()[0] is None
    dense = sam.prompt_encoder()[1]
    features = torch.zeros(2, *dense.shape[1:])
    masks, iou = sam.mask_decoder(features, dense, None, dense)
    assert (masks.shape[:3], iou.shape) == ((2, 1, 3), (2, 1, 3))
    with pytest.raises(PromptError, match="2 images"):
        sam.mask_decoder(features, dense, torch.zeros(3, 1, 2, dense.shape[1]), dense)
    with pytest.raises(PromptError, match="intermediate_embeddings"):
        model.mask_decoder(features, dense, None, dense)


def test_a_training_step_by_parts() -> None:
    """As in fine-tuning scripts: the encoders are frozen, the decoder learns."""
    model = copy.deepcopy(pair("SamModel")[1])
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.startswith("mask_decoder"))
    by_parts(model, PROMPTS[1], multimask_output=False)[0].mean().backward()
    learnt = {name for name, parameter in model.named_parameters() if parameter.grad is not None}
    assert learnt
    assert all(name.startswith("mask_decoder.") for name in learnt)


def test_models_with_callable_parts_are_pickled() -> None:
    model = pair("SamHQModel")[1]
    stream = io.BytesIO()
    torch.save(model, stream)
    stream.seek(0)
    again = torch.load(stream, weights_only=False)
    torch.testing.assert_close(again(pixel_values=PIXELS, **PROMPTS[1]).pred_masks,
                               model(pixel_values=PIXELS, **PROMPTS[1]).pred_masks)  # fmt: skip


@pytest.mark.parametrize("name", ["SamModel", "SamHQModel"])
def test_the_vision_encoder_answers_as_transformers_does(name: str) -> None:
    reference, model = pair(name)
    expected = reference.vision_encoder(PIXELS, output_hidden_states=True)
    output = model.vision_encoder(PIXELS, output_hidden_states=True)
    assert list(output) == list(expected)
    assert output.last_hidden_state.shape == expected.last_hidden_state.shape
    assert len(output.hidden_states) == model.config.vision_config.num_hidden_layers + 1
    assert [one.shape for one in output.hidden_states] == [one.shape for one in expected.hidden_states]
    for one, other in zip(output.hidden_states, expected.hidden_states, strict=True):
        torch.testing.assert_close(one, other, atol=2e-3, rtol=1e-3)
    values = model.vision_encoder(PIXELS, output_hidden_states=True, return_dict=False)
    assert len(values) == len(output)
    torch.testing.assert_close(values[-1], output.hidden_states)
    assert list(model.vision_encoder(PIXELS, return_dict=True)) == list(expected)[:-1]
    assert torch.equal(model.vision_encoder(PIXELS, return_dict=False)[0], model.vision_encoder(PIXELS).features)
    with pytest.raises(ConfigError, match="output_attentions"):
        model.vision_encoder(PIXELS, output_attentions=True)
