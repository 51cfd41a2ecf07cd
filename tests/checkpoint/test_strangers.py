from __future__ import annotations

import pytest

from samhq.checkpoint.detect import detect_model
from samhq.errors import CheckpointError


def decoder_alone(state):
    return {k.removeprefix("mask_decoder."): v for k, v in state.items() if k.startswith("mask_decoder.")}


def test_parts_of_sam_2_are_named(keys):
    whole = keys("original_sam2_1_hiera_t")
    with pytest.raises(CheckpointError, match="decoder without its image encoder"):
        detect_model({k: v for k, v in whole.items() if not k.startswith("image_encoder.")})
    with pytest.raises(CheckpointError, match="encoder without SAM's mask decoder"):
        detect_model({k: v for k, v in whole.items() if not k.startswith("sam_mask_decoder.")})


def test_decoders_alone_are_named(keys):
    with pytest.raises(CheckpointError, match="SAM mask decoder alone"):
        detect_model(decoder_alone(keys("original_sam_vit_b")))
    with pytest.raises(CheckpointError, match="HQ mask decoder alone"):
        detect_model(decoder_alone(keys("original_hq_vit_b")))
    with pytest.raises(CheckpointError, match="decoder without its image encoder"):
        detect_model({k: v for k, v in keys("original_sam_vit_b").items() if not k.startswith("image_encoder.")})


@pytest.mark.parametrize(("name", "start"), [("original_sam_vit_b", "image_encoder."), ("hf_sam_b", "vision_encoder.")])
def test_encoders_alone_are_named(keys, name, start):
    alone = {k: v for k, v in keys(name).items() if k.startswith(start)}
    with pytest.raises(CheckpointError, match="encoder without SAM's mask decoder"):
        detect_model(alone)
    with pytest.raises(CheckpointError, match="encoder without SAM's mask decoder"):
        detect_model({k.removeprefix(start): v for k, v in alone.items()})


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({"bert.embeddings.word_embeddings.weight": (3, 3), "backbone.0.x": (1,)}, "GroundingDINO"),
        ({"image_encoder.features.0.weight": (3,), "mask_decoder.iou_token.weight": (1, 256)}, "does not know"),
        ({"conv1.weight": (3,), "fc.bias": (2,)}, "2 tensors of another model: conv1.weight, fc.bias"),
    ],
)
def test_other_models_are_named(state, words):
    with pytest.raises(CheckpointError, match=words):
        detect_model(state)
