"""Low-rank changes begin as none, learn apart from the matrices, and end inside them."""

from __future__ import annotations

import pytest
import torch
from tests import tiny

from samhq.errors import ConfigError
from samhq.training.lora import add_lora, add_same_lora, merged_state

PIXELS = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def features(sam: torch.nn.Module) -> torch.Tensor:
    with torch.no_grad():
        return sam.image_encoder(PIXELS).features


def changed() -> tuple[torch.nn.Module, torch.Tensor]:
    """A network with low-rank changes that are not zero, and its features before them."""
    sam = tiny.model(tiny.PLAIN)
    before = features(sam)
    add_lora(sam, rank=2, alpha=4.0)
    torch.testing.assert_close(features(sam), before)
    for name, parameter in sam.named_parameters():
        if name.endswith("lora_b"):
            torch.nn.init.constant_(parameter, 0.05)
    return sam, before


def test_the_merged_state_gives_what_the_changed_network_gives() -> None:
    sam, before = changed()
    merged = tiny.model(tiny.PLAIN)
    assert set(merged_state(sam)) == set(merged.state_dict()), "names of the original layout"
    merged.load_state_dict(merged_state(sam))
    assert (features(sam) - before).abs().max() > 1e-3
    torch.testing.assert_close(features(merged), features(sam))


def test_only_the_low_rank_parts_of_changed_matrices_learn() -> None:
    sam, _ = changed()
    originals = [p for name, p in sam.named_parameters() if name.endswith("weight.original")]
    assert originals
    assert not any(parameter.requires_grad for parameter in originals)
    sam.image_encoder(PIXELS).features.sum().backward()
    thin = [p for name, p in sam.named_parameters() if name.endswith(("lora_a", "lora_b"))]
    assert len(thin) == 2 * len(originals)
    assert all(parameter.grad is not None for parameter in thin)


def test_another_network_gets_the_same_changes() -> None:
    sam, _ = changed()
    other = tiny.model(tiny.PLAIN)
    add_same_lora(sam, other)
    torch.testing.assert_close(features(other), features(sam))
    add_same_lora(tiny.model(tiny.PLAIN), other)
    torch.testing.assert_close(features(other), features(sam))


def test_an_encoder_without_attention_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    sam = tiny.model(tiny.PLAIN)
    monkeypatch.setattr(type(sam.config.encoder), "lora", ())
    with pytest.raises(ConfigError, match="attention for LoRA"):
        add_lora(sam, 2, 4.0)
