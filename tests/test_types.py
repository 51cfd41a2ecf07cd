from __future__ import annotations

import dataclasses

import pytest
import torch

from samhq import types
from samhq.model.sam import Sam
from samhq.types import Attended, ImageEmbedding, LowRes, Prompts
from tests import tiny

INDEX = torch.tensor([0, 1, 1])


def full() -> Prompts:
    places, labels = tiny.points(tiny.PLAIN, [1, 3, 2])
    return Prompts(INDEX, places, labels, tiny.boxes(tiny.PLAIN, [True] * 3), tiny.masks(tiny.PLAIN, [True] * 3))


@pytest.mark.parametrize(
    "rows", [slice(1, None), torch.tensor([2, 0]), torch.tensor([True, False, True]), slice(0, 0)], ids=str
)
def test_rows_of_prompts_keep_what_belongs_together(rows: slice | torch.Tensor) -> None:
    prompts, some = full(), full()[rows]
    for field in dataclasses.fields(Prompts):
        assert torch.equal(getattr(some, field.name), getattr(prompts, field.name)[rows])
    assert len(some) == len(INDEX[rows])


def test_what_a_prompt_does_not_have_stays_away() -> None:
    some = Prompts(INDEX, boxes=full().boxes)[:2]
    assert (some.points, some.labels, some.masks) == (None, None, None)
    assert len(Prompts(INDEX)) == 3


def test_rows_of_attended() -> None:
    attended = Attended(torch.rand(3, 5, 8), torch.rand(3, 8, 4, 4), torch.rand(3, 4), INDEX)
    some = attended[torch.tensor([False, True, True])]
    assert torch.equal(some.tokens, attended.tokens[1:])
    assert torch.equal(some.image, attended.image[1:])
    assert torch.equal(some.iou, attended.iou[1:])
    assert torch.equal(some.image_index, INDEX[1:])


def test_an_embedding_moves_whole() -> None:
    embedding = ImageEmbedding(torch.rand(2, 8, 4, 4), hq=torch.rand(2, 1, 16, 16))
    half = embedding.to(torch.float16)
    assert (half.features.dtype, half.hq.dtype, half.early) == (torch.float16, torch.float16, None)
    assert embedding.features.dtype == torch.float32
    assert len(half) == 2
    assert embedding.to("meta").hq.is_meta


def test_parts_one_after_the_other() -> None:
    parts = [LowRes(torch.rand(n, 2, 4, 4), torch.rand(n, 2)) for n in (1, 0, 3)]
    whole = LowRes.cat(parts)
    assert torch.equal(whole.logits[1:], parts[2].logits)
    assert torch.equal(whole.iou[:1], parts[0].iou)


def test_labels_are_those_of_the_published_models() -> None:
    labels = (types.IGNORED, types.NOT_A_POINT, types.BACKGROUND, types.FOREGROUND, types.TOP_LEFT, types.BOTTOM_RIGHT)
    assert labels == (-10, -1, 0, 1, 2, 3)


def test_fields_that_do_not_fit_together_fail_the_tests() -> None:
    """The import hook is at work: without it, this would pass silently."""
    with pytest.raises(TypeError):
        Prompts(INDEX, points=torch.zeros(2, 1, 2), labels=torch.ones(3, 1, dtype=torch.int64))
    with pytest.raises(TypeError):
        Prompts(INDEX[:, None])


def test_joined_embeddings_are_those_of_the_pictures(any_sam: Sam) -> None:
    generator = torch.Generator().manual_seed(0)
    side = any_sam.config.side
    with torch.no_grad():
        parts = [any_sam.prepared(any_sam.encode(torch.randn(1, 3, side, side, generator=generator))) for _ in range(2)]
        both = ImageEmbedding.cat(parts)
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
    assert ImageEmbedding.cat([embedding]) is embedding
