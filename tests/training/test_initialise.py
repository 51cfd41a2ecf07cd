"""From the first step positions attend to their neighbourhood, which a default initialisation does not give."""

from __future__ import annotations

import torch
from tests import tiny

from samhq.model.build import build
from samhq.model.sam import Sam
from samhq.model.transformer import TwoWayBlock
from samhq.training.initialise import initialise


def started() -> Sam:
    torch.manual_seed(0)
    sam = build(tiny.LIGHT)
    initialise(sam)
    return sam


def test_queries_and_keys_start_alike() -> None:
    for block in started().mask_decoder.transformer.layers:
        assert isinstance(block, TwoWayBlock)
        for attention in (block.self_attn, block.cross_attn_token_to_image, block.cross_attn_image_to_token):
            assert torch.equal(attention.q_proj.weight, attention.k_proj.weight)
            assert not attention.q_proj.bias.any()


def test_a_place_attends_most_to_itself() -> None:
    sam = started()
    attention = sam.mask_decoder.transformer.layers[0].cross_attn_token_to_image
    place = sam.prompt_encoder.get_dense_pe()[0].flatten(1).T
    queries, keys = attention.q_proj(place), attention.k_proj(place)
    similar = queries @ keys.T
    assert (similar.argmax(1) == torch.arange(len(place))).float().mean() > 0.9


def test_the_seed_decides() -> None:
    for (name, some), other in zip(started().state_dict().items(), started().state_dict().values(), strict=True):
        assert torch.equal(some, other), name
