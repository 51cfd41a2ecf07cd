"""What is measured: a picture encoded, prompts decoded, with random weights, by this library.

A case is one piece of work that several parties do; each party gives a function to time and its results to compare.
Knows nothing about clocks.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from samhq.benchmark import flops
from samhq.config import HQMode, ModelConfig, ViTConfig
from samhq.errors import SamHQError
from samhq.model.build import build
from samhq.model.sam import Sam
from samhq.types import ImageEmbedding, LowRes, Prompts

Kind = Literal["boxes", "points"]
#: float32 results of two parties may differ by this much, as a share of the largest value.
TOLERANCE = 1e-4


class UnequalError(SamHQError):
    """Two parties of one case gave different results, so their times say nothing."""


@dataclass(frozen=True)
class Party:
    """One way to do a case's work: what is timed, and what is compared before."""

    name: str  #: "samhq", or a peer's name
    dtype: str
    work: Callable[[], Any]
    answer: Callable[[], Mapping[str, Tensor]]

    @property
    def label(self) -> str:
        """Name and dtype."""
        return f"{self.name} {self.dtype}"


@dataclass(frozen=True)
class Case:
    """A piece of work, its needed operations, who does it, and who cannot and why."""

    name: str
    facts: dict[str, Any]
    flops: int
    parties: list[Party]
    absent: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Asked:
    """What is decoded: one picture's encoder outputs and P prompts of one kind."""

    config: ModelConfig
    features: Float[Tensor, "1 C g g"]
    early: Float[Tensor, "1 g g e"]
    kind: Kind
    places: Float[Tensor, "P n"]  #: points (x, y) or boxes (x0, y0, x1, y1), in model pixels
    hq: HQMode

    def to(self, device: torch.device, dtype: torch.dtype) -> Asked:
        """The same on another device, its features in another dtype."""
        features, early = self.features.to(device, dtype), self.early.to(device, dtype)
        return dataclasses.replace(self, features=features, early=early, places=self.places.to(device))

    def prompts(self) -> Prompts:
        """The prompts as a flat list, each click a foreground point."""
        index = torch.zeros(len(self.places), dtype=torch.int64, device=self.places.device)
        if self.kind == "boxes":
            return Prompts(index, boxes=self.places)
        return Prompts(index, points=self.places[:, None], labels=torch.ones_like(index)[:, None])


class Ours:
    """This library as a party."""

    name = "samhq"

    def __init__(self, model: Sam, dtype: str) -> None:
        self.model, self.dtype = model, dtype

    def encoding(self, pixels: Float[Tensor, "I 3 S S"]) -> Party:
        """Pictures to embeddings, HQ maps included."""

        def answer() -> dict[str, Tensor]:
            seen = self.model.encode(pixels, keep_early=self.model.config.hq)
            return {"features": seen.features, **({} if seen.early is None else {"early": seen.early})}

        return Party(self.name, self.dtype, lambda: self.model.encode(pixels), answer)

    def decoding(self, asked: Asked) -> Party:
        """Prompts to low-resolution logits, the embedding with its HQ map made before."""
        asked = asked.to(self.model.device, self.model.dtype)
        embedding, prompts = self.embedding(asked), asked.prompts()

        def work() -> LowRes:
            return self.model.decode(embedding, prompts, hq=asked.hq)

        def answer() -> dict[str, Tensor]:
            low = work()
            return {"iou": low.iou, "logits": low.logits}

        return Party(self.name, self.dtype, work, answer)

    def embedding(self, asked: Asked) -> ImageEmbedding:
        """What `encode` would have made of the two encoder outputs."""
        with torch.inference_mode():
            return self.model.embed(asked.features, asked.early)


def ours(model: Sam, dtype: str, device: torch.device) -> Ours:
    """A model as this library would run it in a dtype; the given one stays as it is."""
    copy = build(model.config, device=device)
    copy.load_state_dict(model.state_dict())
    return Ours(copy.to(device=device, dtype=getattr(torch, dtype)).requires_grad_(False), dtype)


def random_model(config: ModelConfig, seed: int = 0) -> Sam:
    """A float32 model with random weights on the CPU, none of them degenerate."""
    torch.manual_seed(seed)
    model = build(config).requires_grad_(False)
    for name, value in model.named_parameters():
        if value.ndim > 1 and not bool(value.any()):  # positions, which begin as zeros
            nn.init.trunc_normal_(value, std=0.1 if "attention_biases" in name else 0.02)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    return model


def decoder_only(config: ModelConfig) -> ModelConfig:
    """The same model with an encoder of one block where the encoder is a ViT: decoding needs none, and builds faster.

    >>> from samhq.config import model_config
    >>> decoder_only(model_config("sam_hq_vit_h")).encoder.depth
    1
    """
    row = config.encoder
    if not isinstance(row, ViTConfig):
        return config
    return config.replace(encoder=dataclasses.replace(row, depth=1, global_blocks=(0,)))


def random_pixels(config: ModelConfig, images: int = 1) -> Float[Tensor, "I 3 S S"]:
    """Smooth random pictures, normalised."""
    noise = torch.randn(images, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    return nn.functional.interpolate(noise, (config.side, config.side), mode="bicubic")


def random_asked(config: ModelConfig, prompts: int, kind: Kind, hq: HQMode) -> Asked:
    """Random encoder outputs of the usual scale, and prompts all over the picture."""
    source, grid = torch.Generator().manual_seed(2), config.grid
    corners = torch.rand(prompts, 2, 2, generator=source).sort(dim=1).values * config.side
    return Asked(
        config,
        torch.randn(1, config.decoder.dim, grid, grid, generator=source),
        torch.randn(1, grid, grid, config.encoder.early_dim, generator=source),
        kind,
        corners.flatten(1) if kind == "boxes" else corners[:, 0],
        hq,
    )


def encode_case(config: ModelConfig, images: int, parties: list[Party], absent: dict[str, str]) -> Case:
    """Pictures to embeddings."""
    return Case("encode", {"model": config.name, "images": images}, flops.encode(config, images), parties, absent)


def decode_case(asked: Asked, parties: list[Party], absent: dict[str, str]) -> Case:
    """Prompts on one encoded picture to one low-resolution mask each."""
    count = len(asked.places)
    facts = {"model": asked.config.name, "prompts": count, "kind": asked.kind, "hq": asked.hq}
    return Case("decode", facts, flops.decode(asked.config, count, hq=asked.hq), parties, absent)


def difference(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> dict[str, float]:
    """For each result that both have, the largest difference as a share of the largest value.

    >>> difference({"a": torch.tensor([1.0, 2.0])}, {"a": torch.tensor([1.0, 4.0]), "b": torch.ones(1)})
    {'a': 0.5}
    """
    shared = [name for name in one if name in other]
    found = {}
    for name in shared:
        a, b = one[name].float().cpu(), other[name].float().cpu()
        found[name] = float("inf") if a.shape != b.shape else float((a - b).abs().max() / b.abs().max())
    return found


def check_equal(case: Case) -> dict[str, dict[str, float]]:
    """How much each party's results differ from the first one's; the first is this library's.

    Raises:
        UnequalError: two float32 parties differ by more than `TOLERANCE`, or share no result.
    """
    first = case.parties[0]
    expected, found = first.answer(), {}
    for party in case.parties[1:]:
        apart = difference(party.answer(), expected)
        worst = max(apart.values(), default=float("inf"))
        if {first.dtype, party.dtype} == {"float32"} and not worst <= TOLERANCE:
            raise UnequalError(
                f"Expected results of {party.label} within {TOLERANCE} of {first.label} in {case.name} {case.facts}, "
                f"got {apart or 'no result of the same name'}. Mend the results before measuring their time."
            )
        found[party.label] = apart
    return found
