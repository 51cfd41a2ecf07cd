"""From a row of the architecture table to modules: the one place where configs meet modules."""

from __future__ import annotations

import torch
from torch import nn

from samhq.config import ModelConfig, ViTConfig
from samhq.model.mask_decoder import MaskDecoder
from samhq.model.mask_decoder_hq import MaskDecoderHQ
from samhq.model.prompt_encoder import PromptEncoder
from samhq.model.sam import Sam
from samhq.model.tiny_vit import TinyViT
from samhq.model.vit import ImageEncoderViT


def build(config: ModelConfig, *, device: torch.device | str | None = None) -> Sam:
    """A network with untrained weights, in evaluation mode; `device="meta"` allocates nothing."""
    with torch.device(device or "cpu"):
        return Sam(config, image_encoder(config), prompt_encoder(config), mask_decoder(config)).eval()


def image_encoder(config: ModelConfig) -> nn.Module:
    """The encoder that the config names."""
    row, out = config.encoder, config.decoder.dim
    if isinstance(row, ViTConfig):
        return ImageEncoderViT(
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
    return TinyViT(
        side=config.side,
        dims=row.dims,
        depths=row.depths,
        heads=row.heads,
        windows=row.windows,
        strides=row.strides,
        mlp_ratio=row.mlp_ratio,
        expand=row.expand,
        classes=row.classes,
        out=out,
    )


def prompt_encoder(config: ModelConfig) -> PromptEncoder:
    """Points, boxes and masks to vectors, for the config's square."""
    row = config.decoder
    return PromptEncoder(dim=row.dim, side=config.side, grid=config.grid, channels=row.prompt_channels)


def mask_decoder(config: ModelConfig) -> MaskDecoder:
    """SAM's decoder, or SAM-HQ's where the config says so."""
    row = config.decoder
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
    return MaskDecoderHQ(early_dim=config.encoder.early_dim, **numbers) if config.hq else MaskDecoder(**numbers)
