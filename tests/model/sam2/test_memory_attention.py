from __future__ import annotations

import pytest
import torch

from samhq.model.sam2 import memory_attention, weighted_sums
from samhq.model.sam2.memory_attention import Memory, MemoryAttention, RotaryAttention
from samhq.model.sam2.positions import rotation_table
from tests import tiny


@pytest.fixture
def attention() -> MemoryAttention:
    made = MemoryAttention(dim=32, memory_dim=8, depth=2, mlp_dim=24, dropout=0.1).eval()
    tiny.fill(made)
    return made


def memory(objects: int, maps: int, pointers: int) -> Memory:
    source = torch.Generator().manual_seed(1)
    keys = maps * 9 + pointers
    return Memory(*(torch.randn(objects, keys, 8, generator=source) for _ in range(2)), pointers)


@pytest.mark.parametrize("pointers", [0, 4])
@pytest.mark.parametrize("maps", [2, 8])
@pytest.mark.parametrize("refused", [False, True])
def test_in_pieces_is_the_same_as_recorded(
    attention: MemoryAttention, maps: int, pointers: int, refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without gradients values are projected after the sum, some queries at a time; with them as in the books.

    Many maps are taken row by row. Where sums of exponentials exceed float32, softmax subtracts the maximum.
    """
    monkeypatch.setattr(memory_attention, "LOGIT_BUDGET", 100)
    rows = watched(monkeypatch, RotaryAttention, "_rows")
    pieces = watched(monkeypatch, memory_attention, "_in_pieces")
    if refused:
        monkeypatch.setattr(weighted_sums, "_SMALLEST_SUM", 1e30)
    features = torch.randn(1, 32, 3, 3, generator=torch.Generator().manual_seed(0)).expand(2, -1, -1, -1)
    remembered = memory(2, maps, pointers)
    recorded = attention(features, remembered)
    with torch.inference_mode():
        torch.testing.assert_close(attention(features, remembered), recorded.detach(), rtol=1e-4, atol=1e-5)
    assert bool(rows) == (maps == 8)
    assert bool(pieces) == refused


def watched(monkeypatch: pytest.MonkeyPatch, owner: object, name: str) -> list[str]:
    """Grows by one with each call of a function, which still does its work."""
    calls: list[str] = []
    function = getattr(owner, name)

    def call(*given: object) -> object:
        calls.append(name)
        return function(*given)

    monkeypatch.setattr(owner, name, call)
    return calls


def test_a_changed_projection_of_keys_counts(attention: MemoryAttention) -> None:
    """The weights of a projection with a hook, as adapters set them, are not used without calling it."""
    features, remembered = torch.randn(1, 32, 3, 3), memory(1, 8, 0)
    with torch.inference_mode():
        before = attention(features, remembered)
        attention.layers[1].cross_attn_image.k_proj.register_forward_hook(lambda _module, _given, keys: 2 * keys)
        after = attention(features, remembered)
    assert not torch.allclose(before, after, atol=1e-4)
    torch.testing.assert_close(attention(features, remembered).detach(), after, rtol=1e-4, atol=1e-5)


def test_objects_do_not_see_each_other(attention: MemoryAttention) -> None:
    features, both = torch.randn(2, 32, 3, 3), memory(2, 1, 4)
    together = attention(features, both)
    for row in range(2):
        alone = Memory(both.values[row : row + 1], both.positions[row : row + 1], both.pointers)
        torch.testing.assert_close(attention(features[row : row + 1], alone), together[row : row + 1])


def test_pointers_have_no_place_and_maps_have() -> None:
    made = RotaryAttention(32, 8, 0.0).eval()
    tiny.fill(made)
    source, table = torch.Generator().manual_seed(0), rotation_table(32, 3, 3)
    q, keys = torch.randn(1, 9, 32, generator=source), torch.randn(1, 13, 8, generator=source)
    found = made(q, keys, keys, table, 4)
    turned = torch.cat([keys[:, :9], keys[:, 9:].flip(1)], 1)
    torch.testing.assert_close(made(q, turned, turned, table, 4), found)
    moved = torch.cat([keys[:, :9].flip(1), keys[:, 9:]], 1)
    assert not torch.allclose(made(q, moved, moved, table, 4), found, atol=1e-3)
