from __future__ import annotations

import pytest
from tests import tiny

from samhq.checkpoint.save import save_model
from samhq.compat.sam2 import build_sam2
from samhq.compat.sam2.build import CONFIGS, config_of, made, overrides
from samhq.config import SAM2_MODELS
from samhq.device import as_device
from samhq.errors import CheckpointError, ConfigError


def test_every_published_configuration_has_a_row() -> None:
    assert set(CONFIGS.values()) == set(SAM2_MODELS)
    for stem, name in CONFIGS.items():
        assert config_of(f"configs/sam2.1/{stem}.yaml").name == name
    with pytest.raises(ConfigError, match=r"Did you mean 'sam2\.1_hiera_l'"):
        config_of("sam2.1_hiera_xl.yaml")


def test_overrides_of_the_side_are_understood_and_others_refused() -> None:
    assert overrides(["++model.image_size=512"], {"image_size": int}) == {"image_size": 512}
    assert overrides(["model.a=False", "+model.b=-1"], {"a": bool, "b": int}) == {"a": False, "b": -1}
    for wrong in (
        "++model.compile_image_encoder=true",
        "++model.image_size=true",
        "image_size=512",
        "++model.image_size",
    ):
        with pytest.raises(ConfigError, match=r"overrides of model\.image_size \(int\)"):
            overrides([wrong], {"image_size": int})


def test_a_checkpoint_of_another_model_is_refused(tmp_path) -> None:
    save_model(tiny.shared(tiny.SECOND), tmp_path / "m.safetensors")
    with pytest.raises(CheckpointError, match=r"Expected the weights of sam2\.1_hiera_tiny, got those of tiny_second"):
        build_sam2("sam2.1_hiera_t.yaml", tmp_path / "m.safetensors", device="cpu")


def test_another_side_is_the_same_network(tmp_path) -> None:
    save_model(tiny.shared(tiny.SECOND), tmp_path / "m.safetensors")
    larger = made(tiny.SECOND.replace(side=128), tmp_path / "m.safetensors", as_device("cpu"))
    assert larger.encode(tiny.pixels(larger.config)).features.shape[-1] == 8
