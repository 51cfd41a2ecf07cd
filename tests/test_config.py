from __future__ import annotations

import dataclasses

import pytest

from samhq.config import MODELS, DecoderConfig, Defaults, ModelConfig, model_config
from samhq.encoder_config import PIXEL_MEAN, PIXEL_STD, TinyViTConfig, ViTConfig
from samhq.errors import ConfigError, SamHQError


def vit(**changes: object) -> ViTConfig:
    return ViTConfig(**{"dim": 12, "depth": 3, "heads": 2, "global_blocks": (1,), **changes})  # type: ignore[arg-type]


def test_the_table_is_keyed_by_the_rows_names() -> None:
    assert all(name == row.name for name, row in MODELS.items())
    assert len(MODELS) == 20


def test_the_published_variants() -> None:
    """Dim, depth, heads, MLP and global blocks of each plain ViT."""
    facts = {
        name: (row.encoder.dim, row.encoder.depth, row.encoder.heads, row.encoder.mlp_dim, row.encoder.global_blocks)
        for name, row in MODELS.items()
        if isinstance(row.encoder, ViTConfig)
    }
    sizes = {
        "b": (768, 12, 12, 3072, (2, 5, 8, 11)),
        "l": (1024, 24, 16, 4096, (5, 11, 17, 23)),
        "h": (1280, 32, 16, 5120, (7, 15, 23, 31)),
    }
    assert facts == {
        **{f"sam_vit_{size}": fact for size, fact in sizes.items()},
        **{f"sam_hq_vit_{size}": fact for size, fact in sizes.items()},
        "slimsam_50": (384, 12, 12, 1536, (2, 5, 8, 11)),
        "slimsam_77": (168, 12, 12, 696, (2, 5, 8, 11)),
    }


def test_who_has_hq_heads() -> None:
    assert {name for name, row in MODELS.items() if row.hq} == {
        "starter",
        *(name for name in MODELS if "_hq_" in name),
    }


def test_normalisation_is_imagenets() -> None:
    assert pytest.approx([255 * x for x in (0.485, 0.456, 0.406)]) == PIXEL_MEAN
    assert pytest.approx([255 * x for x in (0.229, 0.224, 0.225)]) == PIXEL_STD


def test_numbers_that_follow_from_others() -> None:
    assert (vit().mlp_dim, vit().head_dim) == (48, 6)
    assert (vit(mlp_dim=50).mlp_dim, vit(head_dim=8).head_dim) == (50, 8)
    assert vit().early_dim == 12
    assert TinyViTConfig().early_dim == 160


def test_grid_follows_the_side() -> None:
    assert MODELS["sam_hq_vit_tiny"].grid == 64
    assert MODELS["sam_hq_vit_tiny"].replace(side=512).grid == 32


def test_rows_are_values() -> None:
    row = MODELS["mobile_sam"]
    assert row.replace() == row
    assert hash(row.replace()) == hash(row)
    with pytest.raises(dataclasses.FrozenInstanceError):
        row.side = 3  # type: ignore[misc]
    assert row.replace(side=512).name == "mobile_sam"
    assert row.side == 1024


@pytest.mark.parametrize("side", [0, -16, 8, 1000])
def test_sides_that_no_patch_fits(side: int) -> None:
    with pytest.raises(ConfigError, match=f"multiple of 16, got {side}"):
        ModelConfig("other", vit(), side=side)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dim": 13}, "multiple of heads, got dim=13, heads=2"),
        ({"global_blocks": ()}, r"blocks 0\.\.2, got \(\)"),
        ({"global_blocks": (3,)}, r"blocks 0\.\.2, got \(3,\)"),
        ({"global_blocks": (-1,)}, r"blocks 0\.\.2, got \(-1,\)"),
    ],
)
def test_rows_that_no_network_fits(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        vit(**changes)


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(SamHQError, match=r"got 'sam_hq_vit_x'\. Did you mean 'sam_hq_vit_"):
        model_config("sam_hq_vit_x")
    assert model_config("slimsam_77") is MODELS["slimsam_77"]


def test_the_original_epsilon_is_the_default() -> None:
    """transformers' configs say 1e-6 for the decoder's norms; the published weights were made with 1e-5."""
    assert DecoderConfig().norm_eps == 1e-5
    assert vit().norm_eps == 1e-6
    assert TinyViTConfig().norm_eps == 1e-5


def test_default_settings_are_no_part_of_the_architecture() -> None:
    row = MODELS["mobile_sam"].replace(defaults=Defaults(hq="off"))
    assert row == MODELS["mobile_sam"]
    assert row.defaults.stated() == {"hq": "off"}
    assert Defaults().stated() == {}
