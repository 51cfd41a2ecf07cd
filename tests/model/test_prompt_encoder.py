from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch

from samhq.model.prompt_encoder import PositionEmbedding, PromptEncoder, ignored_of, tokens_of
from samhq.model.sam import Sam
from samhq.types import BOTTOM_RIGHT, IGNORED, NOT_A_POINT, TOP_LEFT, Prompts
from tests import tiny

HALVES = [torch.float16, torch.bfloat16]


@pytest.fixture
def encoder(hq: Sam) -> PromptEncoder:
    return hq.prompt_encoder


def tokens(encoder: PromptEncoder, xy: tuple[float, float], label: int) -> torch.Tensor:
    return encoder.embed_places(torch.tensor([[xy]], dtype=torch.float32), torch.tensor([[label]]))[0, 0]


def test_positions_are_sines_then_cosines_of_pixel_centres(encoder: PromptEncoder) -> None:
    matrix = encoder.pe_layer.positional_encoding_gaussian_matrix.double().numpy()
    place = (np.array([10.0, 20.0]) + 0.5) / encoder.side
    angles = 2 * math.pi * ((2 * place - 1) @ matrix)
    expected = np.concatenate([np.sin(angles), np.cos(angles)])
    ours = tokens(encoder, (10, 20), 1) - encoder.point_embeddings[1].weight[0]
    np.testing.assert_allclose(ours.numpy(), expected, atol=2e-5)


def test_grid_positions_are_those_of_cell_centres(encoder: PromptEncoder) -> None:
    grid = encoder.get_dense_pe()
    assert grid.shape == (1, 32, encoder.grid, encoder.grid)
    cell = encoder.side / encoder.grid
    for x, y in ((0, 0), (3, 1)):
        place = ((x + 0.5) * cell - 0.5, (y + 0.5) * cell - 0.5)
        point = tokens(encoder, place, 0) - encoder.point_embeddings[0].weight[0]
        torch.testing.assert_close(grid[0, :, y, x], point, atol=2e-5, rtol=0)


def test_label_minus_one_has_no_place(encoder: PromptEncoder) -> None:
    assert torch.equal(tokens(encoder, (10, 20), NOT_A_POINT), encoder.not_a_point_embed.weight[0])
    assert torch.equal(tokens(encoder, (30, 5), NOT_A_POINT), encoder.not_a_point_embed.weight[0])


def test_ignored_places_are_nothing(encoder: PromptEncoder) -> None:
    assert tokens(encoder, (10, 20), IGNORED).abs().max() == 0


@pytest.mark.parametrize("label", [0, 1, 2, 3])
def test_each_label_adds_its_own_embedding(encoder: PromptEncoder, label: int) -> None:
    difference = tokens(encoder, (10, 20), label) - tokens(encoder, (10, 20), 0)
    expected = encoder.point_embeddings[label].weight[0] - encoder.point_embeddings[0].weight[0]
    torch.testing.assert_close(difference, expected)


def test_a_box_is_two_labelled_points(encoder: PromptEncoder) -> None:
    box = encoder.sparse(Prompts(torch.zeros(1, dtype=torch.int64), boxes=torch.tensor([[3.0, 4.0, 30.0, 40.0]])))
    assert torch.equal(box.tokens[0, 0], tokens(encoder, (3, 4), TOP_LEFT))
    assert torch.equal(box.tokens[0, 1], tokens(encoder, (30, 40), BOTTOM_RIGHT))
    assert box.ignored is None


INDEX = torch.zeros(3, dtype=torch.int64)
POINTS = torch.arange(6.0).view(3, 1, 2)
LABELS = torch.tensor([[1], [0], [IGNORED]])
BOXES = torch.tensor([[1.0, 2, 3, 4], [math.nan] * 4, [5.0, 6, 7, 8]])


def test_points_alone_end_in_a_place_that_is_none() -> None:
    places, labels = tokens_of(Prompts(INDEX[:2], POINTS[:2], LABELS[:2]))
    assert labels.tolist() == [[1, NOT_A_POINT], [0, NOT_A_POINT]]
    assert places.shape == (2, 2, 2)
    assert ignored_of(labels) is None


def test_a_box_takes_the_place_of_that_end() -> None:
    places, labels = tokens_of(Prompts(INDEX, POINTS, LABELS, BOXES))
    assert labels.tolist() == [[1, 2, 3], [0, NOT_A_POINT, IGNORED], [IGNORED, 2, 3]]
    assert places[0].tolist() == [[0, 1], [1, 2], [3, 4]]
    assert not places.isnan().any()
    ignored = ignored_of(labels)
    assert ignored is not None
    assert ignored.tolist() == [[False] * 3, [False, False, True], [True, False, False]]


def test_a_prompt_without_points_has_no_such_end() -> None:
    assert tokens_of(Prompts(INDEX, POINTS, LABELS))[1].tolist() == [[1, -1], [0, -1], [IGNORED, IGNORED]]
    assert tokens_of(Prompts(INDEX))[1].shape == (3, 0)
    assert tokens_of(Prompts(INDEX, boxes=BOXES))[1].tolist() == [[2, 3], [IGNORED, IGNORED], [2, 3]]


def test_points_without_labels_are_foreground() -> None:
    assert tokens_of(Prompts(INDEX, POINTS))[1].tolist() == [[1, NOT_A_POINT]] * 3


@torch.no_grad()
def test_masks_become_maps_and_missing_ones_the_learned_map(encoder: PromptEncoder) -> None:
    masks = tiny.masks(tiny.HQ, [True, False, True])
    dense = encoder.dense(masks)
    assert dense.shape == (3, 32, encoder.grid, encoder.grid)
    learned = encoder.no_mask_embed.weight[0]
    assert torch.equal(dense[1], learned[:, None, None].expand_as(dense[1]))
    torch.testing.assert_close(dense[::2], encoder.mask_downscaling(masks[::2]))
    assert torch.equal(encoder.dense(None)[0, :, 0, 0], learned)


@torch.no_grad()
@pytest.mark.parametrize("dtype", HALVES)
def test_places_stay_exact_in_half_precision(encoder: PromptEncoder, dtype: torch.dtype) -> None:
    """With the matrix or the places in half precision the error would be a tenth, ten times what is allowed here."""
    half = copy.deepcopy(encoder).to(dtype)
    places, labels = tiny.points(tiny.HQ, [50])
    error = half.embed_places(places, labels).float() - encoder.embed_places(places, labels)
    assert half.embed_places(places, labels).dtype == half.get_dense_pe().dtype == dtype
    assert error.abs().max() < 2 * torch.finfo(dtype).eps
    assert (half.get_dense_pe().float() - encoder.get_dense_pe()).abs().max() < torch.finfo(dtype).eps


@pytest.mark.parametrize("dtype", [*HALVES, torch.float64])
def test_frequencies_stay_float32_and_come_back_whole(encoder: PromptEncoder, dtype: torch.dtype) -> None:
    cast = copy.deepcopy(encoder).to(dtype)
    name = "pe_layer.positional_encoding_gaussian_matrix"
    assert cast.pe_layer.positional_encoding_gaussian_matrix.dtype == torch.float32
    assert cast.no_mask_embed.weight.dtype == dtype
    assert torch.equal(cast.state_dict()[name], encoder.state_dict()[name])
    again = copy.deepcopy(encoder)
    torch.nn.init.zeros_(again.pe_layer.positional_encoding_gaussian_matrix)
    again.load_state_dict(cast.state_dict())
    assert torch.equal(again.state_dict()[name], encoder.state_dict()[name])
    cast.float()
    assert torch.equal(cast.state_dict()[name], encoder.state_dict()[name])


def test_autocast_does_not_touch_positions(encoder: PromptEncoder) -> None:
    places, labels = tiny.points(tiny.HQ, [5])
    expected = encoder.embed_places(places, labels)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(encoder.embed_places(places, labels), expected)


def test_frequencies_move_with_the_module() -> None:
    layer = PositionEmbedding(8).to("meta")
    assert layer.positional_encoding_gaussian_matrix.is_meta
    assert layer.to_empty(device="cpu").positional_encoding_gaussian_matrix.device.type == "cpu"
