"""The initial network of a run, and which of its numbers learn. Knows nothing about data or losses."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import torch
from torch import nn

from samhq.checkpoint.declared import with_published_name
from samhq.checkpoint.load import load_model
from samhq.config import model_config
from samhq.errors import ConfigError
from samhq.model.build import build
from samhq.model.encoders.efficientnet_lite import EfficientNetLite
from samhq.model.mask_decoder_hq import HQ_MODULES, HQMask
from samhq.model.sam import Sam
from samhq.training.config import TrainConfig
from samhq.training.initialise import initialise
from samhq.training.lora import add_lora, add_same_lora
from samhq.training.pretrained import load_imagenet

#: SAM 2's layers between the encoder's maps and a decoder; stored views hold their results.
AFTER_ENCODER = ("no_mem_embed", "sam_mask_decoder.conv_s")
#: Parts of SAM 2 that only videos use: training on pictures does not change them.
VIDEO_ONLY = (
    "memory_", "maskmem_", "mask_downsample", "obj_ptr", "no_obj", "no_mem_pos", "sam_mask_decoder.pred_obj_score_head",
)  # fmt: skip


def start(config: TrainConfig) -> Sam:
    """The network before the first step, in evaluation mode; `requires_grad` is set on the parameters that learn.

    Draws from torch's global generator. Only training from scratch changes BatchNorm statistics.

    Raises:
        ConfigError, CheckpointError: the initial weights cannot be loaded, or do not fit such a run.
    """
    sam = _weights(config)
    if config.mode == "hq" and (config.fresh_heads or not sam.config.hq):
        sam = with_new_heads(sam, silent=not config.published)
    if config.mode == "finetune" and config.what == "lora":
        add_lora(sam, config.lora_rank, config.lora_alpha)
    idle = tuple(f"image_encoder.{name}." for name in sam.config.encoder.idle)
    for name, parameter in sam.named_parameters():
        parameter.requires_grad_(_learns(name, config) and not name.startswith(idle))
    return sam


def _weights(config: TrainConfig) -> Sam:
    side = config.plan(1024).stages[0].side if config.stages else None
    if config.init == "random":
        row = model_config(config.model)
        sam = build(replace(row, side=side or row.side))
        initialise(sam)
        return sam
    if config.init == "imagenet":
        return pretrained(side)
    sam = load_model(None if config.init == "starter" else config.init)
    return sam if side is None else at_side(sam, side)


def pretrained(side: int | None = None) -> Sam:
    """The starter's network with the encoder's ImageNet weights; all other tensors come from the embedded starter.

    Raises:
        MissingExtraError: the package with the ImageNet weights is not installed.
    """
    row = model_config("starter")
    sam = build(replace(row, side=side or row.side))
    own, embedded = sam.state_dict(), load_model(None).state_dict()
    decoder = {name: value for name, value in embedded.items() if not name.startswith("image_encoder.")}
    fitting = {name: value for name, value in decoder.items() if name in own and own[name].shape == value.shape}
    sam.load_state_dict(own | fitting)
    load_imagenet(cast(EfficientNetLite, sam.image_encoder))  # The starter's row has no other encoder.
    return sam


def at_side(sam: Sam, side: int) -> Sam:
    """The same weights in a network for pictures of another side; the network itself if it has that side.

    Raises:
        ConfigError: an encoder whose positions fit only one side, such as a ViT.
    """
    if side == sam.config.side:
        return sam
    encoder = sam.config.encoder
    if encoder.fixed_side:
        raise ConfigError(
            f"Expected pictures of {sam.config.side} pixels, got {side}: the positions of a {encoder.kind} are made "
            "for one side. Train at the model's own, or begin with a TinyViT."
        )
    other = build(replace(sam.config, side=side)).to(sam.device)
    add_same_lora(sam, other)
    other.load_state_dict(sam.state_dict())
    for target, its in zip(other.parameters(), sam.parameters(), strict=True):
        target.requires_grad_(its.requires_grad)
    return other


def with_new_heads(sam: Sam, *, silent: bool) -> Sam:
    """The network with new HQ heads of random weights; everything else is copied.

    `silent` heads add nothing to SAM's mask before they learn.
    """
    whole = build(with_published_name(replace(sam.config, hq=True)))
    own = {name: value for name, value in sam.state_dict().items() if not _is_head(name)}
    fresh = {name: value for name, value in whole.state_dict().items() if _is_head(name)}
    whole.load_state_dict(own | fresh)
    if silent:
        assert isinstance(whole.mask_decoder, HQMask)
        for parameter in whole.mask_decoder.hf_mlp.layers[-1].parameters():
            nn.init.zeros_(parameter)
    return whole.to(sam.device)


def _is_head(name: str) -> bool:
    return name.removeprefix("sam_").startswith(tuple(f"mask_decoder.{module}." for module in HQ_MODULES))


def _learns(name: str, config: TrainConfig) -> bool:
    if config.mode == "hq":
        return _is_head(name)
    if name.startswith(VIDEO_ONLY):
        return False
    if config.mode == "scratch" or config.what == "all":
        return True
    if name.startswith(("image_encoder.", *AFTER_ENCODER)):
        return config.what == "lora" and ".lora_" in name
    return name.removeprefix("sam_").startswith("mask_decoder.") or config.what == "decoder+prompt"


def learning(sam: Sam) -> dict[str, torch.nn.Parameter]:
    """The parameters that learn, by name."""
    return {name: parameter for name, parameter in sam.named_parameters() if parameter.requires_grad}
