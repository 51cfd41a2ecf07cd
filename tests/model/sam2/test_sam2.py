from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from samhq.model.sam2.mask_decoder import stable
from samhq.model.sam2.memory import at_model_side
from samhq.model.sam2.sam2 import ABSENT, Sam2
from samhq.types import ImageEmbedding, Prompts
from tests import tiny


@pytest.fixture(params=[tiny.SECOND, tiny.SECOND_HQ], ids=lambda config: config.name)
def sam(request: pytest.FixtureRequest) -> Sam2:
    made = tiny.model(request.param)
    assert isinstance(made, Sam2)
    return made


def encoded(sam: Sam2) -> ImageEmbedding:
    return sam.encode(tiny.pixels(sam.config))


def stable_set(sam: Sam2, threshold: float | None) -> Sam2:
    sam.stable_from = threshold
    return sam


def test_a_mask_is_stable_where_its_area_hardly_changes() -> None:
    logits = torch.full((3, 1, 4, 4), -1.0)
    logits[0, 0, :2] = 1.0  # the same area at both levels
    logits[1, 0, :2] = 0.01  # nothing is above +0.05, half is above -0.05
    assert stable(logits, 0.05, 0.98).tolist() == [True, False, True]  # an empty mask is stable


@torch.inference_mode()
def test_an_unstable_single_mask_gives_way_to_the_best_of_three(sam: Sam2) -> None:
    embedding, prompt = encoded(sam), tiny.one_point(sam.config)
    best = stable_set(sam, None).decode(embedding, prompt, candidates="best")
    single = sam.decode(embedding, prompt)
    assert not torch.allclose(best.logits, single.logits, atol=1e-3)
    torch.testing.assert_close(stable_set(sam, 1.01).decode(embedding, prompt).logits, best.logits)
    torch.testing.assert_close(sam.decode(embedding, prompt).iou, best.iou)
    torch.testing.assert_close(stable_set(sam, 0.0).decode(embedding, prompt).logits, single.logits)


@torch.inference_mode()
def test_an_object_that_is_not_there_has_no_mask_and_its_own_pointer(sam: Sam2) -> None:
    bias = sam.sam_mask_decoder.pred_obj_score_head.layers[-1].bias
    for value, present in ((100.0, True), (-100.0, False)):
        bias.fill_(value)
        found = sam.follow(encoded(sam), tiny.one_point(sam.config), multimask=True)
        assert (found.object_score > 0).item() is present
        assert bool((found.logits == ABSENT).all()) is not present
        assert torch.equal(found.pointer, sam.no_obj_ptr) is not present


@torch.inference_mode()
def test_following_chooses_the_candidate_of_the_highest_score(sam: Sam2) -> None:
    sam.sam_mask_decoder.pred_obj_score_head.layers[-1].bias.fill_(100.0)
    found = sam.follow(encoded(sam), tiny.one_point(sam.config), multimask=True)
    assert found.candidates.shape[:2] == found.iou.shape == (1, 3)
    best = int(found.iou.argmax())
    assert torch.equal(found.logits[:, 0], found.candidates[:, best])


@torch.inference_mode()
def test_features_of_several_objects_are_those_of_each_alone(sam: Sam2) -> None:
    embedding = encoded(sam)
    features = embedding.features * torch.tensor([1.0, 0.5]).view(2, 1, 1, 1)
    points, labels = tiny.points(sam.config, [1, 1])
    both = sam.follow(replace(embedding, features=features), Prompts(torch.arange(2), points, labels), multimask=False)
    for row in range(2):
        own = replace(embedding, features=features[row : row + 1])
        prompt = Prompts(torch.tensor([0]), points[row : row + 1], labels[row : row + 1])
        alone = sam.follow(own, prompt, multimask=False)
        torch.testing.assert_close(alone.logits, both.logits[row : row + 1], rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(alone.pointer, both.pointer[row : row + 1], rtol=1e-4, atol=1e-5)


@torch.inference_mode()
def test_a_memory_without_the_object_is_marked(sam: Sam2) -> None:
    features = sam.encode_raw(tiny.pixels(sam.config)).features
    logits = at_model_side(torch.randn(1, 1, 16, 16), sam.config.side)
    there = sam.remember(features, logits, torch.tensor([[1.0]]), binary=True)
    gone = sam.remember(features, logits, torch.tensor([[-1.0]]), binary=True)
    torch.testing.assert_close(gone - there, sam.no_obj_embed_spatial[..., None, None].expand_as(there))


def test_gathered_memory_has_a_place_for_each_key(sam: Sam2) -> None:
    grid, dim = sam.config.grid, sam.config.decoder.dim
    maps = [torch.randn(2, 8, grid, grid).bfloat16() for _ in range(3)]
    memory = sam.gather(maps, [0, 2, 1], [torch.randn(2, dim)] * 2, [0.5, -0.5])
    assert memory.values.shape == memory.positions.shape == (2, 3 * grid**2 + 2 * dim // 8, 8)
    assert memory.pointers == 2 * dim // 8
    assert memory.values.dtype == torch.float32
    difference = memory.positions[0, grid**2] - memory.positions[0, 2 * grid**2]
    expected = sam.maskmem_tpos_enc[1, 0, 0] - sam.maskmem_tpos_enc[0, 0, 0]
    torch.testing.assert_close(difference, expected, rtol=1e-4, atol=1e-5)
