from __future__ import annotations

from samhq.config import MODELS
from samhq.encoder_config import TinyViTConfig, ViTConfig


def vit() -> ViTConfig:
    return ViTConfig(dim=12, depth=3, heads=2, global_blocks=(1,))


def test_the_first_level_has_the_resolution_that_the_row_says() -> None:
    assert vit().level_hwc(1024) == (64, 64, 12)
    assert TinyViTConfig().level_hwc(512) == (32, 32, 160)


def test_the_shortest_encoder_has_the_same_levels() -> None:
    for row in MODELS.values():
        short = row.encoder.shortest
        assert short.level_hwc(row.side) == row.encoder.level_hwc(row.side)
        assert short.operations(row.side, 256) <= row.encoder.operations(row.side, 256)
