"""Models small enough for any test: one row for each kind of network, and random prompts that fit them.

All weights are random but none is degenerate: relative positions, biases and batch statistics are not zero.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from samhq.config import DecoderConfig, MemoryConfig, ModelConfig
from samhq.encoder_config import HieraConfig, TinyViTConfig, ViTConfig
from samhq.model.build import build
from samhq.model.sam import Sam
from samhq.types import IGNORED, Prompts
from tests.golden import deterministic

DECODER = DecoderConfig(dim=32, heads=2, mlp_dim=48, iou_dim=24)
VIT = ViTConfig(dim=32, depth=4, heads=2, global_blocks=(1, 3), window=3)
TINY_VIT = TinyViTConfig(
    dims=(16, 16, 32, 32), depths=(1, 1, 2, 1), heads=(1, 2, 2, 4), windows=(3, 3, 3, 3), classes=5
)

HIERA = HieraConfig(
    dim=16, depths=(1, 1, 2, 1), windows=(4, 2, 6, 3), global_blocks=(2,), background=3, window_positions=2
)
MEMORY = MemoryConfig(dim=8, depth=1, mlp_dim=24, fuser_depth=1)

PLAIN = ModelConfig("tiny_plain", VIT, side=64, decoder=DECODER)
HQ = ModelConfig("tiny_hq", VIT, hq=True, side=64, decoder=DECODER)
LIGHT = ModelConfig("tiny_light", TINY_VIT, hq=True, side=96, decoder=DECODER)
SECOND = ModelConfig("tiny_second", HIERA, side=64, decoder=DECODER, family="SAM 2", memory=MEMORY)
SECOND_HQ = SECOND.replace(name="tiny_second_hq", hq=True, family="HQ-SAM 2")
#: A SAM 2 that transformers can hold and run: eight window positions, memories of 64 channels, wider decoder.
SECOND_OF_TRANSFORMERS = ModelConfig(
    "tiny_sam2",
    HieraConfig(dim=16, depths=(1, 2, 2, 1), windows=(8, 4, 6, 3), global_blocks=(4,)),
    side=128,
    decoder=DecoderConfig(dim=128, heads=2, mlp_dim=48, iou_dim=128),
    family="SAM 2",
    memory=MemoryConfig(depth=1, mlp_dim=32, fuser_depth=1),
)
FIRST = (PLAIN, HQ, LIGHT)  #: with the interfaces of segment-anything and SAM-HQ
ALL = (*FIRST, SECOND, SECOND_HQ)


def fill(model: torch.nn.Module, salt: int = 0) -> None:
    """Give every tensor the values that belong to its name."""
    state = model.state_dict()
    model.load_state_dict(
        {k: torch.from_numpy(deterministic.tensor(k, tuple(v.shape), salt)) for k, v in state.items()}
    )


def model(config: ModelConfig, salt: int = 0) -> Sam:
    """A new model with those values, for tests that change it."""
    sam = build(config)
    fill(sam, salt)
    return sam


@lru_cache(maxsize=8)
def shared(config: ModelConfig) -> Sam:
    """The same model for every test that only reads it."""
    return model(config).requires_grad_(False)


def pixels(config: ModelConfig, images: int = 1, seed: int = 0) -> Tensor:
    """Smooth random pictures, normalised: noise drawn coarsely and enlarged."""
    noise = torch.randn(images, 3, 8, 8, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(noise, (config.side, config.side), mode="bicubic")


def points(config: ModelConfig, counts: list[int], seed: int = 0) -> tuple[Tensor, Tensor]:
    """Ragged points: `counts[p]` for prompt p, filled up with places that are labelled to be ignored."""
    source, longest = torch.Generator().manual_seed(seed), max(counts)
    places = torch.rand(len(counts), longest, 2, generator=source) * config.side
    labels = torch.randint(0, 2, (len(counts), longest), generator=source)
    for row, count in zip(labels, counts, strict=True):
        row[count:] = IGNORED
    return places, labels


def boxes(config: ModelConfig, present: list[bool], seed: int = 0) -> Tensor:
    """A random box for each prompt that has one, NaN for the others."""
    corners = torch.rand(len(present), 2, 2, generator=torch.Generator().manual_seed(seed)) * config.side
    corners = corners.sort(dim=1).values.flatten(1)
    corners[~torch.tensor(present)] = float("nan")
    return corners


def masks(config: ModelConfig, present: list[bool], seed: int = 0) -> Tensor:
    """A random mask prompt for each prompt that has one, NaN for the others."""
    size = 4 * config.grid
    logits = 4 * torch.randn(len(present), 1, size, size, generator=torch.Generator().manual_seed(seed))
    logits[~torch.tensor(present)] = float("nan")
    return logits


def one_point(config: ModelConfig, image: int = 0) -> Prompts:
    """The simplest prompt: a foreground point near the middle."""
    places = torch.full((1, 1, 2), config.side * 0.45)
    return Prompts(torch.tensor([image]), points=places, labels=torch.ones(1, 1, dtype=torch.int64))
