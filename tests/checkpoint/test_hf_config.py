from __future__ import annotations

import pytest

from samhq.checkpoint.hf_config import config_from_transformers, config_to_transformers, processor_to_transformers
from samhq.config import MODELS
from samhq.encoder_config import ViTConfig
from samhq.errors import CheckpointError

VITS = [name for name, row in MODELS.items() if isinstance(row.encoder, ViTConfig)]

# Written out as the hub has them: everything at its default is left out.
FACEBOOK_LARGE = {
    "architectures": ["SamModel"],
    "initializer_range": 0.02,
    "mask_decoder_config": {"model_type": ""},
    "model_type": "sam",
    "prompt_encoder_config": {"model_type": ""},
    "torch_dtype": "float32",
    "transformers_version": None,
    "vision_config": {
        "dropout": 0.0, "global_attn_indexes": [5, 11, 17, 23], "hidden_size": 1024, "initializer_factor": 1.0,
        "intermediate_size": 6144, "mlp_dim": None, "model_type": "", "num_attention_heads": 16,
        "num_hidden_layers": 24, "projection_dim": 512,
    },
}  # fmt: skip


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ({}, "sam_vit_b"),
        ({"model_type": "sam"}, "sam_vit_b"),
        ({"model_type": "sam-hq", "vision_config": {"intializer_range": 1e-10}}, "sam_hq_vit_b"),
        ({"model_type": "sam_hq", "vision_config": None, "mask_decoder_config": {}}, "sam_hq_vit_b"),
        (FACEBOOK_LARGE, "sam_vit_l"),
        ({"vision_config": {"hidden_size": 168, "mlp_dim": 696, "model_type": ""}}, "slimsam_77"),
        ({"vision_config": {"hidden_size": 384, "mlp_ratio": 4.0, "image_size": [1024, 1024]}}, "slimsam_50"),
    ],
)
def test_partial_and_legacy_configs(raw, name):
    assert config_from_transformers(raw) == MODELS[name]


@pytest.mark.parametrize("name", VITS)
def test_both_directions(name, vit_config):
    for config in (MODELS[name], vit_config):
        assert config_from_transformers(config_to_transformers(config)) == config


@pytest.mark.parametrize("name", VITS)
def test_transformers_reads_what_it_would_have_written(name):
    transformers = pytest.importorskip("transformers")
    row = MODELS[name]
    kind = transformers.SamHQConfig if row.hq else transformers.SamConfig
    ours = config_to_transformers(row)
    theirs = kind.from_dict(ours).to_dict()
    for part in ("vision_config", "prompt_encoder_config", "mask_decoder_config"):
        assert {key: _listed(theirs[part][key]) for key in ours[part]} == ours[part]
    default = kind().to_dict()
    assert all(ours[part].keys() <= default[part].keys() for part in ours if part.endswith("_config"))


def test_the_decoders_epsilon_is_the_true_one():
    assert config_from_transformers({"mask_decoder_config": {"layer_norm_eps": 1e-6}}).decoder.norm_eps == 1e-5
    assert config_to_transformers(MODELS["sam_vit_b"])["mask_decoder_config"]["layer_norm_eps"] == 1e-5


@pytest.mark.parametrize("name", ["sam_hq_vit_tiny", "mobile_sam"])
def test_tiny_vit_has_no_config(name):
    with pytest.raises(CheckpointError, match="transformers has no format"):
        config_to_transformers(MODELS[name])


@pytest.mark.parametrize(
    "raw",
    [
        {"model_type": "sam3"},
        {"model_type": "sam2", "vision_config": {"fpn_top_down_levels": [3]}},
        {"model_type": "sam2", "vision_config": {"backbone_config": {"hidden_size": "large"}}},
        {"model_type": 3},
        {"vision_config": {"hidden_size": "large"}},
        {"vision_config": {"num_attention_heads": 0}},
        {"vision_config": {"use_rel_pos": False}},
        {"vision_config": {"num_hidden_layers": 2}},
        {"vision_config": {"global_attn_indexes": []}},
        {"vision_config": {"image_size": [1024, 512]}},
        {"mask_decoder_config": {"hidden_act": "gelu"}},
        {"mask_decoder_config": {"attention_downsample_rate": 0}},
    ],
)
def test_what_cannot_be_had_is_an_error(raw):
    with pytest.raises(CheckpointError, match="Expected"):
        config_from_transformers(raw)


@pytest.mark.parametrize("name", ["sam_vit_b", "sam_hq_vit_b"])
def test_the_processor_file_holds_transformers_settings(name):
    pil = pytest.importorskip("transformers.models.sam.image_processing_pil_sam")
    theirs = pil.SamImageProcessorPil().to_dict()
    ours = processor_to_transformers(MODELS[name])
    assert {key: _rounded(theirs[key]) for key in ours if key != "processor_class"} == {
        key: _rounded(value) for key, value in ours.items() if key != "processor_class"
    }


def _listed(value):
    return list(value) if isinstance(value, tuple) else value


def _rounded(value):
    return [round(x, 6) for x in value] if isinstance(value, list | tuple) else value
