from __future__ import annotations

import pytest
import torch

from samhq.model.transformer import Attention, TwoWayTransformer
from tests import tiny

PROMPTS, TOKENS, CELLS, DIM = 5, 4, 9, 16
OWNER = torch.tensor([1, 0, 1, 2, 0])


@pytest.fixture(scope="module")
def transformer() -> TwoWayTransformer:
    module = TwoWayTransformer(dim=DIM, depth=2, heads=2, mlp_dim=24, downsample=2, eps=1e-5)
    tiny.fill(module)
    return module.requires_grad_(False)


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("images", [1, 3])
def test_sharing_an_image_equals_a_copy_for_each_prompt(transformer: TwoWayTransformer, images: int) -> None:
    owner = OWNER % images
    tokens, image, pe = random(PROMPTS, TOKENS, DIM), random(images, CELLS, DIM, seed=1), random(1, CELLS, DIM, seed=2)
    shared = transformer(tokens, transformer.share(image, pe)[owner], pe)
    copied = transformer(tokens, image[owner], pe)
    for ours, expected in zip(shared, copied, strict=True):
        torch.testing.assert_close(ours, expected)


def test_shared_rows_are_contiguous_for_maps_with_channels_first(transformer: TwoWayTransformer) -> None:
    """Every prompt reads them, so each position's channels lie side by side in memory."""
    image, pe = random(2, DIM, CELLS).mT, random(1, DIM, CELLS, seed=1).mT
    shared = transformer.share(image, pe)
    assert shared.image.is_contiguous()
    assert shared.place.is_contiguous()
    assert torch.equal(shared.image, image)


def test_ignored_tokens_change_nothing(transformer: TwoWayTransformer) -> None:
    tokens, image, pe = random(2, TOKENS, DIM), random(2, CELLS, DIM, seed=1), random(1, CELLS, DIM, seed=2)
    ignored = torch.tensor([[False, False, True, False], [False, True, True, False]])
    longer = transformer(tokens, image, pe, ignored)
    for row in range(2):
        shorter = transformer(tokens[row : row + 1, ~ignored[row]], image[row : row + 1], pe)
        torch.testing.assert_close(longer[0][row][~ignored[row]], shorter[0][0])
        torch.testing.assert_close(longer[1][row], shorter[1][0])
    loud = torch.where(ignored[..., None], 1e3, tokens)
    torch.testing.assert_close(transformer(loud, image, pe, ignored)[1], longer[1])


def test_attention_is_softmax_of_scaled_products() -> None:
    attention = Attention(DIM, heads=2, downsample=2)
    tiny.fill(attention)
    q, k, v = random(1, 3, DIM), random(1, CELLS, DIM, seed=1), random(1, CELLS, DIM, seed=2)
    heads = []
    projected = (attention.q_proj(q), attention.k_proj(k), attention.v_proj(v))
    for qh, kh, vh in zip(*(x.split(DIM // 4, dim=2) for x in projected), strict=True):
        heads.append(((qh @ kh.transpose(1, 2)) / (DIM // 4) ** 0.5).softmax(2) @ vh)
    torch.testing.assert_close(attention(q, k, v), attention.out_proj(torch.cat(heads, dim=2)))


def test_places_folded_into_tokens_change_nothing_but_the_order_of_the_sums() -> None:
    """`attend_to_image` and `image_update` against the usual formula, with the biases of keys and output."""
    attention = Attention(DIM, heads=2, downsample=2)
    tiny.fill(attention)
    tokens, placed, places = random(3, TOKENS, DIM), random(3, CELLS, DIM, seed=1), random(3, CELLS, DIM, seed=2)
    torch.testing.assert_close(attention.attend_to_image(tokens, placed, places), attention(tokens, placed, places))
    guide = random(3, 1, TOKENS, CELLS, seed=3)
    torch.testing.assert_close(
        attention.attend_to_image(tokens, placed, places, guide), attention(tokens, placed, places, guide)
    )
    taking_part = torch.tensor([[True, True, False, True]] * 3)[:, None, None]
    for mask in (None, taking_part):
        weights, vectors = attention.image_update(tokens, attention.image_to_token_logits(placed, tokens), mask)
        torch.testing.assert_close(weights @ vectors, attention(placed, tokens, tokens, mask))


def test_plain_rows_and_shared_rows_train_alike(transformer: TwoWayTransformer) -> None:
    gradients = []
    for share in (True, False):
        image = random(1, CELLS, DIM, seed=1).requires_grad_()
        tokens, pe, owner = random(2, TOKENS, DIM), random(1, CELLS, DIM, seed=2), torch.tensor([0, 0])
        rows = transformer.share(image, pe)[owner] if share else image.expand(2, -1, -1)
        out = transformer(tokens, rows, pe)
        gradients += torch.autograd.grad(out[0].square().sum() + out[1].square().sum(), image)
    torch.testing.assert_close(*gradients)


def test_inputs_stay_as_they_are(transformer: TwoWayTransformer) -> None:
    inputs = (random(2, TOKENS, DIM), random(2, CELLS, DIM), random(1, CELLS, DIM))
    copies = [x.clone() for x in inputs]
    target = random(2, 1, DIM)
    transformer(*inputs, target=target)
    for before, after in zip([*copies, random(2, 1, DIM)], [*inputs, target], strict=True):
        assert torch.equal(before, after)
