"""transformers' models: what its documentation shows, and what it does wrong."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests import tiny
from tests.compat.transformers.pictures import SIDE, picture, pixels
from torch import nn

import samhq
from samhq.compat.transformers import (
    SamHQConfig,
    SamHQModel,
    SamHQProcessor,
    SamModel,
)
from samhq.errors import CheckpointError, ConfigError, PromptError, SamHQError
from samhq.image.frame import Frame
from samhq.types import Prompts

NAMES = (
    "SamConfig", "SamHQConfig", "SamHQMaskDecoderConfig", "SamHQModel", "SamHQProcessor", "SamHQPromptEncoderConfig",
    "SamHQVisionConfig", "SamHQVisionModel", "SamImageProcessor", "SamMaskDecoderConfig", "SamModel", "SamProcessor",
    "SamPromptEncoderConfig", "SamVisionConfig", "SamVisionModel",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_importable_from_samhq(name: str) -> None:
    assert getattr(samhq, name).__name__ == name
    assert name in samhq.__all__


def test_neither_the_import_of_samhq_loads_torch_nor_the_face_transformers() -> None:
    script = (
        "import sys, samhq; assert 'torch' not in sys.modules; from samhq import SamHQModel, SamHQProcessor; "
        "assert 'transformers' not in sys.modules and 'torchvision' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_the_documented_example(folder: Path) -> None:
    device, raw_image = "cpu", picture(1200, 900)

    model = SamHQModel.from_pretrained(folder).to(device)
    processor = SamHQProcessor.from_pretrained(folder)
    inputs = processor(raw_image, input_points=[[[450, 600]]], return_tensors="pt").to(model.device)
    outputs = model(**inputs)
    masks = processor.image_processor.post_process_masks(
        outputs.pred_masks.cpu(), inputs["original_sizes"].cpu(), inputs["reshaped_input_sizes"].cpu()
    )
    scores = outputs.iou_scores

    assert [mask.shape for mask in masks] == [(1, 3, 1200, 900)]
    assert masks[0].dtype == torch.bool
    assert scores.shape == (1, 1, 3)


def test_the_documented_example_gives_what_the_network_gives(
    model: SamHQModel, processor: SamHQProcessor, hq: Any
) -> None:
    inputs = processor(picture(120, 90), input_points=[[[45, 60]]], return_tensors="pt")
    outputs = model(**inputs)
    place = torch.tensor([[[45 * 48 / 90, 60 * 64 / 120]]])
    wanted = hq.decode(hq.encode(inputs.pixel_values), Prompts(torch.tensor([0]), place), candidates="sorted")
    torch.testing.assert_close(outputs.pred_masks[0], wanted.logits, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(outputs.iou_scores[0], wanted.iou, atol=1e-5, rtol=1e-5)
    masks = processor.post_process_masks(outputs.pred_masks, [(120, 90)], [(64, 48)])
    assert torch.equal(masks[0], Frame((120, 90), (64, 48), 64).masks_to_image(wanted.logits))


RAGGED: list[dict[str, Any]] = [
    {"input_points": [[[10, 20]], [[5, 5], [30, 10], [50, 31]]]},
    {"input_points": [[[10, 20], [11, 5]], [[5, 5]]], "input_labels": [[1, 0], [1]]},
    {"input_points": [[[[10, 20]], [[4, 4], [60, 60]]], [[[5, 5]]]]},
    {"input_boxes": [[[1, 2, 30, 40], [20, 20, 60, 100]], [[5, 5, 40, 30]]]},
    {
        "input_points": [[[[10, 20]], [[4, 4], [60, 60]]], [[[5, 5]]]],
        "input_boxes": [[[1, 2, 30, 40], None], [[5, 5, 40, 30]]],
    },
    {"input_points": [[None, [[4, 4]]], [[[5, 5]]]], "input_boxes": [[[1, 2, 30, 40], None], [None]]},
]


@pytest.mark.parametrize("multimask", [True, False])
@pytest.mark.parametrize("prompts", RAGGED)
@pytest.mark.parametrize("family", ["sam", "hq"])
def test_a_ragged_batch_gives_what_each_image_gives_alone(
    family: str, prompts: dict[str, Any], multimask: bool, model: SamHQModel, sam: SamModel, processor: SamHQProcessor
) -> None:
    network, images = {"sam": sam, "hq": model}[family], [picture(120, 90), picture(40, 75, seed=1)]
    inputs = processor(images, **prompts, return_tensors="pt")
    together = network(**inputs, multimask_output=multimask)
    masks = processor.post_process_masks(together.pred_masks, inputs.original_sizes, inputs.reshaped_input_sizes)
    for i, image in enumerate(images):
        mine = {name: [value[i]] for name, value in prompts.items()}
        alone = network(**processor(image, **mine, return_tensors="pt"), multimask_output=multimask)
        count = alone.iou_scores.shape[1]
        torch.testing.assert_close(together.pred_masks[i, :count], alone.pred_masks[0], atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(together.iou_scores[i, :count], alone.iou_scores[0], atol=1e-5, rtol=1e-5)
        assert masks[i].shape[-2:] == image.size[::-1]
        assert not masks[i][count:].any()
        assert not together.iou_scores[i, count:].any()


def test_objects_of_one_image_do_not_depend_on_each_other(model: SamHQModel, processor: SamHQProcessor) -> None:
    objects = [[[10, 20]], [[30, 40], [50, 60], [1, 2]], [[70, 70], [5, 90]]]
    image = picture(120, 90)
    together = model(**processor(image, input_points=[objects], return_tensors="pt"))
    for i, points in enumerate(objects):
        alone = model(**processor(image, input_points=[[points]], return_tensors="pt"))
        torch.testing.assert_close(together.pred_masks[0, i], alone.pred_masks[0, 0], atol=1e-5, rtol=1e-5)


def test_outputs_are_read_by_attribute_key_place_and_as_a_mapping(model: SamHQModel) -> None:
    out = model(pixels(), torch.full((1, 1, 1, 2), 30.0))
    assert list(out) == ["iou_scores", "pred_masks"]
    assert out["pred_masks"] is out.pred_masks is out[1] is out.to_tuple()[1]
    assert out[:1] == (out.iou_scores,)
    assert "vision_hidden_states" not in out
    assert out.vision_hidden_states is None
    assert {**out}["iou_scores"] is out[0]
    assert len(model(pixels(), return_dict=False)) == 2


def test_hq_masks_come_best_first_and_sams_in_order(model: SamHQModel, sam: SamModel) -> None:
    points = torch.rand(2, 5, 1, 2) * SIDE
    scores = model(pixels(2), points).iou_scores
    assert torch.equal(scores, scores.sort(dim=-1, descending=True).values)
    unsorted = sam(pixels(2), points).iou_scores
    first = sam(pixels(2), points, multimask_output=False)
    assert first.iou_scores.shape == (2, 5, 1)
    assert not torch.equal(unsorted, unsorted.sort(dim=-1, descending=True).values)


@pytest.mark.parametrize("multimask", [True, False])
def test_the_hq_mask_alone_has_one_score(model: SamHQModel, multimask: bool) -> None:
    points = torch.rand(1, 4, 2, 2) * SIDE
    both = model(pixels(), points, multimask_output=multimask)
    alone = model(pixels(), points, multimask_output=multimask, hq_token_only=True)
    assert alone.pred_masks.shape == (1, 4, 1, 16, 16)
    assert torch.equal(alone.iou_scores, both.iou_scores[..., :1])
    assert not torch.allclose(alone.pred_masks, both.pred_masks[:, :, :1])


def test_embeddings_computed_before_give_the_same(model: SamHQModel, sam: SamModel) -> None:
    points = torch.rand(2, 3, 1, 2) * SIDE
    features, early = model.get_image_embeddings(pixels(2))
    again = model(image_embeddings=features, intermediate_embeddings=early, input_points=points)
    torch.testing.assert_close(again.pred_masks, model(pixels(2), points).pred_masks, atol=1e-5, rtol=1e-5)
    again = sam(image_embeddings=sam.get_image_embeddings(pixels(2)), input_points=points)
    torch.testing.assert_close(again.pred_masks, sam(pixels(2), points).pred_masks, atol=1e-5, rtol=1e-5)


def test_a_mask_prompt_for_each_object(model: SamHQModel) -> None:
    points = torch.rand(1, 3, 1, 2) * SIDE
    first = model(pixels(), points).pred_masks[:, :, 0]
    refined = model(pixels(), points, input_masks=first).pred_masks
    for i in range(3):
        alone = model(pixels(), points[:, i : i + 1], input_masks=first[:, i : i + 1])
        torch.testing.assert_close(refined[:, i], alone.pred_masks[:, 0], atol=1e-5, rtol=1e-5)


def test_hidden_states_are_one_more_than_blocks_and_leave_no_hooks(model: SamHQModel) -> None:
    states = model(pixels(), output_hidden_states=True).vision_hidden_states
    assert [state.shape for state in states] == [(1, 4, 4, 32)] * 5
    _, early = model.get_image_embeddings(pixels())
    assert torch.equal(states[2], early[0])
    assert not any(block._forward_hooks or block._forward_pre_hooks for block in model.vision_encoder.blocks)


def test_similarity_and_target_shift_the_result(model: SamHQModel) -> None:
    points = torch.rand(1, 2, 1, 2) * SIDE
    plain = model(pixels(), points).pred_masks
    for guide in (
        {"attention_similarity": torch.randn(1, 1, 1, 16) * 3},
        {"target_embedding": torch.randn(1, 32)},
    ):
        assert not torch.allclose(model(pixels(), points, **guide).pred_masks, plain, atol=1e-3)
    none = model(pixels(), points, target_embedding=torch.zeros(1, 32), attention_similarity=torch.zeros(1, 1, 1, 16))
    torch.testing.assert_close(none.pred_masks, plain, atol=1e-5, rtol=1e-5)


POINT = torch.full((1, 1, 1, 2), 30.0)
BOX = torch.tensor([[[1.0, 2.0, 30.0, 40.0]]])
WRONG: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({}, PromptError, "neither"),
    ({"pixel_values": pixels(), "image_embeddings": torch.zeros(1, 32, 4, 4)}, PromptError, "both"),
    ({"image_embeddings": torch.zeros(1, 32, 4, 4)}, PromptError, "intermediate_embeddings"),
    ({"pixel_values": torch.zeros(1, 3, 32, 64)}, ConfigError, "pixel_values"),
    ({"pixel_values": torch.zeros(3, 64, 64)}, ConfigError, "pixel_values"),
    ({"pixel_values": pixels(), "input_points": POINT[0]}, PromptError, "input_points"),
    ({"pixel_values": pixels(2), "input_points": POINT}, PromptError, "2 images"),
    ({"pixel_values": pixels(), "input_points": POINT * torch.nan}, PromptError, "finite"),
    ({"pixel_values": pixels(), "input_boxes": BOX[0]}, PromptError, "input_boxes"),
    ({"pixel_values": pixels(), "input_points": POINT, "input_boxes": BOX.repeat(1, 2, 1)}, PromptError, "2 boxes"),
    ({"pixel_values": pixels(), "input_labels": torch.ones(1, 1, 1)}, PromptError, "input_labels"),
    ({"pixel_values": pixels(), "input_points": POINT, "input_labels": torch.ones(1, 1)}, PromptError, "one for each"),
    ({"pixel_values": pixels(), "input_points": POINT, "input_labels": torch.full((1, 1, 1), 7)}, PromptError, "7"),
    ({"pixel_values": pixels(), "input_masks": torch.zeros(1, 64, 64)}, PromptError, "input_masks"),
    ({"pixel_values": pixels(), "target_embedding": torch.zeros(1, 1, 5, 32)}, PromptError, "target_embedding"),
    ({"pixel_values": pixels(), "attention_similarity": torch.zeros(7)}, PromptError, "attention_similarity"),
    ({"pixel_values": pixels(), "labels": torch.zeros(1, 16, 16)}, PromptError, "input_masks"),
    ({"pixel_values": pixels(), "output_attentions": True}, ConfigError, "output_attentions"),
    ({"pixel_values": pixels(), "input_point": POINT}, ConfigError, "Did you mean 'input_points'"),
]


@pytest.mark.parametrize(("arguments", "error", "word"), WRONG)
def test_wrong_arguments_are_refused_in_a_sentence(
    arguments: dict[str, Any], error: type[Exception], word: str, model: SamHQModel
) -> None:
    with pytest.raises(error, match=word) as caught:
        model(**arguments)
    assert isinstance(caught.value, ValueError)


@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_tensors_give_masks_or_our_own_error(data: st.DataObject, sam: SamModel) -> None:
    def tensor(*last: int) -> st.SearchStrategy[torch.Tensor | None]:
        shape = st.lists(st.integers(0, 2), min_size=0, max_size=3).map(lambda dims: (*dims, *last))
        values = st.sampled_from([0.0, 1.0, 40.0, -10.0, 1e30, torch.inf, torch.nan])
        return st.none() | st.builds(torch.full, shape, values)

    names = {"input_points": (2,), "input_labels": (), "input_boxes": (4,), "input_masks": (16, 16)}
    prompts = {name: data.draw(tensor(*last)) for name, last in names.items()}
    try:
        out = sam(pixels(2), **prompts)
    except SamHQError:
        return
    assert out.iou_scores.isfinite().all()
    assert out.pred_masks.shape[:2] == out.iou_scores.shape[:2]


def test_a_box_in_a_group_of_its_own_goes_with_points(sam: SamModel) -> None:
    points, boxes = torch.full((2, 2, 1, 2), 8.0), torch.tensor([4.0, 4, 40, 40]).expand(2, 2, 4)
    grouped = sam(pixels(2), input_points=points, input_boxes=boxes[:, :, None])
    torch.testing.assert_close(grouped.pred_masks, sam(pixels(2), input_points=points, input_boxes=boxes).pred_masks)


def test_the_fine_tuning_recipe(sam: SamModel) -> None:
    tuned = copy.deepcopy(sam).requires_grad_(True)
    for name, parameter in tuned.named_parameters():
        if name.startswith(("vision_encoder", "prompt_encoder")):
            parameter.requires_grad_(False)
    optimizer = torch.optim.SGD(tuned.mask_decoder.parameters(), lr=0.1)
    before = {name: value.clone() for name, value in tuned.state_dict().items()}
    out = tuned(pixels(), input_boxes=BOX, multimask_output=False)
    out.pred_masks.sigmoid().mean().backward()
    optimizer.step()
    changed = {name for name, value in tuned.state_dict().items() if not torch.equal(value, before[name])}
    assert changed
    assert all(name.startswith("mask_decoder.") for name in changed)
    assert all(torch.equal(value, sam.state_dict()[name]) for name, value in before.items())


def test_gradients_reach_every_parameter_that_has_a_part(model: SamHQModel) -> None:
    tuned = copy.deepcopy(model).requires_grad_(True)
    out = tuned(pixels(), POINT, input_boxes=BOX)
    (out.pred_masks.square().mean() + out.iou_scores.sum()).backward()
    without = {name for name, parameter in tuned.named_parameters() if parameter.grad is None}
    assert not any(name.startswith("vision_encoder") for name in without)
    assert all(name.startswith("prompt_encoder.") for name in without)


def test_state_dicts_load_strictly_with_either_name_of_the_positions(model: SamHQModel) -> None:
    fresh = SamHQModel(SamHQConfig.from_model_config(tiny.HQ))
    state = model.state_dict()
    one, other = "shared_image_embedding.positional_embedding", "prompt_encoder.shared_embedding.positional_embedding"
    for name in (one, other):
        fresh.load_state_dict({key: value for key, value in state.items() if key != name})
        assert torch.equal(fresh.state_dict()[name], state[name])
    key = "mask_decoder.hq_token.weight"
    without = {name: value for name, value in state.items() if name != key}
    for wrong in (without, {**state, "more": state[key]}, {**without, key: state[key][:, :3]}):
        with pytest.raises(CheckpointError, match=r"more|hq_token"):
            fresh.load_state_dict(wrong)
    result = fresh.load_state_dict({**without, "more": state[key]}, strict=False)
    assert (result.missing_keys, result.unexpected_keys) == ([key], ["more"])


def test_names_hold_inside_a_larger_module_and_in_copies(model: SamHQModel) -> None:
    outer = nn.ModuleDict({"net": copy.deepcopy(model)})
    assert outer.state_dict().keys() == {f"net.{name}" for name in model.state_dict()}
    fresh = nn.ModuleDict({"net": SamHQModel(SamHQConfig.from_model_config(tiny.HQ))})
    fresh.load_state_dict(outer.state_dict())
    assert all(torch.equal(value, fresh.state_dict()[name]) for name, value in outer.state_dict().items())
    again = pickle.loads(pickle.dumps(model))
    assert torch.equal(again(pixels(), POINT).pred_masks, model(pixels(), POINT).pred_masks)


NO_OBJECTS: list[dict[str, Any]] = [
    {"input_boxes": [[]]},
    {"input_boxes": torch.zeros(1, 0, 4)},
    {"input_points": [[]]},
    {"input_points": [[]], "input_labels": [[]]},
    {"input_points": np.zeros((1, 0, 2, 2)), "input_labels": np.zeros((1, 0, 2))},
    {"input_points": [[]], "input_boxes": [[]]},
]


@pytest.mark.parametrize("prompts", NO_OBJECTS, ids=str)
@pytest.mark.parametrize("multimask", [True, False])
def test_no_objects_give_no_masks(
    prompts: dict[str, Any], multimask: bool, model: SamHQModel, sam: SamModel, processor: SamHQProcessor
) -> None:
    inputs = processor(picture(40, 50), **prompts, return_tensors="pt")
    for network in (model, sam):
        out = network(**inputs, multimask_output=multimask)
        some = network(pixels(), input_boxes=torch.tensor([[[1.0, 2, 30, 40]]]), multimask_output=multimask)
        assert out.pred_masks.shape == (1, 0, *some.pred_masks.shape[2:])
        assert out.iou_scores.shape == (1, 0, *some.iou_scores.shape[2:])
        (masks,) = processor.post_process_masks(out.pred_masks, inputs.original_sizes, inputs.reshaped_input_sizes)
        assert (masks.shape, masks.dtype) == ((0, some.pred_masks.shape[2], 40, 50), torch.bool)


def test_no_objects_in_any_way_of_asking(model: SamHQModel) -> None:
    boxes, points = torch.zeros(2, 0, 4), torch.zeros(2, 0, 3, 2)
    assert model(pixels(2), input_boxes=boxes, hq_token_only=True).pred_masks.shape == (2, 0, 1, 16, 16)
    assert model(pixels(2), input_points=points, input_labels=points[..., 0]).pred_masks.shape == (2, 0, 3, 16, 16)
    guided = model(pixels(2), input_boxes=boxes, attention_similarity=torch.zeros(1), target_embedding=torch.zeros(1))
    assert guided.iou_scores.shape == (2, 0, 3)
    assert model.get_prompt_embeddings(input_boxes=boxes)[0].shape[:2] == (2, 0)


def test_one_image_of_a_batch_may_have_no_objects(model: SamHQModel, processor: SamHQProcessor) -> None:
    inputs = processor([picture(40, 50)] * 2, input_boxes=[[], [[5, 6, 30, 30]]], return_tensors="pt")
    out = model(**inputs)
    alone = model(**processor(picture(40, 50), input_boxes=[[[5, 6, 30, 30]]], return_tensors="pt"))
    torch.testing.assert_close(out.pred_masks[1:], alone.pred_masks, atol=1e-4, rtol=1e-4)
    assert (out.pred_masks[0] < 0).all()


def test_a_loop_over_prompts_makes_what_depends_on_the_picture_once(
    model: SamHQModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    embed = model.sam.embed
    monkeypatch.setattr(model.sam, "embed", lambda *given: made.append(1) or embed(*given), raising=False)
    features, early = model.get_image_embeddings(pixels())
    for x in (10, 20, 30):
        point = torch.tensor([[[[float(x), 10.0]]]])
        found = model(image_embeddings=features, intermediate_embeddings=early, input_points=point)
        fresh = model(image_embeddings=features.clone(), intermediate_embeddings=early, input_points=point)
        assert torch.equal(found.pred_masks, fresh.pred_masks)
    assert len(made) == 1 + 3
    features.mul_(2)
    found = model(image_embeddings=features, intermediate_embeddings=early, input_points=point)
    assert len(made) == 1 + 3 + 1
    fresh = model(image_embeddings=features.clone(), intermediate_embeddings=early, input_points=point)
    assert torch.equal(found.pred_masks, fresh.pred_masks)


SAME_OBJECT: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"input_points": [[[40, 65]]], "input_labels": [[1]]}, {"input_points": [[[40, 65]]]}),
    ({"input_points": [[[40, 65], [80, 65]]], "input_labels": [[1, 1]]}, {"input_points": [[[40, 65], [80, 65]]]}),
    ({"input_points": [[[[40, 65]]]]}, {"input_points": torch.tensor([[[[40.0, 65.0]]]])}),
    ({"input_boxes": [[[7, 27, 80, 85]]]}, {"input_boxes": torch.tensor([[[[7.0, 27.0, 80.0, 85.0]]]])}),
]


@pytest.mark.parametrize(("one", "other"), SAME_OBJECT)
def test_the_same_object_in_two_ways(
    one: dict[str, Any], other: dict[str, Any], model: SamHQModel, sam: SamModel, processor: SamHQProcessor
) -> None:
    for network in (model, sam):
        first, second = (
            network(**processor(picture(120, 90), **prompts, return_tensors="pt")) for prompts in (one, other)
        )
        assert first.iou_scores.shape == (1, 1, 3)
        assert first.pred_masks.shape == (1, 1, 3, 16, 16)
        torch.testing.assert_close(first.to_tuple(), second.to_tuple(), atol=1e-5, rtol=1e-5)


def test_a_point_beside_a_box_counts_by_its_label(model: SamHQModel, sam: SamModel, processor: SamHQProcessor) -> None:
    box = [[[20, 30, 80, 100]]]
    for network in (model, sam):
        masks = [
            network(**processor(picture(120, 90), input_boxes=box, **point, return_tensors="pt")).pred_masks
            for point in (
                {},
                {"input_points": [[[50, 60]]], "input_labels": [[1]]},
                {"input_points": [[[50, 60]]], "input_labels": [[0]]},
            )
        ]
        assert all(not torch.allclose(masks[i], masks[j], atol=1e-3) for i, j in ((0, 1), (0, 2), (1, 2)))
        bare = network(**processor(picture(120, 90), return_tensors="pt"))
        assert bare.iou_scores.shape == (1, 1, 3)


def test_equal_objects_in_equal_pictures_have_equal_scores(model: SamHQModel, processor: SamHQProcessor) -> None:
    usual, odd = [[82, 108]], [[51, 108]]
    points = [[usual, usual, usual, usual], [odd, usual, usual, usual]]
    scores = model(**processor([picture(120, 90)] * 2, input_points=points, return_tensors="pt")).iou_scores
    assert scores.shape == (2, 4, 3)
    torch.testing.assert_close(scores[0], scores[0, :1].expand(4, -1), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(scores[1, 1:], scores[0, 1:], atol=1e-5, rtol=1e-5)
    assert not torch.allclose(scores[1, 0], scores[0, 0], atol=1e-4)


def test_boxes_each_with_an_axis_of_its_own(model: SamHQModel, sam: SamModel, processor: SamHQProcessor) -> None:
    boxes = torch.tensor([[[62.0, 90, 80, 110]], [[7, 27, 80, 85]], [[7, 27, 80, 85]]])[None]
    for network in (model, sam):
        out = network(**processor(picture(120, 90), input_boxes=boxes, return_tensors="pt"))
        plain = network(**processor(picture(120, 90), input_boxes=boxes[:, :, 0], return_tensors="pt"))
        assert out.iou_scores.shape == (1, 3, 3)
        torch.testing.assert_close(out.to_tuple(), plain.to_tuple(), atol=0, rtol=0)
        torch.testing.assert_close(out.iou_scores[0, 1], out.iou_scores[0, 2], atol=1e-5, rtol=1e-5)
        inside = network(pixels(), input_boxes=boxes / 2)
        torch.testing.assert_close(inside.to_tuple(), network(pixels(), input_boxes=boxes[:, :, 0] / 2).to_tuple())
