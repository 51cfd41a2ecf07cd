"""Embeddings of several pictures as one."""

from __future__ import annotations

import torch
from tests import tiny

from samhq.inference.opened import joined
from samhq.model.sam import Sam


def test_joined_embeddings_are_those_of_the_pictures(any_sam: Sam) -> None:
    generator = torch.Generator().manual_seed(0)
    side = any_sam.config.side
    with torch.no_grad():
        parts = [any_sam.prepared(any_sam.encode(torch.randn(1, 3, side, side, generator=generator))) for _ in range(2)]
        both = joined(parts)
        for number, part in enumerate(parts):
            one, of_two = (
                any_sam.decode(embedding, tiny.one_point(any_sam.config, image)).logits
                for embedding, image in ((part, 0), (both, number))
            )
            assert torch.allclose(one, of_two, atol=1e-5)
    assert len(both) == 2


def test_one_embedding_is_itself(any_sam: Sam) -> None:
    side = any_sam.config.side
    with torch.no_grad():
        embedding = any_sam.encode(torch.zeros(1, 3, side, side))
    assert joined([embedding]) is embedding
