from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from tests import tiny

from samhq.compat.transformers.configs_sam2_video import Sam2VideoConfig
from samhq.compat.transformers.sam2_video import Sam2VideoModel
from samhq.config import MODELS
from samhq.errors import ConfigError

PUBLISHED = [name for name, row in MODELS.items() if row.second and not row.hq]
TINY = Sam2VideoConfig.from_model_config(tiny.SECOND_OF_TRANSFORMERS)


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_published_model_comes_back(name: str) -> None:
    assert Sam2VideoConfig.from_model_config(MODELS[name]).to_model_config() == MODELS[name]


def test_defaults_and_fields_are_those_of_transformers() -> None:
    theirs = pytest.importorskip("transformers").Sam2VideoConfig().to_dict()

    def compare(ours: dict[str, Any], other: dict[str, Any]) -> None:
        for name, value in ours.items():
            if isinstance(value, dict):
                compare(value, other[name])
            elif name != "architectures":
                assert other[name] == value, name

    compare(Sam2VideoConfig().to_dict(), theirs)
    assert Sam2VideoConfig().to_dict()["architectures"] == ["Sam2VideoModel"]


def test_a_file_is_read_back(tmp_path: Path) -> None:
    TINY.save_pretrained(tmp_path)
    assert Sam2VideoConfig.from_pretrained(tmp_path) == TINY


def test_transformers_own_configuration_is_taken() -> None:
    package = pytest.importorskip("transformers")
    model = Sam2VideoModel(package.Sam2VideoConfig.from_dict(TINY.to_dict()))
    assert model.config.to_model_config() == TINY.to_model_config()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"max_cond_frame_num": 4}, "max_cond_frame_num to be -1, got 4"),
        ({"multimask_max_pt_num": 3}, "multimask_max_pt_num"),
        ({"sigmoid_bias_for_mem_enc": -5.0}, "sigmoid_bias"),
        ({"memory_encoder_hidden_size": 64}, "memory_encoder_hidden_size to be 128"),
        ({"memory_attention_rope_feat_sizes": (64, 64)}, "rope_feat_sizes"),
        ({"image_size": 256}, "image_size to be 128"),
    ],
)
def test_contradictions_and_what_samhq_lacks(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        dataclasses.replace(TINY, **values).to_model_config()


def test_a_model_without_memory_has_no_such_configuration() -> None:
    with pytest.raises(ConfigError, match="memory of videos"):
        Sam2VideoConfig.from_model_config(tiny.SECOND_OF_TRANSFORMERS.replace(memory=None))
