"""This library as a party, and the random weights and inputs for all parties.

Knows nothing about clocks, processes or other packages.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor, nn

from samhq.config import HQMode, ModelConfig
from samhq.image.frame import Frame
from samhq.inference.everything import segment_everything
from samhq.inference.segment import EncodedImage, Segmenter
from samhq.model.build import build
from samhq.model.sam import Sam
from samhq.model.sam2.sam2 import Sam2
from samhq.speed.videos import Stream
from samhq.speed.work import Click, Clip, Decode, Encode, EverythingLoad, Kind, TrackedFrame
from samhq.types import ImageEmbedding, LowRes, Prompts

Answer = Callable[[], Mapping[str, Tensor]]


class Refusal(Exception):  # noqa: N818
    """A party cannot do this work; the message gives the reason in a few words."""


@dataclass(frozen=True)
class Workload:
    """A party's way to do a piece of work: a function to time, and the results to compare before."""

    run: Callable[[], Any]
    answer: Answer = dict
    notes: dict[str, Any] = field(default_factory=dict)  #: Facts that `run` found, as JSON values.


@dataclass(frozen=True)
class DecoderInputs:
    """The inputs of decoding: one picture's encoder outputs and P prompts of one kind."""

    features: Float[Tensor, "1 C g g"]
    early: Float[Tensor, "1 h w e"]
    kind: Kind
    places: Float[Tensor, "P n"]  #: Points (x, y) or boxes (x0, y0, x1, y1), in model pixels.
    hq: HQMode
    levels: tuple[Tensor, ...] = ()  #: The two finer maps [1,c,h,w] for SAM 2's decoder.

    def to(self, device: torch.device, dtype: torch.dtype) -> DecoderInputs:
        """The same on another device, its features in another dtype."""
        features, early = self.features.to(device, dtype), self.early.to(device, dtype)
        levels = tuple(level.to(device, dtype) for level in self.levels)
        return replace(self, features=features, early=early, places=self.places.to(device), levels=levels)

    def prompts(self) -> Prompts:
        """The prompts as a flat list, each click a foreground point."""
        index = torch.zeros(len(self.places), dtype=torch.int64, device=self.places.device)
        if self.kind == "boxes":
            return Prompts(index, boxes=self.places)
        return Prompts(index, points=self.places[:, None], labels=torch.ones_like(index)[:, None])


class Ours:
    """This library, used through its own interfaces."""

    name = "samhq"

    def __init__(self, model: Sam, dtype: str, device: torch.device) -> None:
        self.model = model.to(device=device, dtype=getattr(torch, dtype))

    def encoding(self, work: Encode) -> Workload:
        """Pictures to embeddings, with HQ maps and the work that prompts share."""
        pixels = random_pixels(self.model.config, work.images).to(self.model.device)

        def answer() -> dict[str, Tensor]:
            embedding = self.model.encode(pixels, keep_early=self.model.config.hq)
            maps = {"features": embedding.features, **dict(zip(("finest", "finer"), embedding.levels, strict=False))}
            if embedding.early is not None:
                maps["early"] = embedding.early
            return maps

        return Workload(lambda: self.model.prepared(self.model.encode(pixels)), answer)

    def decoding(self, work: Decode) -> Workload:
        """Prompts to low-resolution logits."""
        inputs = random_inputs(work).to(self.model.device, self.model.dtype)
        embedding, prompts = self.embedding(inputs), inputs.prompts().to("cpu")  # Prompts of users are there.

        def run() -> LowRes:
            return self.model.decode(embedding, prompts, hq=work.hq)

        def answer() -> dict[str, Tensor]:
            low = run()
            return {"iou": low.iou, "logits": low.logits}

        return Workload(run, answer)

    def clicking(self, work: Click) -> Workload:
        """A prompt to a mask of the photograph's size."""
        inputs = random_inputs(work).to(self.model.device, self.model.dtype)
        segmenter = Segmenter(self.model)
        frame = Frame.fit(work.size_hw, self.model.config.side, squash=self.model.config.second)
        image = np.zeros((*work.size_hw, 3), np.uint8)
        encoded = EncodedImage(image, self.embedding(inputs), frame, self.model.config.name)
        places = frame.points_to_image(inputs.places[0].view(-1, 2).cpu().numpy())
        prompt: dict[str, Any] = {"box": places.flatten()} if work.kind == "boxes" else {"points": places}

        def run() -> Any:
            return segmenter.segment(encoded, **prompt, multimask=False, hq=work.hq)

        def answer() -> dict[str, Tensor]:
            mask = run()
            return {"iou": torch.from_numpy(mask.candidate_scores), "logits": torch.from_numpy(mask.low_res_logits)}

        return Workload(run, answer)

    def finding(self, work: EverythingLoad) -> Workload:
        """A photograph in memory to masks in memory; thresholds leave out unstable masks."""
        segmenter, notes = Segmenter(self.model), {"kept": 0}
        noise = np.random.default_rng(3).integers(0, 256, (12, 18, 3), np.uint8)
        image = np.asarray(Image.fromarray(noise).resize(work.size_hw[::-1], Image.Resampling.BICUBIC))
        points = work.points_per_side

        def run() -> None:
            notes["kept"] = len(segment_everything(image, segmenter, points_per_side=points, pred_iou_thresh=0.0))

        return Workload(run, notes=notes)

    def tracking(self, work: TrackedFrame) -> Workload:
        """The next frame of a video with one object."""
        video = Stream(self._follower(), work.size_hw)
        logits = [video.next() for _ in range(work.before)]
        return Workload(video.next, lambda: {"logits": logits[work.compared]})

    def following(self, work: Clip) -> Workload:
        """A video with one object from its first frame to its last; only the tracker's memory is kept."""
        model = self._follower()

        def run() -> None:
            video = Stream(model, work.size_hw)
            for _ in range(work.frames):
                video.next()

        return Workload(run)

    def _follower(self) -> Sam2:
        if not isinstance(self.model, Sam2) or self.model.config.memory is None:
            raise Refusal("has no memory for videos")
        return self.model

    def embedding(self, inputs: DecoderInputs) -> ImageEmbedding:
        """The embedding of the two encoder outputs."""
        if inputs.levels:
            return self.model.prepared(ImageEmbedding(inputs.features, levels=inputs.levels))
        return self.model.prepared(self.model.embed(inputs.features, inputs.early))


def random_model(config: ModelConfig) -> Sam:
    """A float32 model with random weights on the CPU, none of them degenerate; the same in every call."""
    torch.manual_seed(0)
    model = build(config).requires_grad_(False)
    for name, value in model.named_parameters():
        if value.ndim > 1 and not bool(value.any()):  # Positions, which begin as zeros.
            nn.init.trunc_normal_(value, std=0.1 if "attention_biases" in name else 0.02)
    if isinstance(model, Sam2):  # With random scores most objects would be absent, without a mask.
        last = model.mask_decoder.pred_obj_score_head.layers[-1]
        assert isinstance(last, nn.Linear)
        nn.init.constant_(last.bias, 3.0)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    return model


def random_pixels(config: ModelConfig, images: int = 1) -> Float[Tensor, "I 3 S S"]:
    """Smooth random pictures, normalised."""
    noise = torch.randn(images, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    return nn.functional.interpolate(noise, (config.side, config.side), mode="bicubic")


def random_inputs(work: Decode) -> DecoderInputs:
    """Random encoder outputs of the usual scale, and prompts all over the picture except near its right and bottom."""
    source, grid, config = torch.Generator().manual_seed(2), work.config.grid, work.config
    corners = torch.rand(work.prompts, 2, 2, generator=source).sort(dim=1).values * config.side * 0.6
    return DecoderInputs(
        torch.randn(1, config.decoder.dim, grid, grid, generator=source),
        torch.randn(1, *config.encoder.level_hwc(config.side), generator=source),
        work.kind,
        corners.flatten(1) if work.kind == "boxes" else corners[:, 0],
        work.hq,
        random_levels(config, source) if config.second else (),
    )


def random_levels(config: ModelConfig, source: torch.Generator) -> tuple[Tensor, Tensor]:
    """Random finer maps for SAM 2's decoder, at four times and at twice the grid."""
    grid, row = config.grid, config.decoder
    finest = torch.randn(1, row.mask_dim, 4 * grid, 4 * grid, generator=source)
    return finest, torch.randn(1, row.middle_dim, 2 * grid, 2 * grid, generator=source)
