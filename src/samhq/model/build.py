"""From a row of the architecture table to modules: the one place where configs meet modules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from samhq.allocation import keep_freed_memory
from samhq.config import ModelConfig, ViTConfig
from samhq.model.mask_decoder import MaskDecoder
from samhq.model.mask_decoder_hq import MaskDecoderHQ
from samhq.model.prompt_encoder import PromptEncoder
from samhq.model.sam import Sam
from samhq.model.tiny_vit import TinyViT
from samhq.model.vit import ImageEncoderViT

#: Subclasses to build in place of the core's modules, by the class that each replaces.
Parts = Mapping[type[nn.Module], type[Any]]


def build(config: ModelConfig, *, device: torch.device | str | None = None, parts: Parts | None = None) -> Sam:
    """A network with untrained weights, in evaluation mode; `device="meta"` allocates nothing.

    With `parts` it is built of subclasses, which must take the same arguments as the core's modules. From the first
    network on the process keeps memory that it frees, see `samhq.allocation`.
    """
    keep_freed_memory()
    part = parts or {}
    with torch.device(device or "cpu"):
        whole: type[Sam] = part.get(Sam, Sam)
        return whole(
            config, image_encoder(config, part), prompt_encoder(config, part), mask_decoder(config, part)
        ).eval()


def image_encoder(config: ModelConfig, parts: Parts | None = None) -> nn.Module:
    """The encoder that the config names."""
    part = parts or {}
    row, out = config.encoder, config.decoder.dim
    if isinstance(row, ViTConfig):
        return part.get(ImageEncoderViT, ImageEncoderViT)(
            side=config.side,
            patch=row.patch,
            dim=row.dim,
            depth=row.depth,
            heads=row.heads,
            head_dim=row.head_dim,
            mlp_dim=row.mlp_dim,
            window=row.window,
            global_blocks=row.global_blocks,
            eps=row.norm_eps,
            qkv_bias=row.qkv_bias,
            out=out,
        )
    return part.get(TinyViT, TinyViT)(
        side=config.side,
        dims=row.dims,
        depths=row.depths,
        heads=row.heads,
        windows=row.windows,
        strides=row.strides,
        mlp_ratio=row.mlp_ratio,
        expand=row.expand,
        classes=row.classes,
        eps=row.norm_eps,
        out=out,
    )


def prompt_encoder(config: ModelConfig, parts: Parts | None = None) -> PromptEncoder:
    """Points, boxes and masks to vectors, for the config's square."""
    row, part = config.decoder, parts or {}
    return part.get(PromptEncoder, PromptEncoder)(
        dim=row.dim, side=config.side, grid=config.grid, channels=row.prompt_channels
    )


def mask_decoder(config: ModelConfig, parts: Parts | None = None) -> MaskDecoder:
    """SAM's decoder, or SAM-HQ's where the config says so."""
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
        "eps": row.norm_eps,
    }
    if config.hq:
        return part.get(MaskDecoderHQ, MaskDecoderHQ)(early_dim=config.encoder.early_dim, **numbers)
    return part.get(MaskDecoder, MaskDecoder)(**numbers)
