"""The transformers face on its own: what transformers' documentation shows, and what it does wrong."""

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
from PIL import Image
from tests import tiny
from torch import nn

import samhq
from samhq.checkpoint.save import save_model
from samhq.compat.transformers import (
    SamConfig,
    SamHQConfig,
    SamHQMaskDecoderConfig,
    SamHQModel,
    SamHQProcessor,
    SamHQVisionConfig,
    SamHQVisionModel,
    SamImageProcessor,
    SamModel,
    SamProcessor,
    SamVisionConfig,
    SamVisionModel,
)
from samhq.compat.transformers import prompts as flat
from samhq.compat.transformers.features import BatchFeature
from samhq.compat.transformers.pretrained import place_of
from samhq.errors import CheckpointError, ConfigError, ImageError, PromptError, SamHQError
from samhq.image.frame import Frame
from samhq.types import Prompts

SIDE = tiny.HQ.side
NAMES = (
    "SamConfig", "SamHQConfig", "SamHQMaskDecoderConfig", "SamHQModel", "SamHQProcessor", "SamHQPromptEncoderConfig",
    "SamHQVisionConfig", "SamHQVisionModel", "SamImageProcessor", "SamMaskDecoderConfig", "SamModel", "SamProcessor",
    "SamPromptEncoderConfig", "SamVisionConfig", "SamVisionModel",
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random SAM-HQ as transformers would have it."""
    place = tmp_path_factory.mktemp("hq")
    save_model(tiny.shared(tiny.HQ), place)
    return place


@pytest.fixture(scope="module")
def model(folder: Path) -> SamHQModel:
    return SamHQModel.from_pretrained(folder).requires_grad_(False)


@pytest.fixture(scope="module")
def processor(folder: Path) -> SamHQProcessor:
    return SamHQProcessor.from_pretrained(folder)


@pytest.fixture(scope="module")
def sam() -> SamModel:
    own = SamModel(SamConfig.from_model_config(tiny.PLAIN))
    own.sam.load_state_dict(tiny.shared(tiny.PLAIN).state_dict())
    return own.requires_grad_(False)


def picture(height: int, width: int, seed: int = 0) -> Image.Image:
    noise = np.random.default_rng(seed).integers(0, 256, (height // 4 + 1, width // 4 + 1, 3), np.uint8)
    return Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)


def pixels(images: int = 1) -> torch.Tensor:
    return tiny.pixels(tiny.HQ, images)


# What the documentation shows


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


# The model's arguments


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


def test_labels_of_corners_are_a_box(model: SamHQModel) -> None:
    corners = model(pixels(), BOX.view(1, 1, 2, 2), torch.tensor([[[2, 3]]]))
    box = model(pixels(), input_boxes=BOX)
    # As points they are followed by "not a point", so the two only resemble each other.
    assert torch.corrcoef(torch.stack([corners.pred_masks.flatten(), box.pred_masks.flatten()]))[0, 1] > 0.5


def test_only_what_fills_up_is_padding() -> None:
    points, labels = torch.zeros(1, 3, 2, 2), torch.tensor([[[1, -10], [-10, -10], [-10, -10]]])
    boxes = torch.tensor([[[torch.nan] * 4, [1.0, 1, 2, 2], [torch.nan] * 4]])
    batch = flat.flatten(1, 4, torch.device("cpu"), points, labels, boxes)
    assert batch.padding is not None
    assert batch.padding.tolist() == [False, False, True]
    assert flat.flatten(1, 4, torch.device("cpu")).padding is None


# Training


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


# Files and names


@pytest.mark.parametrize("config", [tiny.PLAIN, tiny.HQ], ids=lambda config: config.name)
def test_saved_and_loaded(config: Any, tmp_path: Path) -> None:
    kind = SamHQModel if config.hq else SamModel
    saved = kind((SamHQConfig if config.hq else SamConfig).from_model_config(config))
    saved.save_pretrained(tmp_path / "my.model")
    loaded = kind.from_pretrained(tmp_path / "my.model")
    assert all(torch.equal(value, loaded.state_dict()[name]) for name, value in saved.state_dict().items())
    assert loaded.config.to_model_config() == saved.config.to_model_config()
    assert not loaded.training


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_file_in_the_original_layout(suffix: str, tmp_path: Path, hq: Any) -> None:
    file = tmp_path / f"model{suffix}"
    save_model(hq, file)
    loaded = SamHQModel.from_pretrained(file, dtype="auto", attn_implementation="sdpa")
    assert all(torch.equal(value, loaded.sam.state_dict()[name]) for name, value in hq.state_dict().items())


def test_the_other_family_is_refused(folder: Path) -> None:
    with pytest.raises(CheckpointError, match="without HQ heads"):
        SamModel.from_pretrained(folder)


def test_a_tinyvit_is_refused(tmp_path: Path) -> None:
    save_model(tiny.shared(tiny.LIGHT), tmp_path / "light.safetensors")
    for kind in (SamHQModel, SamHQVisionModel):
        with pytest.raises(ConfigError, match=r"samhq\.load"):
            kind.from_pretrained(tmp_path / "light.safetensors")


@pytest.mark.parametrize(
    ("options", "dtype"),
    [({}, torch.float32), ({"torch_dtype": torch.float16}, torch.float16), ({"dtype": "bfloat16"}, torch.bfloat16)],
)
def test_dtypes(folder: Path, options: dict[str, Any], dtype: torch.dtype, model: SamHQModel) -> None:
    loaded = SamHQModel.from_pretrained(folder, device_map={"": "cpu"}, **options).requires_grad_(False)
    assert loaded.dtype == dtype
    out = loaded(pixels(), POINT)
    assert out.pred_masks.dtype == dtype
    wanted = model(pixels(), POINT)
    assert (out.pred_masks.float() - wanted.pred_masks).abs().max() < 0.1 * wanted.pred_masks.std()


@pytest.mark.parametrize(
    "options",
    [
        {"dtype": "int8"},
        {"device_map": "nowhere"},
        {"device_map": "cuda:99"},
        {"device_map": {"a": "cpu", "b": "meta"}},
        {"torch_type": torch.float16},
        {"attn_implementation": "flash_attention_2"},
        {"attn_implementation": {"vision_config": "flex_attention"}},
        {"attn_implementation": 2},
    ],
)
def test_wrong_options(folder: Path, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        SamHQModel.from_pretrained(folder, **options)


@pytest.mark.parametrize("attention", [None, "sdpa", "eager", {"vision_config": "eager", "": "sdpa"}])
def test_attention_is_called_as_in_transformers_and_stays_what_it_is(
    folder: Path, model: SamHQModel, attention: Any
) -> None:
    loaded = SamHQModel.from_pretrained(folder, attn_implementation=attention).requires_grad_(False)
    assert torch.equal(loaded(pixels(), POINT).pred_masks, model(pixels(), POINT).pred_masks)


def test_an_unknown_attention_is_refused_with_the_nearest(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"attn_implementation.*'spda'.*Did you mean 'sdpa'"):
        SamVisionModel.from_pretrained(folder, attn_implementation="spda")


@pytest.mark.parametrize("place", [None, "cpu", "auto", "balanced", "sequential", {"": "cpu"}, -1, torch.device("cpu")])
def test_a_place_by_any_of_transformers_names(place: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert place_of(place) == torch.device("cpu")


def test_options_for_downloads_do_not_matter_to_a_folder_and_are_not_ignored_for_the_hub(folder: Path) -> None:
    SamHQModel.from_pretrained(folder, local_files_only=True, cache_dir="elsewhere", use_safetensors=True)
    SamHQProcessor.from_pretrained(folder, local_files_only=True, use_fast=True)
    with pytest.raises(ConfigError, match="HF_HUB_OFFLINE"):
        SamHQModel.from_pretrained("somebody/some-model", local_files_only=True)
    with pytest.raises(ConfigError, match="mask_sise"):
        SamHQProcessor.from_pretrained(folder, mask_sise=3)


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


# Configurations


def test_parts_may_be_dicts_or_objects_and_unknown_fields_are_dropped() -> None:
    parts = {"hidden_size": 32, "num_hidden_layers": 4, "dropout": 0.1, "projection_dim": 512}
    one, other = SamConfig(vision_config=parts), SamConfig(SamVisionConfig(**parts))
    assert one == other
    assert SamConfig.from_dict({**one.to_dict(), "return_dict": True}) == one
    assert SamVisionConfig.from_dict(one.to_dict()) == one.vision_config
    assert SamHQConfig(SamVisionConfig(hidden_size=64)).vision_config == SamHQVisionConfig(hidden_size=64)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("sam_vit_b", SamConfig), ("sam_hq_vit_l", SamHQConfig), ("sam_hq_vit_h", SamHQConfig), ("slimsam_77", SamConfig)],
)
def test_published_models_there_and_back(name: str, kind: Any) -> None:
    row = samhq.config.MODELS[name]
    assert kind.from_model_config(row).to_model_config().encoder == row.encoder
    assert kind.from_model_config(row).to_model_config().decoder == row.decoder


def test_the_defaults_are_vit_b() -> None:
    assert SamConfig().to_model_config() == samhq.config.MODELS["sam_vit_b"]
    assert SamHQConfig().to_model_config() == samhq.config.MODELS["sam_hq_vit_b"]


def test_vit_dim_follows_from_the_encoder_and_may_not_contradict_it() -> None:
    large = SamHQVisionConfig(hidden_size=1024, num_attention_heads=16)
    decoder = SamHQMaskDecoderConfig()
    assert SamHQConfig(large, mask_decoder_config=decoder).mask_decoder_config.vit_dim == 1024
    assert SamHQConfig(mask_decoder_config=decoder).mask_decoder_config.vit_dim == 768
    with pytest.raises(ConfigError, match="vit_dim"):
        SamHQConfig(large, mask_decoder_config={"vit_dim": 768}).to_model_config()


def test_the_decoders_eps_is_the_originals_where_transformers_wrote_its_own() -> None:
    assert SamConfig().to_model_config().decoder.norm_eps == 1e-5
    other = SamConfig(mask_decoder_config={"layer_norm_eps": 1e-3})
    assert other.to_model_config().decoder.norm_eps == 1e-3


@pytest.mark.parametrize(
    "wrong",
    [
        {"vision_config": {"hidden_act": "relu"}},
        {"vision_config": {"attention_dropout": 0.1}},
        {"vision_config": {"image_size": 512}},
        {"vision_config": {"use_rel_pos": False}},
        {"vision_config": {"hidden_size": 100}},
        {"vision_config": {"num_pos_feats": 64}},
        {"prompt_encoder_config": {"hidden_act": "relu"}},
        {"prompt_encoder_config": {"layer_norm_eps": 1e-3}},
        {"mask_decoder_config": {"hidden_act": "gelu"}},
        {"mask_decoder_config": {"hidden_size": 128}},
        {"mask_decoder_config": {"num_attention_heads": 3}},
    ],
)
def test_what_samhq_lacks_or_contradicts_itself_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        SamHQModel(SamHQConfig(**wrong))


def test_vision_models(model: SamHQModel, folder: Path, sam: SamModel) -> None:
    own = SamHQVisionModel.from_pretrained(folder)
    out = own(pixels())
    features, early = model.get_image_embeddings(pixels())
    torch.testing.assert_close(out.last_hidden_state, features, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(out.intermediate_embeddings[0], early[0], atol=1e-5, rtol=1e-5)
    assert list(own.state_dict()) == [name for name in model.state_dict() if name.startswith("vision_encoder.")]
    plain = SamVisionModel(SamConfig.from_model_config(tiny.PLAIN).vision_config)
    assert list(plain(pixels())) == ["last_hidden_state"]
    with pytest.raises(ConfigError, match="pixel_values"):
        plain(torch.zeros(1, 3, 32, 32))


# The processor


@pytest.mark.parametrize("kind", ["tuple", "numpy", "torch", "mixed"])
def test_prompts_in_any_container(kind: str, processor: SamHQProcessor) -> None:
    points, labels, boxes = [[[[4, 6], [7, 8]]]], [[[1, 0]]], [[[1, 2, 30, 40]]]
    make: dict[str, Any] = {
        "tuple": lambda value: tuple(map(tuple, value)),
        "numpy": np.array,
        "torch": lambda value: torch.tensor(value, dtype=torch.bfloat16),
        "mixed": lambda value: [tuple(torch.tensor(one) for one in value[0])],
    }
    wanted = processor(picture(120, 90), None, points, labels, boxes, return_tensors="pt")
    own = processor(picture(120, 90), None, *map(make[kind], (points, labels, boxes)), return_tensors="pt")
    assert all(torch.equal(value, own[name]) for name, value in wanted.items())


def test_what_fills_up_is_marked(processor: SamHQProcessor) -> None:
    inputs = processor([picture(64, 64)] * 2, input_points=[[[1, 2]], [[3, 4], [5, 6], [7, 8]]], return_tensors="pt")
    assert inputs.input_labels.tolist() == [[[1, -10, -10]], [[1, 1, 1]]]
    assert inputs.input_points[0, 0].tolist() == [[1, 2], [-10, -10], [-10, -10]]
    other = processor(
        [picture(64, 64)] * 2, input_points=[[[1, 2]], [[3, 4], [5, 6]]], return_tensors="np", point_pad_value=0
    )
    assert other["input_points"][0, 0].tolist() == [[1, 2], [0, 0]]
    assert other["input_labels"].tolist() == [[[1, -10]], [[1, 1]]]
    boxes = processor([picture(64, 64)] * 2, input_boxes=[[[1, 2, 3, 4]], [[5, 6, 7, 8]] * 2], return_tensors="pt")
    assert boxes.input_boxes.isnan().all(-1).tolist() == [[False, True], [False, False]]


def test_each_image_is_scaled_by_its_own_size(processor: SamHQProcessor) -> None:
    boxes = processor(
        [picture(128, 64), picture(32, 64)], input_boxes=[[[0, 0, 64, 128]], [[0, 0, 64, 32]]], return_tensors="pt"
    ).input_boxes
    assert boxes.tolist() == [[[0, 0, 32, 64]], [[0, 0, 64, 32]]]


WRONG_PROMPTS: list[dict[str, Any]] = [
    {"input_points": [[1, 2]]},
    {"input_points": [[[1, 2, 3]]]},
    {"input_points": [[[1, 2]], [[3, 4]]]},
    {"input_points": [[["a", "b"]]]},
    {"input_points": [[[1, float("nan")]]]},
    {"input_points": [[[1, None]]]},
    {"input_points": 3},
    {"input_labels": [[1]]},
    {"input_points": [[[1, 2]]], "input_labels": [[1, 1]]},
    {"input_points": [[[1, 2]]], "input_labels": [1]},
    {"input_points": [[[1, 2]]], "input_labels": [[0.5]]},
    {"input_points": [[[[1, 2]], [[3, 4]]]], "input_labels": [[1, 1]]},
    {"input_boxes": [[1, 2, 3, 4]]},
    {"input_boxes": [[[1, 2, 3]]]},
    {"input_points": [[[1, 2]]], "input_boxes": [[[1, 2, 3, 4], [1, 2, 3, 4]]]},
]


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


@pytest.mark.parametrize("prompts", WRONG_PROMPTS)
def test_wrong_prompts_are_refused(prompts: dict[str, Any], processor: SamHQProcessor) -> None:
    with pytest.raises(PromptError):
        processor(picture(64, 64), **prompts)


NESTED = st.recursive(
    st.none() | st.integers(-10, 70) | st.floats() | st.text(max_size=1),
    lambda inner: st.lists(inner, max_size=3) | st.tuples(inner, inner),
    max_leaves=12,
)


@given(points=NESTED, labels=NESTED, boxes=NESTED)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_nesting_gives_tensors_or_our_own_error(points: Any, labels: Any, boxes: Any) -> None:
    small = SamProcessor(SamImageProcessor(size=16, pad_size=16))
    for prompts in ((points, labels, boxes), (points, None, None), (None, None, boxes)):
        try:
            inputs = small(np.zeros((4, 4, 3), np.uint8), None, None, *prompts, return_tensors="pt")
        except SamHQError:
            continue
        flat.flatten(1, 1, torch.device("cpu"), *(inputs.get(f"input_{n}") for n in ("points", "labels", "boxes")))


def test_images_of_any_kind(processor: SamHQProcessor) -> None:
    image = picture(60, 44)
    array = np.asarray(image)
    wanted = processor(image, return_tensors="pt").pixel_values
    tensor = torch.from_numpy(array.copy()).permute(2, 0, 1)
    for other in (array, tensor, [image], (array,), array[None], tensor[None], array / 255.0):
        assert torch.equal(processor(other, return_tensors="pt").pixel_values, wanted)
    assert processor(np.stack([array] * 3), return_tensors="pt").pixel_values.shape == (3, 3, 64, 64)
    with pytest.raises(ImageError):
        processor([])


def test_kinds_of_tensors(processor: SamHQProcessor) -> None:
    prompts: dict[str, Any] = {"input_points": [[[1, 2]]], "input_labels": [[1]], "input_boxes": [[[1, 2, 3, 4]]]}
    lists = processor(picture(60, 44), **prompts)
    assert lists["original_sizes"] == [(60, 44)]
    arrays = processor(picture(60, 44), **prompts, return_tensors="np")
    tensors = processor(picture(60, 44), **prompts, return_tensors="pt")
    for name, value in tensors.items():
        assert isinstance(arrays[name], np.ndarray)
        assert np.array_equal(arrays[name], value.numpy())
        assert np.array_equal(np.asarray(lists[name]), arrays[name])
    with pytest.raises(ConfigError, match="tf"):
        processor(picture(60, 44), return_tensors="tf")


def test_features_move_together_and_only_pixels_change_dtype(processor: SamHQProcessor, model: SamHQModel) -> None:
    inputs = processor(picture(60, 44), input_points=[[[33, 21]]], return_tensors="pt")
    assert inputs.to("cpu", torch.float16) is inputs
    assert inputs.pixel_values.dtype == torch.float16
    assert inputs["input_points"].dtype == torch.float32
    assert inputs.original_sizes.dtype == torch.int64
    pixel_values = inputs.pop("pixel_values")
    features, early = model.get_image_embeddings(pixel_values)
    inputs.update({"image_embeddings": features, "intermediate_embeddings": early})
    assert model(**inputs).pred_masks.shape == (1, 1, 3, 16, 16)
    assert pickle.loads(pickle.dumps(inputs)).keys() == inputs.keys()
    with pytest.raises(AttributeError, match="pixel_values"):
        _ = inputs.pixel_values
    assert not hasattr(BatchFeature(), "anything")


def test_segmentation_maps_become_labels(processor: SamHQProcessor, model: SamHQModel) -> None:
    image, marks = picture(60, 44), np.zeros((60, 44), np.int64)
    marks[30:] = 300
    for source in (marks, torch.from_numpy(marks), [marks], marks[None]):
        labels = processor(image, segmentation_maps=source, return_tensors="pt").labels
        assert labels.shape == (1, 16, 16)
        assert labels[0, :8].unique().tolist() == [0]
        assert labels[0, 8:, :12].unique().tolist() == [300]
        assert labels[0, :, 12:].unique().tolist() == [0]
    binary = processor(image, segmentation_maps=Image.fromarray(marks > 0), return_tensors="pt").labels
    assert torch.equal(binary, (labels > 0).long())
    for wrong in (np.zeros((44, 60), np.uint8), np.zeros((60, 44, 3)), [marks, marks], np.full((60, 44), 0.5)):
        with pytest.raises(ImageError):
            processor(image, segmentation_maps=wrong)
    inputs = processor(image, segmentation_maps=marks, return_tensors="pt")
    with pytest.raises(PromptError, match="input_masks"):
        model(**inputs)


def test_post_process_masks_in_every_form(processor: SamHQProcessor) -> None:
    logits = torch.randn(2, 1, 3, 16, 16)
    sizes = [(60, 44), (20, 64)], [(64, 47), (20, 64)]
    wanted = processor.post_process_masks(logits, *sizes)
    assert [mask.shape for mask in wanted] == [(1, 3, 60, 44), (1, 3, 20, 64)]
    for masks, own in (
        (list(logits), [torch.tensor(size) for size in sizes]),
        ([one.numpy() for one in logits], [np.array(size) for size in sizes]),
        (logits.double(), sizes),
    ):
        for found, mask in zip(processor.post_process_masks(masks, *own), wanted, strict=True):
            assert (found != mask).float().mean() < 1e-3
    floats = processor.post_process_masks(logits, *sizes, binarize=False)
    assert torch.equal(floats[0] > 0, wanted[0])
    same = processor.post_process_masks(logits, *sizes, pad_size={"height": 64, "width": 64})
    assert torch.equal(same[1], wanted[1])


@pytest.mark.parametrize(
    ("masks", "sizes", "error"),
    [
        (torch.zeros(1, 1, 3, 16, 16) > 0, ([(60, 44)], [(64, 47)]), PromptError),
        (torch.zeros(1, 3, 16, 16), ([(60, 44)], [(64, 47)]), PromptError),
        (torch.zeros(2, 1, 3, 16, 16), ([(60, 44)], [(64, 47)]), PromptError),
        (torch.zeros(1, 1, 3, 16, 16), ([(60, 44)], [(1024, 751)]), PromptError),
        (torch.zeros(1, 1, 3, 16, 16), ([60], [64]), PromptError),
        (torch.zeros(1, 1, 3, 16, 16), ([(0, 44)], [(64, 47)]), PromptError),
    ],
)
def test_post_process_masks_refuses(masks: Any, sizes: Any, error: type[Exception], processor: SamHQProcessor) -> None:
    with pytest.raises(error):
        processor.post_process_masks(masks, *sizes)


def test_processor_settings(tmp_path: Path) -> None:
    own = SamProcessor(SamImageProcessor(size={"longest_edge": 32}, pad_size=48, do_center_crop=None))
    assert own(picture(20, 10), return_tensors="pt").pixel_values.shape == (1, 3, 48, 48)
    own.save_pretrained(tmp_path)
    assert SamProcessor.from_pretrained(tmp_path).image_processor == own.image_processor
    changed = own(picture(20, 10), size={"longest_edge": 48}, return_tensors="pt")
    assert changed.reshaped_input_sizes.tolist() == [[48, 24]]
    for wrong in (
        {"size": 64},
        {"do_resize": False},
        {"image_mean": [0.5] * 3},
        {"pad_size": {"height": 4, "width": 8}},
        {"resample": 3},
    ):
        with pytest.raises(ConfigError):
            own(picture(20, 10), **wrong)
    with pytest.raises(ConfigError, match="sise"):
        own(picture(20, 10), sise=32)
    with pytest.raises(ConfigError, match="text"):
        own(picture(20, 10), "a dog")


def test_a_processor_for_weights_without_settings(tmp_path: Path, hq: Any) -> None:
    save_model(hq, tmp_path / "model.pth")
    assert SamHQProcessor.from_pretrained(tmp_path / "model.pth").target_size == SIDE


def test_the_image_and_the_object_that_are_wrong_are_named() -> None:
    points, labels = torch.ones(2, 3, 1, 2), torch.ones(2, 3, 1)
    points[1, 2, 0, 0], labels[0, 1] = torch.nan, 9
    device = torch.device("cpu")
    with pytest.raises(PromptError, match=r"input_points.*image 1, object 2"):
        flat.flatten(2, 4, device, points)
    with pytest.raises(PromptError, match=r"got \[9.0\].*image 0, object 1"):
        flat.flatten(2, 4, device, torch.ones(2, 3, 1, 2), labels)
    with pytest.raises(PromptError, match=r"input_boxes.*image 1, object 2"):
        flat.flatten(
            2, 4, device, None, None, torch.tensor([[[1.0, 1, 9, 9]] * 3, [[1, 1, 9, 9]] * 2 + [[1, 1, 9, torch.inf]]])
        )
    with pytest.raises(PromptError, match=r"input_masks.*image 1"):
        flat.flatten(
            2, 4, device, None, None, None, torch.stack([torch.ones(1, 16, 16), torch.full((1, 16, 16), torch.nan)])
        )


def test_the_processor_names_the_image_and_the_object(processor: SamHQProcessor) -> None:
    pictures = [picture(20, 30), picture(30, 20)]
    with pytest.raises(PromptError, match=r"^Image 1 \(of 0 to 1\): Object 1 \(of 0 to 1\): Expected"):
        processor(pictures, input_points=[[[[1, 2]]], [[[1, 2]], [[1, 2, 3]]]])
    with pytest.raises(PromptError, match=r"^Image 1 \(of 0 to 1\): Object 1 \(of 0 to 1\): Expected"):
        processor(pictures, input_boxes=[[[1, 2, 8, 9]], [[1, 2, 8, 9], [1, 2, 8, float("nan")]]])
    with pytest.raises(PromptError, match=r"^Image 0 \(of 0 to 1\): Expected"):
        processor(pictures, input_points=[[[[1, 2]]], [[[1, 2]]]], input_labels=[[[0.5]], [[1]]])
    with pytest.raises(ImageError, match=r"^Image 1 \(of 0 to 1\): Expected"):
        processor([picture(20, 30), np.zeros((5, 5, 5))])
