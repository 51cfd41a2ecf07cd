"""What transformers' own suites of sam and sam_hq ask of a model beside its masks."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from tests.compat.transformers.pictures import pixels

from samhq.compat.transformers import SamHQConfig, SamHQModel, SamModel
from samhq.errors import CheckpointError, ConfigError


def test_boxes_with_an_axis_of_one_group_and_labels_as_bool(model: SamHQModel) -> None:
    boxes = torch.tensor([[[1.0, 2, 30, 40], [5, 5, 20, 20]]])
    ours, grouped = (model(pixels(), input_boxes=one).pred_masks for one in (boxes, boxes[:, None]))
    assert torch.equal(ours, grouped)
    points = torch.tensor([[[[9.0, 9], [30, 30]]]])
    expected = model(pixels(), input_points=points, input_labels=torch.tensor([[[1, 0]]]))
    found = model(pixels(), input_points=points, input_labels=torch.tensor([[[True, False]]]))
    assert torch.equal(found.pred_masks, expected.pred_masks)


@pytest.mark.parametrize(
    "options", [{"safe_serialization": False}, {"max_shard_size": "20KB"}, {"max_shard_size": 9999}, {}]
)
def test_saved_in_every_form_and_loaded(options: dict[str, Any], model: SamHQModel, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path, max_shard_size="30KB")  # what an earlier call wrote must not be taken for it
    model.save_pretrained(tmp_path, **options)
    loaded = SamHQModel.from_pretrained(tmp_path)
    for name, tensor in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor), name
    count = len([path for path in tmp_path.iterdir() if path.suffix in (".bin", ".safetensors")])
    assert (count > 1) == ("max_shard_size" in options)


def test_a_state_dict_is_saved_in_place_of_the_models(model: SamHQModel, tmp_path: Path) -> None:
    zeros = {name: torch.zeros_like(tensor) for name, tensor in model.state_dict().items()}
    model.save_pretrained(tmp_path / "zeros", state_dict=zeros)
    assert all(not bool(p.any()) for p in SamHQModel.from_pretrained(tmp_path / "zeros").parameters())
    with pytest.raises(CheckpointError, match="state dict of this SamHQModel"):
        model.save_pretrained(tmp_path / "other", state_dict={"a": torch.zeros(1)})
    model.save_pretrained(tmp_path / "worker", is_main_process=False)
    assert not (tmp_path / "worker").exists()
    with pytest.raises(ConfigError, match="max_shard_size"):
        model.save_pretrained(tmp_path, max_shards="5GB")
    with pytest.raises(ConfigError, match="hf upload"):
        model.save_pretrained(tmp_path, push_to_hub=True)


def test_parameters_are_counted(model: SamHQModel) -> None:
    whole = sum(p.numel() for p in model.parameters())
    assert model.num_parameters() == whole
    assert 0 < model.num_parameters(exclude_embeddings=True) < whole
    frozen = copy.deepcopy(model).requires_grad_(True)
    frozen.vision_encoder.requires_grad_(False)
    assert 0 < frozen.num_parameters(only_trainable=True) < whole


def test_checkpointing_gives_the_same_gradients(model: SamHQModel) -> None:
    gradients = []
    for again in (False, True):
        network = copy.deepcopy(model).requires_grad_(True).train()
        if again:
            network.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        assert network.is_gradient_checkpointing == again
        network(pixels(), input_boxes=torch.tensor([[[1.0, 2, 30, 40]]])).pred_masks.mean().backward()
        gradients.append(network.get_input_embeddings().proj.weight.grad)
        network.gradient_checkpointing_disable()
        assert not network.is_gradient_checkpointing
    torch.testing.assert_close(*gradients)


def test_what_calls_answer_with_may_be_in_the_configuration(model: SamHQModel) -> None:
    kinds = {"output_hidden_states": True, "return_dict": False}
    config = SamHQConfig.from_dict({**model.config.to_dict(), **kinds})
    network = SamHQModel._from_config(config, dtype=torch.float64)
    assert network.dtype == torch.float64
    out = network(pixels(), input_boxes=torch.tensor([[[1.0, 2, 30, 40]]]))
    assert isinstance(out, tuple)
    assert len(out[2]) == model.config.vision_config.num_hidden_layers + 1
    named = network(pixels(), return_dict=True, output_hidden_states=False)
    assert named.vision_hidden_states is None
    assert model.shared_image_embedding(torch.zeros(3, 2)).shape == (3, 32)


def test_a_configuration_of_transformers_is_taken(model: SamHQModel) -> None:
    """Such as `transformers.SamHQConfig`: an object with `model_type` and `to_dict`."""

    class Theirs:
        def __init__(self, kind: str) -> None:
            self.model_type = kind

        def to_dict(self) -> dict[str, Any]:
            return {**model.config.to_dict(), "model_type": self.model_type, "transformers_version": "5.23"}

    network = SamHQModel(Theirs("sam_hq"))
    assert network.load_state_dict(model.state_dict()).missing_keys == []
    with pytest.raises(ConfigError, match="Expected a SamHQConfig, got a Theirs"):
        SamHQModel(Theirs("sam2"))


def test_layers_of_patches_and_of_words(model: SamHQModel, sam: SamModel) -> None:
    for network in (model, sam):
        assert network.get_input_embeddings()(pixels()).shape == (1, 4, 4, 32)
        assert network.get_output_embeddings() is None


def test_the_same_pictures_give_the_same_masks(model: SamHQModel, sam: SamModel) -> None:
    for network in (model, sam):
        once, twice = (network(pixels(2), output_hidden_states=True) for _ in range(2))
        torch.testing.assert_close(once.to_tuple(), twice.to_tuple(), atol=0, rtol=0)


def test_a_tuple_holds_what_the_named_output_holds(model: SamHQModel, sam: SamModel) -> None:
    for network in (model, sam):
        named = network(pixels(2), output_hidden_states=True)
        values = network(pixels(2), output_hidden_states=True, return_dict=False)
        assert isinstance(values, tuple)
        torch.testing.assert_close(values, named.to_tuple(), atol=0, rtol=0)


def test_what_is_saved_gives_the_same_masks(model: SamHQModel, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path)
    loaded = SamHQModel.from_pretrained(tmp_path).requires_grad_(False)
    torch.testing.assert_close(loaded(pixels(2)).to_tuple(), model(pixels(2)).to_tuple(), atol=0, rtol=0)
    assert {p.device.type for p in loaded.parameters()} == {"cpu"}


def test_new_models_are_random_whole_and_follow_the_seed(model: SamHQModel) -> None:
    def fresh(seed: int) -> dict[str, torch.Tensor]:
        torch.manual_seed(seed)
        return SamHQModel(model.config).state_dict()

    first, again, other = fresh(0), fresh(0), fresh(1)
    assert all(torch.equal(value, again[name]) for name, value in first.items())
    assert any(not torch.equal(value, other[name]) for name, value in first.items())
    assert all(bool(value.isfinite().all()) for value in first.values())
    for name, value in first.items():
        if "layer_norm" in name:
            assert bool((value == float(name.endswith("weight"))).all()), name


def test_every_tensor_of_a_model_moves_with_it(model: SamHQModel) -> None:
    """A tensor that is neither a parameter nor a buffer would stay behind on `.to`."""
    network = copy.deepcopy(model)
    network(pixels())
    for name, module in network.named_modules():
        assert not [key for key, value in vars(module).items() if isinstance(value, torch.Tensor)], name
    moved = network.to("meta")
    assert {tensor.device.type for tensor in (*moved.parameters(), *moved.buffers())} == {"meta"}


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_loading_under_a_default_device_still_loads(device: str, model: SamHQModel, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path)
    with torch.device(device):
        loaded = SamHQModel.from_pretrained(tmp_path)
    for name, value in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value), name


@pytest.mark.parametrize("option", ["ignore_mismatched_sizes", "state_dict", "config", "output_loading_info"])
def test_options_that_load_something_else_are_refused(option: str, model: SamHQModel, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match=rf"unexpected '{option}'|got {option}=True, which is not possible here\. \w"):
        SamHQModel.from_pretrained(tmp_path, **{option: True})


def test_weights_count_where_the_configuration_has_another_width(model: SamHQModel, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path)
    wider = SamHQConfig.from_dict(model.config.to_dict())
    wider.mask_decoder_config.mlp_dim += 8
    wider.save_pretrained(tmp_path)
    loaded = SamHQModel.from_pretrained(tmp_path)
    assert loaded.config.mask_decoder_config.mlp_dim == model.config.mask_decoder_config.mlp_dim
    assert all(torch.equal(value, loaded.state_dict()[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("way", ["read", "set"])
def test_attention_weights_are_refused_also_where_the_configuration_asks(way: str, model: SamHQModel) -> None:
    config = SamHQConfig.from_dict({**model.config.to_dict(), "output_attentions": way == "read"})
    network = SamHQModel(config)
    if way == "set":
        network.config.output_attentions = True
    with pytest.raises(ConfigError, match="output_attentions"):
        network(pixels())
    assert network(pixels(), output_attentions=False).iou_scores.shape == (1, 1, 3)


def test_inputs_of_a_frozen_encoder_need_gradients_on_request(model: SamHQModel) -> None:
    network = copy.deepcopy(model).requires_grad_(False)
    network.enable_input_require_grads()
    network.enable_input_require_grads()  # a second time changes nothing
    network.gradient_checkpointing_enable()
    states = network.train()(pixels(), output_hidden_states=True).vision_hidden_states
    assert all(state.requires_grad for state in states)
    again = pickle.loads(pickle.dumps(network))
    again.disable_input_require_grads()
    assert not again(pixels()).pred_masks.requires_grad
    network.disable_input_require_grads()
    network.disable_input_require_grads()
    assert not network(pixels()).pred_masks.requires_grad


def test_a_state_dict_may_go_into_a_file_of_safetensors(model: SamHQModel, tmp_path: Path) -> None:
    save_file(model.state_dict(), tmp_path / "model.safetensors")
    assert SamHQModel.from_pretrained(tmp_path).num_parameters() == model.num_parameters()


@pytest.mark.slow
def test_transformers_trainer_trains_and_saves(model: SamHQModel, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("accelerate")
    options = {"max_steps": 1, "use_cpu": True, "report_to": [], "remove_unused_columns": False, "disable_tqdm": True}

    class Trainer(transformers.Trainer):
        def compute_loss(self, model, inputs, return_outputs=False, **_):
            outputs = model(**inputs, multimask_output=False)
            loss = outputs.pred_masks.square().mean()
            return (loss, outputs) if return_outputs else loss

    tuned = copy.deepcopy(model).requires_grad_(True)
    side = model.config.vision_config.image_size
    row = {"pixel_values": torch.zeros(3, side, side), "input_boxes": torch.tensor([[1.0, 2.0, 30.0, 40.0]])}
    trainer = Trainer(tuned, transformers.TrainingArguments(tmp_path, **options), train_dataset=[row] * 2)
    trainer.train()
    trainer.save_model(tmp_path / "tuned")
    saved = SamHQModel.from_pretrained(tmp_path / "tuned/model.safetensors").state_dict()
    assert all(torch.equal(saved[name], value) for name, value in tuned.state_dict().items())
    assert not all(torch.equal(saved[name], value) for name, value in model.state_dict().items())
