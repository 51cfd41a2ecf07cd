"""From a row of the architecture table to modules: the one place where configs meet modules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from samhq.allocation import keep_freed_memory
from samhq.config import HieraConfig, ModelConfig, ViTConfig
from samhq.model.encoders.hiera import Hiera, ImageEncoderHiera
from samhq.model.mask_decoder import MaskDecoder
from samhq.model.mask_decoder_hq import MaskDecoderHQ
from samhq.model.prompt_encoder import PromptEncoder
from samhq.model.sam import Sam
from samhq.model.sam2.mask_decoder import MaskDecoder2, MaskDecoder2HQ
from samhq.model.sam2.neck import FpnNeck
from samhq.model.sam2.sam2 import Sam2
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
        plain = Sam2 if config.second else Sam
        whole: type[Sam] = part.get(plain, plain)
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
    if isinstance(row, HieraConfig):
        trunk = part.get(Hiera, Hiera)(
            dim=row.dim,
            heads=row.heads,
            depths=row.depths,
            windows=row.windows,
            global_blocks=row.global_blocks,
            background=row.background,
            window_positions=row.window_positions,
            mlp_ratio=row.mlp_ratio,
        )
        return part.get(ImageEncoderHiera, ImageEncoderHiera)(trunk, FpnNeck(row.widths, out), config.side)
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
        dim=row.dim, side=config.side, grid=config.grid, channels=row.prompt_channels, ends_boxes=config.second
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
    if config.second:
        kind = MaskDecoder2HQ if config.hq else MaskDecoder2
        return part.get(kind, kind)(**numbers)
    if config.hq:
        return part.get(MaskDecoderHQ, MaskDecoderHQ)(early_dim=config.encoder.early_dim, **numbers)
    return part.get(MaskDecoder, MaskDecoder)(**numbers)
