from __future__ import annotations

import os

import pytest
import torch

from samhq.checkpoint import files
from samhq.checkpoint.hf_config import config_to_transformers
from samhq.checkpoint.load import load_model, load_state
from samhq.checkpoint.naming import MATRICES, POSITIONAL, POSITIONAL_COPY
from samhq.checkpoint.save import convert, save_model, save_state
from samhq.errors import CheckpointError, ConfigError

HALF = torch.float16


def same(a, b):
    a, b = a.state_dict(), b.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


@pytest.mark.parametrize("name", ["m.pth", "m.pt", "m.safetensors"])
def test_what_is_saved_is_loaded(model, tmp_path, name):
    save_model(model, tmp_path / "new" / name)
    assert same(load_model(tmp_path / "new" / name), model)


def test_pth_is_a_plain_dict_in_the_original_order(model, tmp_path):
    save_model(model, tmp_path / "m.pth")
    state = torch.load(tmp_path / "m.pth", weights_only=True)
    assert type(state) is dict
    assert list(state) == list(model.state_dict())


def test_safetensors_keep_what_tensors_do_not_show(light, tmp_path):
    config = light.config.replace(name="mine", family="Mine")
    save_state(light.state_dict(), config, tmp_path / "m.safetensors")
    assert load_model(tmp_path / "m.safetensors").config == config


@pytest.mark.parametrize("name", ["m.pth", "m.safetensors"])
def test_half_precision_keeps_counters_and_positions(model, tmp_path, name):
    save_model(model, tmp_path / name, dtype=HALF)
    for key, value in files.read(tmp_path / name).value.items():
        own = model.state_dict()[key]
        keeps = key in MATRICES or not own.is_floating_point()
        assert value.dtype == (own.dtype if keeps else HALF)
        assert torch.equal(value, own.to(value.dtype))


@pytest.mark.parametrize("first", ["a.pth", "a.safetensors", "a"])
@pytest.mark.parametrize("second", ["b.pth", "b.safetensors", "b"])
def test_conversions_change_nothing(vit_model, tmp_path, first, second):
    save_model(vit_model, tmp_path / first)
    assert convert(tmp_path / first, tmp_path / second) == vit_model.config
    assert same(load_model(tmp_path / second), vit_model)


def test_a_file_can_be_converted_onto_itself(vit_model, tmp_path):
    save_model(vit_model, tmp_path / "m.safetensors")
    convert(tmp_path / "m.safetensors", tmp_path / "m.safetensors", dtype=HALF)
    assert load_state(tmp_path / "m.safetensors")[1].dtype == HALF


def test_conversion_of_an_incomplete_file_writes_nothing(vit_model, tmp_path):
    state = vit_model.state_dict()
    state.pop(next(key for key in state if key.endswith("mask_decoder.output_upscaling.0.bias")))
    torch.save(state, tmp_path / "m.pth")
    with pytest.raises(CheckpointError, match="1 missing"):
        convert(tmp_path / "m.pth", tmp_path / "b.safetensors")
    assert os.listdir(tmp_path) == ["m.pth"]


def test_what_cannot_be_written_leaves_nothing(light, tmp_path):
    with pytest.raises(CheckpointError, match="transformers has no format"):
        save_model(light, tmp_path / "folder")
    with pytest.raises(ConfigError, match=r"\.safetensors"):
        save_model(light, tmp_path / "m.onnx")
    assert os.listdir(tmp_path) == []


@pytest.fixture
def transformers():
    return pytest.importorskip("transformers")


def theirs(transformers, config):
    model, settings = ("SamHQModel", "SamHQConfig") if config.hq else ("SamModel", "SamConfig")
    if config.second:
        model, settings = "Sam2VideoModel", "Sam2VideoConfig"
    return getattr(transformers, model), getattr(transformers, settings)


def test_transformers_loads_our_folder(transformers, vit_model, tmp_path):
    save_model(vit_model, tmp_path / "folder")
    kind, _ = theirs(transformers, vit_model.config)
    loaded, info = kind.from_pretrained(tmp_path / "folder", output_loading_info=True)
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    assert not info["mismatched_keys"]
    matrix = vit_model.prompt_encoder.pe_layer.positional_encoding_gaussian_matrix
    assert torch.equal(loaded.state_dict()[POSITIONAL_COPY], matrix)
    pixels = torch.randn(1, 3, vit_model.config.side, vit_model.config.side)
    with torch.no_grad():
        theirs_of = loaded.eval().vision_encoder(pixels)
        if vit_model.config.second:
            features = vit_model.encode_raw(pixels).features
            (expected,) = (one for one in theirs_of.fpn_hidden_states if one.shape == features.shape)
        else:
            features, expected = vit_model.encode(pixels).features, theirs_of[0]
        torch.testing.assert_close(features, expected, rtol=1e-4, atol=1e-5)


def test_transformers_processor_reads_our_folder(transformers, vit_model, tmp_path):
    save_model(vit_model, tmp_path / "folder")
    if vit_model.config.second:  # transformers' processor of SAM 2 needs torchvision
        settings = files.read_object(tmp_path / "folder" / "preprocessor_config.json")
        assert settings["size"] == {"height": vit_model.config.side, "width": vit_model.config.side}
        return
    pil = pytest.importorskip("transformers.models.sam.image_processing_pil_sam")
    processor = pil.SamImageProcessorPil.from_pretrained(tmp_path / "folder")
    assert processor.size["longest_edge"] == processor.pad_size["height"] == vit_model.config.side


def test_we_load_the_folder_that_transformers_writes(transformers, vit_config, tmp_path):
    kind, settings = theirs(transformers, vit_config)
    torch.manual_seed(0)
    written = kind(settings.from_dict(config_to_transformers(vit_config))).eval()
    if vit_config.second:  # untrained, the two places of one matrix differ
        written.prompt_encoder.shared_embedding.load_state_dict(written.shared_image_embedding.state_dict())
    written.save_pretrained(tmp_path / "folder")
    loaded = load_model(tmp_path / "folder")
    assert loaded.config == vit_config
    assert load_state(tmp_path / "folder")[1].layout == "transformers"
    matrix = loaded.prompt_encoder.pe_layer.positional_encoding_gaussian_matrix
    assert torch.equal(matrix, written.state_dict()[POSITIONAL])
    save_model(loaded, tmp_path / "back")
    back = files.read(tmp_path / "back").value
    assert all(torch.equal(back[key], value) for key, value in files.read(tmp_path / "folder").value.items())
