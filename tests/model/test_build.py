from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch

from samhq.config import MODELS, ModelConfig
from samhq.model.build import build
from samhq.model.mask_decoder_hq import HQ_MODULES
from samhq.model.prompt_encoder import PromptEncoder
from tests import tiny

FREQUENCIES = 256  #: numbers of the positional matrix, a buffer here and a parameter where SlimSAM's were counted
#: All parameters, as published.
PARAMETERS = {
    "sam_vit_b": 93_735_472,
    "sam_vit_l": 312_342_832,
    "sam_vit_h": 641_090_608,
    "sam_hq_vit_b": 94_806_576,
    "sam_hq_vit_l": 313_676_080,
    "sam_hq_vit_h": 642_686_000,
    "sam_hq_vit_tiny": 10_578_604,
    "mobile_sam": 10_130_092,
    "starter": 7_744_848,
    "slimsam_50": 27_962_032 - FREQUENCIES,
    "slimsam_77": 9_723_784 - FREQUENCIES,
    "sam2.1_hiera_tiny": 38_962_498,
    "sam2.1_hiera_small": 46_060_354,
    "sam2.1_hiera_base_plus": 80_850_178,
    "sam2.1_hiera_large": 224_446_642,
    "sam2.1_hq_hiera_large": 224_623_794,
    "sam2_hiera_tiny": 38_945_986,
    "sam2_hiera_small": 46_043_842,
    "sam2_hiera_base_plus": 80_833_666,
    "sam2_hiera_large": 224_430_130,
}
#: What SAM-HQ's training changes.
HQ_PARAMETERS = {"sam_hq_vit_b": 1_071_104, "sam_hq_vit_l": 1_333_248, "sam_hq_vit_h": 1_595_392}
KEYS = Path(__file__).parents[1] / "data" / "keys"
KEY_FILES = {
    "sam_vit_b": "original_sam_vit_b",
    "sam_vit_l": "original_sam_vit_l",
    "sam_vit_h": "original_sam_vit_h",
    "sam_hq_vit_b": "original_hq_vit_b",
    "sam_hq_vit_l": "original_hq_vit_l",
    "sam_hq_vit_h": "original_hq_vit_h",
    "sam_hq_vit_tiny": "original_hq_tiny",
    "mobile_sam": "mobile_sam",
    **{
        f"{family}_hiera_{size}": f"original_{file}_hiera_{short}"
        for family, file in (("sam2.1", "sam2_1"), ("sam2", "sam2_0"))
        for size, short in (("tiny", "t"), ("small", "s"), ("base_plus", "b+"), ("large", "l"))
    },
    "sam2.1_hq_hiera_large": "original_hq_sam2_hiera_l",
}


@pytest.mark.parametrize("name", MODELS)
def test_every_row_is_built_with_the_published_number_of_parameters(name: str) -> None:
    sam = build(MODELS[name], device="meta")
    assert sum(p.numel() for p in sam.parameters()) == PARAMETERS[name]
    assert all(p.is_meta for p in [*sam.parameters(), *sam.buffers()])
    assert not sam.training


@pytest.mark.parametrize("name", HQ_PARAMETERS)
def test_the_hq_modules_have_the_published_number_of_parameters(name: str) -> None:
    decoder = build(MODELS[name], device="meta").mask_decoder
    assert sum(p.numel() for m in HQ_MODULES for p in getattr(decoder, m).parameters()) == HQ_PARAMETERS[name]


@pytest.mark.parametrize("name", KEY_FILES)
def test_the_state_dict_has_the_published_names_and_shapes(name: str) -> None:
    published = json.loads((KEYS / f"{KEY_FILES[name]}.json").read_text())
    ours = {key: list(value.shape) for key, value in build(MODELS[name], device="meta").state_dict().items()}
    assert ours == published


def test_hq_adds_25_names_to_sam() -> None:
    plain, hq = (set(build(MODELS[name], device="meta").state_dict()) for name in ("sam_vit_b", "sam_hq_vit_b"))
    assert plain < hq
    assert len(hq - plain) == 25
    assert {key.split(".")[1] for key in hq - plain} == set(HQ_MODULES)


def test_the_order_of_registration_is_not_changed_by_a_round_trip() -> None:
    sam = build(tiny.HQ)
    assert list(build(tiny.HQ).state_dict()) == list(sam.state_dict())


def changes(row: object) -> list[dict[str, object]]:
    """For each number of a row another number; what depends on it is left alone."""
    return [
        {field.name: getattr(row, field.name) + 1}
        for field in dataclasses.fields(row)  # type: ignore[arg-type]
        if type(getattr(row, field.name)) is int and field.name not in ("dim", "heads", "depth", "head_dim", "patch")
    ]


@pytest.mark.parametrize("change", changes(tiny.DECODER), ids=str)
def test_every_number_of_the_decoder_row_is_used(change: dict[str, object]) -> None:
    """A number that does not reach a module would be a lie in the table."""
    if "downsample" in change:
        change = {"downsample": 4}
    other = tiny.PLAIN.replace(decoder=dataclasses.replace(tiny.DECODER, **change))
    assert shapes(other) != shapes(tiny.PLAIN)


@pytest.mark.parametrize("change", [*changes(tiny.VIT), {"qkv_bias": False}], ids=str)
def test_every_number_of_the_vit_row_is_used(change: dict[str, object]) -> None:
    assert shapes(tiny.PLAIN.replace(encoder=dataclasses.replace(tiny.VIT, **change))) != shapes(tiny.PLAIN)


@pytest.mark.parametrize("change", changes(tiny.TINY_VIT), ids=str)
def test_every_number_of_the_tiny_vit_row_is_used(change: dict[str, object]) -> None:
    assert shapes(tiny.LIGHT.replace(encoder=dataclasses.replace(tiny.TINY_VIT, **change))) != shapes(tiny.LIGHT)


def shapes(config: ModelConfig) -> dict[str, torch.Size]:
    return {key: value.shape for key, value in build(config, device="meta").state_dict().items()}


@pytest.mark.parametrize("config", [tiny.PLAIN, tiny.LIGHT], ids=lambda config: config.name)
def test_epsilons_are_the_rows(config: ModelConfig) -> None:
    changed = config.replace(
        encoder=dataclasses.replace(config.encoder, norm_eps=0.25),
        decoder=dataclasses.replace(config.decoder, norm_eps=0.125),
    )
    sam = build(changed, device="meta")
    assert layer_norm_epsilons(sam.image_encoder) == {0.25}
    assert layer_norm_epsilons(sam.mask_decoder.transformer) == {0.125}


def layer_norm_epsilons(module: torch.nn.Module) -> set[float]:
    """Of the norms over tokens; those over maps have a fixed one."""
    return {m.eps for m in module.modules() if type(m) is torch.nn.LayerNorm}


@torch.inference_mode()
@pytest.mark.parametrize("cells", [1, 3, 5, 8])
@pytest.mark.parametrize("config", tiny.ALL, ids=lambda config: config.name)
def test_any_multiple_of_the_step_is_a_side(config: ModelConfig, cells: int) -> None:
    side = cells * config.encoder.step
    config = config.replace(side=side)
    sam = tiny.model(config)
    embedding = sam.encode(tiny.pixels(config))
    assert embedding.features.shape == (1, 32, side // 16, side // 16)
    low = sam.decode(embedding, tiny.one_point(config), candidates="all")
    assert low.logits.shape == (1, 3, side // 4, side // 4)
    assert low.logits.isfinite().all()


def test_the_side_scales_places() -> None:
    """The same relative place has the same position vector on every side, but for the half pixel."""
    small, large = (PromptEncoder(dim=8, side=side, grid=4, channels=4) for side in (64, 128))
    large.load_state_dict(small.state_dict())
    label = torch.ones(1, 1, dtype=torch.int64)
    with torch.no_grad():
        near = small.embed_places(torch.tensor([[[10.0, 20.0]]]), label)
        far = large.embed_places(torch.tensor([[[20.5, 40.5]]]), label)
    torch.testing.assert_close(near, far)
