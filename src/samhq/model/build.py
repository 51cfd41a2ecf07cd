"""Builds modules from a row of the architecture table: the one place where configs meet modules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from samhq.allocation import keep_freed_memory
from samhq.config import ModelConfig
from samhq.model.encoders.table import kind_of
from samhq.model.mask_decoder import MaskDecoder
from samhq.model.mask_decoder_hq import MaskDecoderHQ
from samhq.model.prompt_encoder import PromptEncoder
from samhq.model.sam import Sam
from samhq.model.sam2.mask_decoder import MaskDecoder2, MaskDecoder2HQ
from samhq.model.sam2.sam2 import Sam2
from samhq.threads import compute_alone_when_forked

#: Subclasses to build in place of the core's modules, keyed by the class that each replaces.
Parts = Mapping[type[nn.Module], type[Any]]


def build(config: ModelConfig, *, device: torch.device | str | None = None, parts: Parts | None = None) -> Sam:
    """A network with untrained weights, in evaluation mode; `device="meta"` allocates nothing.

    `parts` replaces modules by subclasses, which must take the same arguments. The first call also makes the process
    keep freed memory and forked processes compute with one thread; see `samhq.allocation` and `samhq.threads`.
    """
    keep_freed_memory()
    compute_alone_when_forked()
    part = parts or {}
    with torch.device(device or "cpu"):
        plain = Sam2 if config.second else Sam
        whole: type[Sam] = part.get(plain, plain)
        return whole(
            config, image_encoder(config, part), prompt_encoder(config, part), mask_decoder(config, part)
        ).eval()


def image_encoder(config: ModelConfig, parts: Parts | None = None) -> nn.Module:
    """The encoder of the config."""
    kind = kind_of(config.encoder)
    return kind.build(config.encoder, config.side, config.decoder.dim, (parts or {}).get(kind.module))


def prompt_encoder(config: ModelConfig, parts: Parts | None = None) -> PromptEncoder:
    """The prompt encoder, for the config's square."""
    row, part = config.decoder, parts or {}
    return part.get(PromptEncoder, PromptEncoder)(
        dim=row.dim, side=config.side, grid=config.grid, channels=row.prompt_channels, ends_boxes=config.second
    )


def mask_decoder(config: ModelConfig, parts: Parts | None = None) -> MaskDecoder:
    """SAM's decoder, or SAM-HQ's if the config has HQ heads."""
    row, part = config.decoder, parts or {}
    numbers = {
        "dim": row.dim,
        "depth": row.depth,
        "heads": row.heads,
        "mlp_dim": row.mlp_dim,
        "downsample": row.downsample,
        "masks": row.masks,
        "iou_depth": row.iou_depth,
        "iou_dim": row.iou_dim,
        "middle_dim": row.middle_dim,
        "mask_dim": row.mask_dim,
        "head_depth": row.head_depth,
        "eps": row.norm_eps,
    }
    if config.second:
        kind = MaskDecoder2HQ if config.hq else MaskDecoder2
        return part.get(kind, kind)(**numbers)
    if config.hq:
        encoder = config.encoder
        early: dict[str, Any] = {"early_dim": encoder.early_dim, "hq_level": encoder.hq_level}
        return part.get(MaskDecoderHQ, MaskDecoderHQ)(**early, **numbers)
    return part.get(MaskDecoder, MaskDecoder)(**numbers)
