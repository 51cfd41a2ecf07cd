from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from samhq.config import SAM2, TINY_VIT, DecoderConfig, MemoryConfig, ModelConfig
from samhq.encoder_config import HieraConfig, ViTConfig
from samhq.model.build import build
from samhq.model.sam import Sam

KEYS = Path(__file__).parents[1] / "data" / "keys"

TINY = ViTConfig(dim=32, depth=3, heads=2, global_blocks=(1, 2), window=3)
DECODER = DecoderConfig(dim=32, mlp_dim=16, iou_dim=24, iou_depth=4, prompt_channels=8)
SMALL_TINY_VIT = dataclasses.replace(
    TINY_VIT, dims=(32, 32, 64, 64), depths=(1, 1, 2, 1), heads=(2, 1, 2, 2), windows=(7, 3, 4, 3), classes=5
)
SMALL = {
    "vit": ModelConfig("custom", TINY, side=64, decoder=DECODER),
    "vit_hq": ModelConfig("custom", TINY, hq=True, side=64, decoder=DECODER, family="SAM-HQ"),
    "tiny_hq": ModelConfig("custom", SMALL_TINY_VIT, hq=True, decoder=DECODER, family="Light HQ-SAM"),
    "hiera": ModelConfig(
        "custom",
        HieraConfig(dim=16, depths=(1, 1, 2, 1), global_blocks=()),
        decoder=dataclasses.replace(DECODER, iou_depth=3),
        family="SAM 2",
        memory=MemoryConfig(depth=1, mlp_dim=24, fuser_depth=1, absent_map=False),
        defaults=SAM2,
    ),
}
SMALL["hiera_hq"] = SMALL["hiera"].replace(hq=True, family="HQ-SAM 2")


@pytest.fixture
def keys() -> Callable[[str], dict[str, tuple[int, ...]]]:
    def read(name: str) -> dict[str, tuple[int, ...]]:
        return {key: tuple(shape) for key, shape in json.loads((KEYS / f"{name}.json").read_text()).items()}

    return read


@pytest.fixture(params=SMALL)
def config(request: pytest.FixtureRequest) -> ModelConfig:
    return SMALL[request.param]


@pytest.fixture(params=["vit", "vit_hq", "hiera"])
def vit_config(request: pytest.FixtureRequest) -> ModelConfig:
    return SMALL[request.param]


@pytest.fixture
def model(config: ModelConfig) -> Sam:
    torch.manual_seed(0)
    return build(config)


@pytest.fixture
def vit_model(vit_config: ModelConfig) -> Sam:
    torch.manual_seed(0)
    return build(vit_config)
