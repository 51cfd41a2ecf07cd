from __future__ import annotations

import itertools
import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from samhq.model.encoders import vit
from samhq.model.encoders.vit import ViTAttention, ViTBlock, relative_table
from samhq.model.sam import Sam
from tests import tiny


def attention_with_weights(size: int, dim: int = 12, heads: int = 2) -> ViTAttention:
    attention = ViTAttention(dim, heads, dim // heads, size)
    tiny.fill(attention)
    return attention


def naive_relative(attention: ViTAttention, q: Tensor, h: int, w: int) -> Tensor:
    """The relative term [L,L] of one head's queries [L,c], one pair of cells at a time."""
    out = torch.zeros(h * w, h * w)
    for (y, x), (ky, kx) in itertools.product(itertools.product(range(h), range(w)), repeat=2):
        query = q[y * w + x]
        row = attention.rel_pos_h[y - ky + (len(attention.rel_pos_h) - 1) // 2]
        column = attention.rel_pos_w[x - kx + (len(attention.rel_pos_w) - 1) // 2]
        out[y * w + x, ky * w + kx] = query @ row + query @ column
    return out


def naive_attention(attention: ViTAttention, grid: Tensor) -> Tensor:
    """One grid [h,w,C], with softmax over explicit logits; rows of `qkv` are all q, all k, all v."""
    h, w, dim = grid.shape
    q, k, v = attention.qkv(grid.reshape(h * w, dim)).chunk(3, dim=1)
    heads = []
    for qh, kh, vh in zip(*(x.split(attention.head_dim, dim=1) for x in (q, k, v)), strict=True):
        logits = (qh / math.sqrt(attention.head_dim)) @ kh.T + naive_relative(attention, qh, h, w)
        heads.append(logits.softmax(1) @ vh)
    return attention.proj(torch.cat(heads, dim=1)).view(h, w, dim)


@torch.no_grad()
def test_relative_logits_are_the_naive_ones() -> None:
    attention = attention_with_weights(4)
    q = torch.randn(2, 2, 16, 6, generator=torch.Generator().manual_seed(0))
    ours = attention.relative_logits(q, 4, 4)
    for image, head in itertools.product(range(2), range(2)):
        torch.testing.assert_close(ours[image, head], naive_relative(attention, q[image, head], 4, 4))


@torch.no_grad()
@pytest.mark.parametrize("cache", [1, 5 * 16, 16**2, vit.CACHE_BUDGET])
@pytest.mark.parametrize("budget", [1, 3 * 16**2, vit.BIAS_BUDGET])
def test_attention_is_the_naive_one_in_pieces_of_any_size(
    budget: int, cache: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vit, "BIAS_BUDGET", budget)
    monkeypatch.setattr(vit, "CACHE_BUDGET", cache)
    attention = attention_with_weights(4)
    grids = torch.randn(3, 4, 4, 12, generator=torch.Generator().manual_seed(0))
    expected = torch.stack([naive_attention(attention, grid) for grid in grids])
    torch.testing.assert_close(attention(grids), expected)


@pytest.mark.parametrize(("height", "width"), [(4, 4), (3, 5), (7, 7)])
def test_rows_of_relative_logits_begin_where_fused_attention_takes_them(height: int, width: int) -> None:
    """Without gradients, rows begin at multiples of eight numbers; the numbers are the same."""
    attention = attention_with_weights(7)
    q = torch.randn(2, 2, height * width, 6, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        aligned = attention.relative_logits(q, height, width)
    recorded = attention.relative_logits(q, height, width)
    assert recorded.requires_grad
    assert torch.equal(aligned, recorded)
    assert [stride % 8 for stride in aligned.stride()] == [0, 0, 0, 1]


@torch.no_grad()
@pytest.mark.parametrize("grid_hw", [(4, 4), (3, 5), (6, 6)])
def test_windows_are_padded_after_the_norm_and_padding_takes_part(grid_hw: tuple[int, int]) -> None:
    block = ViTBlock(12, heads=2, head_dim=6, mlp_dim=20, window=3, grid=4, eps=1e-6, qkv_bias=True)
    tiny.fill(block)
    x = torch.randn(1, *grid_hw, 12, generator=torch.Generator().manual_seed(0))
    padded = F.pad(block.norm1(x), (0, 0, 0, -grid_hw[1] % 3, 0, -grid_hw[0] % 3))[0]
    attended = torch.zeros_like(padded)
    for top, left in itertools.product(range(0, padded.shape[0], 3), range(0, padded.shape[1], 3)):
        window = padded[top : top + 3, left : left + 3]
        attended[top : top + 3, left : left + 3] = naive_attention(block.attn, window)
    y = x + attended[: grid_hw[0], : grid_hw[1]]
    torch.testing.assert_close(block(x), y + block.mlp(block.norm2(y)))


def test_relative_table_takes_row_of_the_difference() -> None:
    table = torch.arange(7.0)[:, None]
    assert relative_table(table, 4)[..., 0].tolist() == [[3, 2, 1, 0], [4, 3, 2, 1], [5, 4, 3, 2], [6, 5, 4, 3]]


def test_relative_table_of_another_length_keeps_a_straight_line() -> None:
    """Linear interpolation of a ramp is a ramp but for its clamped ends, and its middle stays the middle."""
    table = relative_table(torch.linspace(-1, 1, 27)[:, None], 4)[..., 0]
    torch.testing.assert_close(table.diagonal(), torch.zeros(4))
    steps = table[:, 0].diff()
    torch.testing.assert_close(steps, steps[:1].expand(3))
    torch.testing.assert_close(table, -table.T)


@torch.no_grad()
def test_early_features_are_the_global_blocks(hq: Sam) -> None:
    seen = []
    hooks = [block.register_forward_hook(lambda _, __, out: seen.append(out)) for block in hq.image_encoder.blocks]
    _, early = hq.image_encoder(tiny.pixels(hq.config))
    for hook in hooks:
        hook.remove()
    assert len(early) == 2
    for features, index in zip(early, hq.config.encoder.global_blocks, strict=True):
        assert features is seen[index]


@torch.no_grad()
def test_pictures_of_a_batch_do_not_meet(hq: Sam) -> None:
    pixels = tiny.pixels(hq.config, images=3)
    together = hq.image_encoder(pixels)[0]
    for picture, features in zip(pixels, together, strict=True):
        torch.testing.assert_close(hq.image_encoder(picture[None])[0][0], features)
