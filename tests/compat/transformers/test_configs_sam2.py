from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
from tests import tiny

from samhq.compat.transformers.configs_sam2 import Sam2Config, Sam2HieraDetConfig, Sam2VisionConfig
from samhq.compat.transformers.sam2 import Sam2Model
from samhq.config import MODELS
from samhq.errors import ConfigError

PUBLISHED = [name for name, row in MODELS.items() if row.second and not row.hq]
TINY = Sam2Config.from_model_config(tiny.SECOND_OF_TRANSFORMERS)


def changed(config: Sam2Config, part: str, **values: Any) -> Sam2Config:
    return dataclasses.replace(config, **{part: dataclasses.replace(getattr(config, part), **values)})


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_published_model_comes_back(name: str) -> None:
    row = MODELS[name]
    found = Sam2Config.from_model_config(row).to_model_config()
    # SAM 2 and 2.1 of one size differ in the memory only, which pictures do not use.
    assert found.memory is None
    assert (found.encoder, found.decoder, found.side, found.family) == (row.encoder, row.decoder, row.side, "SAM 2")


def test_defaults_and_fields_are_those_of_transformers() -> None:
    theirs = pytest.importorskip("transformers").Sam2Config().to_dict()

    def compare(ours: dict[str, Any], other: dict[str, Any]) -> None:
        for name, value in ours.items():
            if isinstance(value, dict):
                compare(value, other[name])
            elif name != "architectures":
                assert other[name] == value, name

    compare(Sam2Config().to_dict(), theirs)


def test_a_file_is_read_back(tmp_path: Path) -> None:
    TINY.save_pretrained(tmp_path)
    assert Sam2Config.from_pretrained(tmp_path) == TINY
    assert Sam2VisionConfig.from_pretrained(tmp_path) == TINY.vision_config


@torch.inference_mode()
def test_a_model_from_a_configuration_runs_and_has_that_configuration() -> None:
    model = Sam2Model(TINY)
    assert model.config is TINY
    found = model(tiny.pixels(tiny.SECOND_OF_TRANSFORMERS), input_points=torch.tensor([[[[30.0, 40.0]]]]))
    assert found.pred_masks.shape == (1, 1, 3, 32, 32)
    assert Sam2Model(tiny.shared(tiny.SECOND_OF_TRANSFORMERS)).config.to_dict() == TINY.to_dict()


def test_transformers_own_configuration_is_taken() -> None:
    package = pytest.importorskip("transformers")
    model = Sam2Model(package.Sam2Config.from_dict(TINY.to_dict()))
    assert model.config.to_model_config() == TINY.to_model_config()


def test_the_rule_for_single_masks_is_kept() -> None:
    assert (
        Sam2Model(changed(TINY, "mask_decoder_config", dynamic_multimask_via_stability=False)).sam.stable_from is None
    )
    other = changed(
        TINY, "mask_decoder_config", dynamic_multimask_stability_thresh=0.9, dynamic_multimask_stability_delta=0.1
    )
    assert (Sam2Model(other).sam.stable_from, Sam2Model(other).sam.stable_delta) == (0.9, 0.1)


@pytest.mark.parametrize(
    ("part", "values", "message"),
    [
        ("mask_decoder_config", {"hidden_size": 64}, "hidden_size to be 64"),
        ("prompt_encoder_config", {"image_size": 64}, "image_size to be 64"),
        ("vision_config", {"backbone_config": Sam2HieraDetConfig(embed_dim_per_stage=(96, 96, 96, 96))}, "192, 384"),
        ("vision_config", {"fpn_top_down_levels": (1, 2)}, "fpn_top_down_levels"),
        ("mask_decoder_config", {"num_multimask_outputs": 5}, "num_multimask_outputs"),
    ],
)
def test_contradictions_and_what_samhq_lacks(part: str, values: dict[str, Any], message: str) -> None:
    whole = TINY if "backbone_config" not in values else Sam2Config()
    with pytest.raises(ConfigError, match=message):
        changed(whole, part, **values).to_model_config()


def test_what_has_no_such_configuration() -> None:
    with pytest.raises(ConfigError, match="HQ-SAM 2"):
        Sam2Config.from_model_config(MODELS["sam2.1_hq_hiera_large"])
    with pytest.raises(ConfigError, match="Expected a Sam2Config, got a dict"):
        Sam2Model({"model_type": "sam2"})
