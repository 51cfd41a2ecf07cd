from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from samhq.model.encoders.hiera import Hiera, HieraAttention, HieraBlock, by_pieces, max_pooled
from tests import tiny


def plainly(attention: HieraAttention, x: torch.Tensor, window: int) -> torch.Tensor:
    """Window by window with explicit zero padding, as in the original."""
    _, height, width, _ = x.shape
    x = F.pad(x, (0, 0, 0, -width % window, 0, -height % window))
    step = window // 2 if attention.pool else window
    out = x.new_zeros(1, x.shape[1] // window * step, x.shape[2] // window * step, attention.proj.out_features)
    for row in range(x.shape[1] // window):
        for column in range(x.shape[2] // window):
            one = x[:, row * window : (row + 1) * window, column * window : (column + 1) * window]
            q, k, v = attention.qkv(one).chunk(3, dim=-1)
            q = F.max_pool2d(q.permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1) if attention.pool else q
            heads = [part.flatten(1, 2).unflatten(2, (attention.heads, -1)).transpose(1, 2) for part in (q, k, v)]
            seen = (heads[0] @ heads[1].mT * heads[0].shape[-1] ** -0.5).softmax(-1) @ heads[2]
            seen = attention.proj(seen.transpose(1, 2).flatten(2)).view(1, step, step, -1)
            out[:, row * step : (row + 1) * step, column * step : (column + 1) * step] = seen
    return out[:, : height // 2, : width // 2] if attention.pool else out[:, :height, :width]


@pytest.mark.parametrize("pool", [False, True])
@pytest.mark.parametrize("window", [4, 6])
def test_windows_with_padding_are_the_published_ones(pool: bool, window: int) -> None:
    attention = HieraAttention(8, 12, 2, pool=pool)
    tiny.fill(attention)
    x = torch.randn(1, 8, 8, 8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(attention(x, window), plainly(attention, x, window), rtol=1e-4, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("pool", [False, True])
def test_windows_by_pieces_equal_windows_together(pool: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    block, x = HieraBlock(8, 16, 2, 4, 2, pool=pool), torch.randn(7, 4, 4, 8)
    monkeypatch.setattr("samhq.model.encoders.hiera.PIECE", 3 * 4 * 4 * 8)
    torch.testing.assert_close(by_pieces(block, x), block(x))
    calls: list[int] = []
    block.register_forward_hook(lambda module, given, out: calls.append(len(out)))
    by_pieces(block, x)
    assert calls == [7]


def test_pooling_is_torchs() -> None:
    x = torch.randn(2, 6, 4, 3)
    torch.testing.assert_close(max_pooled(x), F.max_pool2d(x.permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1))


def test_positions_are_the_enlarged_background_and_repeated_windows() -> None:
    trunk = tiny.shared(tiny.SECOND).image_encoder.trunk
    assert isinstance(trunk, Hiera)
    positions = trunk.positions(8, 4)
    size = trunk.pos_embed_window.shape[-1]
    background = F.interpolate(trunk.pos_embed, (8, 4), mode="bicubic", align_corners=False)
    for y in range(8):
        for x in range(4):
            expected = background[0, :, y, x] + trunk.pos_embed_window[0, :, y % size, x % size]
            torch.testing.assert_close(positions[0, y, x], expected)


def test_the_first_block_of_a_stage_has_the_window_of_the_stage_before() -> None:
    trunk = tiny.shared(tiny.SECOND).image_encoder.trunk
    assert [(block.window, block.pool) for block in trunk.blocks] == [
        (4, False),
        (4, True),
        (0, True),
        (6, False),
        (6, True),
    ]
    assert trunk.ends == [0, 1, 3, 4]
