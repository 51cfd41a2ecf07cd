from __future__ import annotations

import itertools
import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from samhq.model.build import build
from samhq.model.encoders import tiny_vit
from samhq.model.encoders.tiny_vit import Bottleneck, MBConv, TinyViTAttention, TinyViTBlock, offset_index
from samhq.model.sam import Sam
from tests import tiny


def naive_attention(attention: TinyViTAttention, window: Tensor) -> Tensor:
    """One window [L,C], one query and one key at a time, as the published rows of `qkv` are ordered."""
    size, heads, width = attention.size, attention.heads, window.shape[1] // attention.heads
    rows = attention.qkv(attention.norm(window))
    out = torch.zeros_like(window)
    for head, query in itertools.product(range(heads), range(size * size)):
        start = head * 3 * width
        logits = []
        for key in range(size * size):
            dy, dx = abs(query // size - key // size), abs(query % size - key % size)
            product = rows[query, start : start + width] @ rows[key, start + width : start + 2 * width]
            logits.append(product / math.sqrt(width) + attention.attention_biases[head, dy * size + dx])
        share = torch.stack(logits).softmax(0)
        out[query, head * width : (head + 1) * width] = share @ rows[:, start + 2 * width : start + 3 * width]
    return attention.proj(out)


@torch.no_grad()
def test_attention_is_the_naive_one() -> None:
    attention = TinyViTAttention(8, heads=2, size=3, eps=1e-5)
    tiny.fill(attention)
    windows = torch.randn(2, 9, 8, generator=torch.Generator().manual_seed(0))
    expected = torch.stack([naive_attention(attention, window) for window in windows])
    torch.testing.assert_close(attention(windows.view(2, 3, 3, 8)).flatten(1, 2), expected)


@torch.no_grad()
def test_windows_are_padded_before_the_norm_and_padding_takes_part() -> None:
    block = TinyViTBlock(8, heads=2, window=3, mlp_ratio=2, eps=1e-5).eval()
    tiny.fill(block)
    x = torch.randn(1, 8, 4, 4, generator=torch.Generator().manual_seed(0))
    padded = F.pad(x, (0, 2, 0, 2))
    attended = torch.zeros_like(padded)
    for top, left in itertools.product((0, 3), (0, 3)):
        window = padded[0, :, top : top + 3, left : left + 3].flatten(1).T
        attended[0, :, top : top + 3, left : left + 3] = naive_attention(block.attn, window).T.view(8, 3, 3)
    y = block.local_conv(x + attended[..., :4, :4]).permute(0, 2, 3, 1)
    torch.testing.assert_close(block(x), (y + block.mlp(y)).permute(0, 3, 1, 2))


@torch.no_grad()
def test_the_activation_of_an_inverted_residual_follows_the_addition() -> None:
    block = MBConv(4, expand=2).eval()
    tiny.fill(block)
    x = torch.randn(1, 4, 5, 5, generator=torch.Generator().manual_seed(0))
    y = F.gelu(block.conv1.bn(block.conv1.c(x)))
    y = F.gelu(block.conv2.bn(F.conv2d(y, block.conv2.c.weight, padding=1, groups=8)))
    torch.testing.assert_close(block(x), F.gelu(x + block.conv3.bn(block.conv3.c(y))))


@pytest.mark.parametrize("budget", [1, 4000, tiny_vit.CACHE_BUDGET])
def test_strips_and_folded_norms_change_nothing(budget: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut into strips of any height, with or without what a kernel needs above and below; odd sizes, both strides."""
    monkeypatch.setattr(tiny_vit, "CACHE_BUDGET", budget)
    for block in (MBConv(4, expand=2).eval(), Bottleneck(4, 8, 8, 1).eval(), Bottleneck(4, 8, 8, 2).eval()):
        tiny.fill(block)
        for size_hw in ((21, 7), (16, 16), (1, 3)):
            x = torch.randn(2, 4, *size_hw, generator=torch.Generator().manual_seed(0))
            whole = block(x)  # recorded for gradients, so in one piece
            with torch.no_grad():
                torch.testing.assert_close(block(x), whole.detach())
        layer = block.conv2
        ones = torch.ones(1, 8, 5, 5)
        torch.testing.assert_close(layer(ones), layer.bn(layer.c(ones)))


@torch.no_grad()
def test_merging_has_no_activation_at_its_end() -> None:
    for stride, size in ((1, 6), (2, 3)):
        merging = Bottleneck(4, 8, 8, stride).eval()
        tiny.fill(merging)
        out = merging(torch.randn(1, 4, 6, 6, generator=torch.Generator().manual_seed(0)))
        assert out.shape == (1, 8, size, size)
        assert out.min() < -0.2  # below anything that GELU gives


def test_offsets_are_symmetric_and_all_used() -> None:
    index = offset_index(4, torch.device("cpu"))
    assert (index == index.T).all()
    assert (index.diagonal() == 0).all()
    assert index[0].tolist() == list(range(16))


@torch.no_grad()
def test_bias_is_read_from_its_parameter_whatever_came_before(light: Sam) -> None:
    """Published code caches the bias in `eval()`, so weights loaded later are used without their bias."""
    late = build(light.config).eval()
    pixels = tiny.pixels(light.config)
    before = late.encode(pixels).features
    late.load_state_dict(light.state_dict())
    torch.testing.assert_close(late.encode(pixels).features, light.encode(pixels).features, rtol=0, atol=0)
    assert not torch.allclose(before, late.encode(pixels).features)
    biases = [p for name, p in late.named_parameters() if name.endswith("attention_biases")]
    assert biases
    for bias in biases:
        bias.zero_()
    assert not torch.allclose(late.encode(pixels).features, light.encode(pixels).features, atol=1e-3)


def test_training_mode_differs_only_by_batch_statistics(light: Sam) -> None:
    sam, pixels = tiny.model(light.config), tiny.pixels(light.config, images=2)
    sam.train()
    with torch.no_grad():
        trained = sam.encode(pixels).features
    counters = [value for name, value in sam.state_dict().items() if name.endswith("num_batches_tracked")]
    assert {int(count) for count in counters} == {1}
    for module in sam.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eval()
    tiny.fill(sam)
    with torch.no_grad():
        torch.testing.assert_close(sam.encode(pixels).features, light.encode(pixels).features, rtol=0, atol=0)
        assert not torch.allclose(trained, light.encode(pixels).features, atol=1e-3)


def test_training_follows_inference_in_the_same_process() -> None:
    sam = tiny.model(tiny.LIGHT)
    with torch.inference_mode():
        sam.encode(tiny.pixels(tiny.LIGHT))
    sam.encode(tiny.pixels(tiny.LIGHT)).features.sum().backward()
    assert all(p.grad is not None for name, p in sam.named_parameters() if name.endswith("attention_biases"))


@torch.no_grad()
def test_early_features_are_the_second_stage_at_the_grid(light: Sam) -> None:
    encoder, pixels = light.image_encoder, tiny.pixels(light.config)
    _, (early,) = encoder(pixels)
    x = encoder.layers[1](encoder.layers[0](encoder.patch_embed(pixels)))
    torch.testing.assert_close(early, x.permute(0, 2, 3, 1))
    assert early.shape == (1, light.config.grid, light.config.grid, light.config.encoder.early_dim)
