from __future__ import annotations

import dataclasses

import pytest
import torch

from samhq.checkpoint import declared
from samhq.checkpoint.detect import detect_model
from samhq.config import MODELS, SLIM_77, VIT_B, ModelConfig
from samhq.encoder_config import ViTConfig
from samhq.errors import CheckpointError
from samhq.model.build import build

LISTS = {
    "original_sam_vit_b": "sam_vit_b",
    "original_sam_vit_l": "sam_vit_l",
    "original_sam_vit_h": "sam_vit_h",
    "original_hq_vit_b": "sam_hq_vit_b",
    "original_hq_vit_l": "sam_hq_vit_l",
    "original_hq_vit_h": "sam_hq_vit_h",
    "original_hq_tiny": "sam_hq_vit_tiny",
    "mobile_sam": "mobile_sam",
    "hf_sam_b": "sam_vit_b",
    "hf_sam_l": "sam_vit_l",
    "hf_sam_h": "sam_vit_h",
    "hf_samhq_b": "sam_hq_vit_b",
    "hf_samhq_l": "sam_hq_vit_l",
    "hf_samhq_h": "sam_hq_vit_h",
    "hf_slimsam_50": "slimsam_50",
    "hf_slimsam_77": "slimsam_77",
    "original_hq_sam2_hiera_l": "sam2.1_hq_hiera_large",
    **{
        f"{file}_{short}": f"{family}_hiera_{size}"
        for file, family in (
            ("original_sam2_1_hiera", "sam2.1"),
            ("original_sam2_0_hiera", "sam2"),
            ("hf_sam2_1_video", "sam2.1"),
        )
        for size, short in (("tiny", "t"), ("small", "s"), ("base_plus", "b+"), ("large", "l"))
    },
}


def shapes(config: ModelConfig) -> dict[str, torch.Tensor]:
    return build(config, device="meta").state_dict()


def name_or_sentence(state) -> str:
    try:
        return detect_model(state).config.name
    except CheckpointError:
        return "refused"


@pytest.mark.parametrize(("keys_name", "name"), LISTS.items())
def test_every_published_list_is_recognised(keys, keys_name, name):
    found = detect_model(keys(keys_name))
    assert found.config == MODELS[name]
    assert found.layout == ("transformers" if keys_name.startswith("hf_") else "original")


@pytest.mark.parametrize("keys_name", [name for name in LISTS if not name.startswith("hf_")])
def test_the_recognised_model_has_exactly_these_tensors(keys, keys_name):
    name = LISTS[keys_name]
    assert {key: tuple(value.shape) for key, value in shapes(MODELS[name]).items()} == keys(keys_name)


def test_small_models_are_read_from_their_shapes(config):
    assert detect_model(shapes(config)).config == config


@pytest.mark.parametrize(
    "encoder",
    [
        ViTConfig(dim=24, depth=2, heads=3, global_blocks=(0,), window=5),
        ViTConfig(dim=24, depth=4, heads=2, global_blocks=(1, 3), window=2, mlp_dim=30, head_dim=7, qkv_bias=False),
        ViTConfig(dim=12, depth=3, heads=1, global_blocks=(2,), window=7, patch=8),
        dataclasses.replace(SLIM_77, depth=5, global_blocks=(4,)),
    ],
)
def test_odd_encoders_are_read_from_their_shapes(encoder):
    config = ModelConfig("custom", encoder, side=6 * encoder.patch)
    assert detect_model(shapes(config)).config == config


def test_a_window_as_large_as_the_grid_is_settled_by_the_published_model():
    config = ModelConfig("custom", VIT_B, side=14 * 16)
    assert detect_model(shapes(config)).config.encoder == VIT_B


def test_what_the_tensors_leave_open_comes_from_beside_them():
    config = MODELS["sam_hq_vit_tiny"].replace(name="mine", side=512, family="Mine")
    state = shapes(config)
    assert detect_model(state).config == MODELS["sam_hq_vit_tiny"]
    assert detect_model(state, declared.flat_fields(config)).config == config


def test_a_contradiction_is_an_error(keys):
    with pytest.raises(CheckpointError, match=r"encoder.depth = 24 in the config and 12 in the tensors"):
        detect_model(keys("original_sam_vit_b"), {"encoder.depth": 24})
    with pytest.raises(CheckpointError, match="hq = True"):
        detect_model(keys("original_sam_vit_b"), {"hq": True})


@pytest.mark.parametrize("fields", [{"decoder.heads": "8"}, {"decoder.heads": 0}, {"decoder.heads": 7}, {"side": -16}])
def test_nonsense_beside_the_tensors_is_an_error(keys, fields):
    with pytest.raises(CheckpointError):
        detect_model(keys("mobile_sam"), fields)


def test_dtype_is_the_weights_own(config):
    state = {key: value.half() if value.is_floating_point() else value for key, value in shapes(config).items()}
    assert detect_model(state).dtype == torch.float16


@pytest.mark.parametrize("name", ["original_sam_vit_b", "original_hq_tiny", "hf_samhq_b"])
@pytest.mark.parametrize("lost", ["blocks.0", "layers.1.", "iou_token", "pos_embed", "mask_embed", "attention_biases"])
def test_lost_tensors_give_a_sentence_or_a_config(keys, name, lost):
    state = {key: shape for key, shape in keys(name).items() if lost not in key}
    assert name_or_sentence(state) in (LISTS[name], "custom", "refused")


@pytest.mark.parametrize("change", ["pos_embed", "rel_pos_h", "qkv.weight", "lin1.weight", "iou_token.weight"])
@pytest.mark.parametrize("shape", [(), (0, 0), (1, 2), (5, 5, 5, 5), (1, 3, 2, 7), (26, 64)])
def test_bent_shapes_give_a_sentence_or_a_config(keys, change, shape):
    state = keys("original_sam_vit_b")
    state |= {key: shape for key in state if key.endswith(change)}
    assert name_or_sentence(state) in ("custom", "refused")
