"""Options of `from_pretrained`, and files of every layout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tests import tiny
from tests.compat.transformers.pictures import pixels

from samhq.checkpoint.save import save_model
from samhq.compat.transformers import (
    SamConfig,
    SamHQConfig,
    SamHQModel,
    SamHQProcessor,
    SamHQVisionModel,
    SamModel,
    SamVisionModel,
)
from samhq.compat.transformers.pretrained import place_of
from samhq.errors import CheckpointError, ConfigError

POINT = torch.full((1, 1, 1, 2), 30.0)


@pytest.mark.parametrize("config", [tiny.PLAIN, tiny.HQ], ids=lambda config: config.name)
def test_saved_and_loaded(config: Any, tmp_path: Path) -> None:
    kind = SamHQModel if config.hq else SamModel
    saved = kind((SamHQConfig if config.hq else SamConfig).from_model_config(config))
    saved.save_pretrained(tmp_path / "my.model")
    loaded = kind.from_pretrained(tmp_path / "my.model")
    assert all(torch.equal(value, loaded.state_dict()[name]) for name, value in saved.state_dict().items())
    assert loaded.config.to_model_config() == saved.config.to_model_config()
    assert not loaded.training


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_file_in_the_original_layout(suffix: str, tmp_path: Path, hq: Any) -> None:
    file = tmp_path / f"model{suffix}"
    save_model(hq, file)
    loaded = SamHQModel.from_pretrained(file, dtype="auto", attn_implementation="sdpa")
    assert all(torch.equal(value, loaded.sam.state_dict()[name]) for name, value in hq.state_dict().items())


def test_the_other_family_is_refused(folder: Path) -> None:
    with pytest.raises(CheckpointError, match="without HQ heads"):
        SamModel.from_pretrained(folder)


def test_a_tinyvit_is_refused(tmp_path: Path) -> None:
    save_model(tiny.shared(tiny.LIGHT), tmp_path / "light.safetensors")
    for kind in (SamHQModel, SamHQVisionModel):
        with pytest.raises(ConfigError, match=r"samhq\.load"):
            kind.from_pretrained(tmp_path / "light.safetensors")


@pytest.mark.parametrize(
    ("options", "dtype"),
    [({}, torch.float32), ({"torch_dtype": torch.float16}, torch.float16), ({"dtype": "bfloat16"}, torch.bfloat16)],
)
def test_dtypes(folder: Path, options: dict[str, Any], dtype: torch.dtype, model: SamHQModel) -> None:
    loaded = SamHQModel.from_pretrained(folder, device_map={"": "cpu"}, **options).requires_grad_(False)
    assert loaded.dtype == dtype
    out = loaded(pixels(), POINT)
    assert out.pred_masks.dtype == dtype
    wanted = model(pixels(), POINT)
    assert (out.pred_masks.float() - wanted.pred_masks).abs().max() < 0.1 * wanted.pred_masks.std()


@pytest.mark.parametrize(
    "options",
    [
        {"dtype": "int8"},
        {"device_map": "nowhere"},
        {"device_map": "cuda:99"},
        {"device_map": {"a": "cpu", "b": "meta"}},
        {"torch_type": torch.float16},
        {"attn_implementation": "flash_attention_2"},
        {"attn_implementation": {"vision_config": "flex_attention"}},
        {"attn_implementation": 2},
    ],
)
def test_wrong_options(folder: Path, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        SamHQModel.from_pretrained(folder, **options)


@pytest.mark.parametrize("attention", [None, "sdpa", "eager", {"vision_config": "eager", "": "sdpa"}])
def test_attention_is_called_as_in_transformers_and_stays_what_it_is(
    folder: Path, model: SamHQModel, attention: Any
) -> None:
    loaded = SamHQModel.from_pretrained(folder, attn_implementation=attention).requires_grad_(False)
    assert torch.equal(loaded(pixels(), POINT).pred_masks, model(pixels(), POINT).pred_masks)


def test_an_unknown_attention_is_refused_with_the_nearest(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"attn_implementation.*'spda'.*Did you mean 'sdpa'"):
        SamVisionModel.from_pretrained(folder, attn_implementation="spda")


@pytest.mark.parametrize("place", [None, "cpu", "auto", "balanced", "sequential", {"": "cpu"}, -1, torch.device("cpu")])
def test_a_place_by_any_of_transformers_names(place: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert place_of(place) == torch.device("cpu")


def test_options_for_downloads_do_not_matter_to_a_folder_and_are_not_ignored_for_the_hub(folder: Path) -> None:
    SamHQModel.from_pretrained(folder, local_files_only=True, cache_dir="elsewhere", use_safetensors=True)
    SamHQProcessor.from_pretrained(folder, local_files_only=True, use_fast=True)
    with pytest.raises(ConfigError, match="HF_HUB_OFFLINE"):
        SamHQModel.from_pretrained("somebody/some-model", local_files_only=True)
    with pytest.raises(ConfigError, match="mask_sise"):
        SamHQProcessor.from_pretrained(folder, mask_sise=3)


def test_options_that_change_nothing_are_taken_and_others_say_what_to_do(folder: Path) -> None:
    neutral = {"revision": "main", "subfolder": "", "variant": None, "force_download": False, "proxies": None}
    neutral |= {"ignore_mismatched_sizes": False, "output_loading_info": False, "quantization_config": None}
    assert SamHQModel.from_pretrained(folder, **neutral).dtype == torch.float32
    SamHQProcessor.from_pretrained(folder, **neutral)
    SamHQModel.from_pretrained(folder, revision="refs/pr/3")  # a folder has one version
    for options, advice in (
        ({"output_loading_info": True}, "loaded whole or refused"),
        ({"load_in_8bit": True}, "samhq export --dtype int8"),
        ({"config": object()}, "beside the weights"),
    ):
        with pytest.raises(ConfigError, match=advice):
            SamHQModel.from_pretrained(folder, **options)
    for kind in (SamHQModel, SamHQProcessor):
        with pytest.raises(ConfigError, match="snapshot_download"):
            kind.from_pretrained("somebody/some-model", revision="refs/pr/3")
