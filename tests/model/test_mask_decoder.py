from __future__ import annotations

import pytest
import torch

from samhq.model.mask_decoder import product
from samhq.model.sam import Sam
from samhq.types import Attended, Choice, ImageEmbedding, Prompts, Sparse
from tests import tiny

INDEX = torch.tensor([1, 0, 1])


@pytest.fixture
def embedding(any_sam: Sam) -> ImageEmbedding:
    return any_sam.encode(tiny.pixels(any_sam.config, images=2))


@pytest.fixture
def prompts(any_sam: Sam) -> Prompts:
    places, labels = tiny.points(any_sam.config, [1, 3, 2])
    return Prompts(INDEX, places, labels, boxes=tiny.boxes(any_sam.config, [True, False, True]))


@pytest.fixture
def attended(any_sam: Sam, embedding: ImageEmbedding, prompts: Prompts) -> Attended:
    return any_sam.attend(embedding, prompts)


def paint(sam: Sam, attended: Attended, embedding: ImageEmbedding, masks: list[int], hq: str = "off") -> torch.Tensor:
    choice = torch.tensor([masks] * len(attended.image_index))
    return sam.mask_decoder.paint(attended, embedding, Choice(choice, attended.iou.gather(1, choice), hq))


def test_attended_has_one_row_a_prompt(any_sam: Sam, attended: Attended) -> None:
    learned, grid = 5 + any_sam.config.hq + any_sam.config.second, any_sam.config.grid
    assert attended.tokens.shape == (3, learned, 32)
    assert attended.image.shape == (3, 32, grid, grid)
    assert attended.iou.shape == (3, 4)
    assert torch.equal(attended.image_index, INDEX)


def test_sharing_the_image_equals_a_copy_for_each_prompt(
    any_sam: Sam, embedding: ImageEmbedding, prompts: Prompts, attended: Attended
) -> None:
    encoder = any_sam.prompt_encoder
    copies = embedding.features[INDEX] + encoder.dense(None)
    other = any_sam.mask_decoder.attend(copies, encoder.get_dense_pe(), encoder.sparse(prompts), INDEX)
    torch.testing.assert_close(other.tokens, attended.tokens)
    torch.testing.assert_close(other.image, attended.image)
    torch.testing.assert_close(other.iou, attended.iou)


def test_painting_the_chosen_equals_choosing_from_the_painted(
    any_sam: Sam, embedding: ImageEmbedding, attended: Attended
) -> None:
    every = paint(any_sam, attended, embedding, [0, 1, 2, 3])
    for masks in ([0], [3], [2, 1], [1, 2, 3]):
        torch.testing.assert_close(paint(any_sam, attended, embedding, masks), every[:, masks])


def test_painting_some_prompts_equals_some_of_the_painted(
    any_sam: Sam, embedding: ImageEmbedding, attended: Attended
) -> None:
    hq = "add" if any_sam.config.hq else "off"
    every = paint(any_sam, attended, embedding, [1, 2], hq)
    keep = torch.tensor([True, False, True])
    for rows in (keep, torch.tensor([0, 2]), slice(1, None)):
        torch.testing.assert_close(paint(any_sam, attended[rows], embedding, [1, 2], hq), every[rows])


def test_nothing_kept_paints_nothing(any_sam: Sam, embedding: ImageEmbedding, attended: Attended) -> None:
    none = attended[torch.zeros(3, dtype=torch.bool)]
    size = 4 * any_sam.config.grid
    empty = Choice(torch.zeros(0, 1, dtype=torch.int64), torch.zeros(0, 1), "off")
    assert any_sam.mask_decoder.paint(none, embedding, empty).shape == (0, 1, size, size)


def test_learned_tokens_come_in_the_published_order(any_sam: Sam) -> None:
    decoder = any_sam.mask_decoder
    tokens = decoder.output_tokens()
    assert torch.equal(tokens[0], decoder.iou_token.weight[0])
    assert torch.equal(tokens[1:5], decoder.mask_tokens.weight)
    if any_sam.config.hq:
        assert torch.equal(tokens[5], decoder.hf_token.weight[0])


def test_iou_comes_from_the_first_token(any_sam: Sam, attended: Attended) -> None:
    expected = any_sam.mask_decoder.iou_prediction_head(attended.tokens[:, 0])
    expected = expected.sigmoid() if any_sam.config.second else expected
    torch.testing.assert_close(attended.iou, expected)


def test_each_mask_has_its_own_token_and_hypernetwork(
    any_sam: Sam, embedding: ImageEmbedding, attended: Attended
) -> None:
    decoder = any_sam.mask_decoder
    features = decoder.upscaled(attended, embedding)
    for number, mlp in enumerate(decoder.output_hypernetworks_mlps):
        weights = mlp(attended.tokens[:, 1 + number])
        expected = torch.einsum("pc,pcyx->pyx", weights, features)
        torch.testing.assert_close(paint(any_sam, attended, embedding, [number])[:, 0], expected)


def test_a_prompt_of_nothing_is_answered(any_sam: Sam, embedding: ImageEmbedding) -> None:
    """Only the learned tokens meet the image: the embedding of no point, box or mask is legitimate."""
    encoder, index = any_sam.prompt_encoder, torch.tensor([0])
    empty = Sparse(torch.zeros(1, 0, 32))
    image = embedding.features + encoder.dense(None)
    expected = any_sam.mask_decoder.attend(image[index], encoder.get_dense_pe(), empty, index)
    torch.testing.assert_close(any_sam.attend(embedding, Prompts(index)).tokens, expected.tokens)


def test_product() -> None:
    features = torch.arange(8.0).view(1, 2, 2, 2)
    assert product(torch.tensor([[[1.0, 10.0]]]), features).tolist() == [[[[40, 51], [62, 73]]]]
