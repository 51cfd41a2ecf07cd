"""Initial weights for training from scratch that let masks follow prompts from the first steps.

With the layers' default initialisation every mask stays empty for thousands of pictures: queries and keys have
independent projections, so a click and its position have nothing in common until that is learnt. Here both projections
start alike, each head with its own band of frequencies, so that positions attend to their neighbourhood from the first
step. Works on a built network, in place.

Source: the idea of starting attention near its trained shape is that of Mimetic Initialization (arXiv 2305.09828).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from samhq.config import DecoderConfig
from samhq.model.sam import Sam
from samhq.model.transformer import Attention, TwoWayBlock

#: Strength of a head's attention to its own position, as the largest logit.
_NEAR = 4.0


@torch.no_grad()
def initialise(sam: Sam) -> None:
    """Sets the initial weights of an untrained network, drawn from torch's global generator."""
    frequencies = sam.prompt_encoder.pe_layer.positional_encoding_gaussian_matrix
    transformer = sam.mask_decoder.transformer
    for block in transformer.layers:
        assert isinstance(block, TwoWayBlock)
        _remember(block.self_attn)
        _look_near(block.cross_attn_token_to_image, frequencies)
        _look_near(block.cross_attn_image_to_token, frequencies)
    _look_near(transformer.final_attn_token_to_image, frequencies)
    for name, module in sam.named_modules():
        _start(name, module)


def _look_near(attention: Attention, frequencies: Tensor) -> None:
    """Queries and keys start as the same few position features, the lowest frequencies first, plus a little of all."""
    heads, width = attention.heads, attention.q_proj.out_features
    frequencies_per_head = width // heads // 2
    half = frequencies.shape[1]
    order = frequencies.norm(dim=0).argsort()[: heads * frequencies_per_head].view(heads, frequencies_per_head)
    places = torch.cat([order, order + half], 1).flatten()
    # Logit at distance 0, with f frequencies: scale^2 * f / sqrt(2 * f).
    scale = math.sqrt(_NEAR * math.sqrt(2 * frequencies_per_head) / frequencies_per_head)
    shared = torch.randn(width, 2 * half, device=frequencies.device) * 0.3 / math.sqrt(2 * half)
    shared[torch.arange(width), places] += scale
    for projection in (attention.q_proj, attention.k_proj):
        projection.weight.copy_(shared)
        nn.init.zeros_(projection.bias)
    _pass_on(attention)


def _remember(attention: Attention) -> None:
    """Tokens begin by attending mostly to themselves; the first block's self-attention has no other path."""
    shared = nn.init.orthogonal_(torch.empty_like(attention.q_proj.weight)) * 0.5
    for projection in (attention.q_proj, attention.k_proj):
        projection.weight.copy_(shared)
        nn.init.zeros_(projection.bias)
    _pass_on(attention)
    attention.out_proj.weight.copy_(attention.v_proj.weight.T)


def _pass_on(attention: Attention) -> None:
    for projection in (attention.v_proj, attention.out_proj):
        nn.init.orthogonal_(projection.weight)
        nn.init.zeros_(projection.bias)


def _start(name: str, module: nn.Module) -> None:
    """Initial weights of everything except attention in the decoder."""
    if isinstance(module, nn.ConvTranspose2d):
        _normal(module, math.sqrt(2 / module.in_channels))
    elif isinstance(module, nn.Embedding):
        # Positions must be stronger than the content.
        nn.init.normal_(module.weight, std=0.5 if "token" in name else 0.25)
    elif isinstance(module, nn.Linear) and ("hypernetworks" in name or "hf_mlp" in name):
        last = name.endswith(f"layers.{DecoderConfig.head_depth - 1}")
        _normal(module, math.sqrt((0.5 if last else 2) / module.in_features))
    elif isinstance(module, nn.Conv2d) and name.endswith("local_conv.c"):
        # It is in the residual stream, so it begins close to the identity.
        nn.init.normal_(module.weight, std=0.1)
        module.weight[:, :, 1, 1] += 1
    elif isinstance(module, nn.BatchNorm2d) and ".layers.0.blocks." in name and name.endswith("conv3.bn"):
        nn.init.zeros_(module.weight)
    elif isinstance(module, nn.LayerNorm) and name.endswith("neck.3"):
        nn.init.constant_(module.weight, 0.5)


def _normal(module: nn.ConvTranspose2d | nn.Linear, std: float) -> None:
    nn.init.normal_(module.weight, std=std)
    if module.bias is not None:
        nn.init.zeros_(module.bias)
