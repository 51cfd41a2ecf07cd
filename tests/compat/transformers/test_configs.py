"""transformers' configs there and back, and what they may not say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import samhq
from samhq.compat.transformers import (
    SamConfig,
    SamHQConfig,
    SamHQMaskDecoderConfig,
    SamHQModel,
    SamHQPromptEncoderConfig,
    SamHQVisionConfig,
    SamMaskDecoderConfig,
    SamPromptEncoderConfig,
    SamVisionConfig,
)
from samhq.errors import ConfigError


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


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (SamConfig, {"initializer_range": 0.5, "vision_config": {"window_size": 7}}),
        (SamHQConfig, {"mask_decoder_config": {"mlp_dim": 64}}),
        (SamVisionConfig, {"hidden_size": 32, "num_attention_heads": 2, "global_attn_indexes": [1, 3]}),
        (SamHQVisionConfig, {"num_hidden_layers": 4, "mlp_dim": 77}),
        (SamPromptEncoderConfig, {"image_size": 64, "mask_input_channels": 4}),
        (SamHQPromptEncoderConfig, {"hidden_size": 32}),
        (SamMaskDecoderConfig, {"num_hidden_layers": 1, "iou_head_depth": 2}),
        (SamHQMaskDecoderConfig, {"vit_dim": 48}),
    ],
)
def test_every_form_of_a_configuration_holds_all_of_it(kind: Any, values: dict[str, Any], tmp_path: Path) -> None:
    config = kind(**values)
    for name, value in values.items():
        if not isinstance(value, dict):
            assert list(config.to_dict()[name]) == value if isinstance(value, list) else config.to_dict()[name] == value
    assert config != kind()
    assert json.loads(config.to_json_string()) == json.loads(json.dumps(config.to_dict()))
    config.to_json_file(tmp_path / "any.json")
    config.save_pretrained(tmp_path / "folder")
    assert kind.from_json_file(tmp_path / "any.json") == config
    assert kind.from_pretrained(tmp_path / "any.json") == config
    assert kind.from_pretrained(tmp_path / "folder") == config


def test_numbers_can_be_set_later() -> None:
    config = SamHQConfig()
    config.vision_config.window_size = 7
    config.vision_config.num_hidden_layers = 24
    config.vision_config.global_attn_indexes = (5, 11, 17, 23)
    row = config.to_model_config().encoder
    assert (row.window, row.depth) == (7, 24)


def test_a_part_is_read_from_the_file_of_a_whole_model(tmp_path: Path) -> None:
    whole = SamHQConfig(SamHQVisionConfig(window_size=7), {"mask_input_channels": 4}, {"mlp_dim": 64})
    whole.save_pretrained(tmp_path)
    for kind in (SamHQVisionConfig, SamHQPromptEncoderConfig, SamHQMaskDecoderConfig):
        assert kind.from_pretrained(tmp_path) == getattr(whole, kind.section)
