"""The options of `from_pretrained`, and the keywords that a call refuses. Knows nothing about networks."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from samhq.compat.transformers.configs import SamConfig, SamHQConfig
from samhq.device import as_device
from samhq.errors import ConfigError, PromptError, did_you_mean
from samhq.model.sam import Sam

#: Keywords of transformers' `from_pretrained` that change nothing here: loading is always lean, safe and without code
#: from the repository.
_WITHOUT_EFFECT = ("low_cpu_mem_usage", "trust_remote_code", "use_safetensors", "use_fast")
_KNOWN = ("dtype", "torch_dtype", "device_map", "attn_implementation")
#: transformers' implementations of attention for SAM. The result is the same; here attention is always torch's fused
#: one.
_ATTENTION = ("sdpa", "eager")
SAM2_ATTENTION = (*_ATTENTION, "flash_attention_2", "flash_attention_3", "flex_attention")  #: The same for SAM 2.
#: Names of ways to fill several devices; this model fits on one.
_SPREAD = ("auto", "balanced", "balanced_low_0", "sequential")
#: Options of downloads: huggingface_hub, which does them, reads these environment variables.
_ENVIRONMENT = {"cache_dir": "HF_HUB_CACHE", "token": "HF_TOKEN", "local_files_only": "HF_HUB_OFFLINE=1"}
_SNAPSHOT = "Download with huggingface_hub.snapshot_download, which takes it, and give the folder"
_WHOLE = "Weights are loaded whole or refused, and nothing beside the model is returned"
_QUANTISED = "Use dtype=..., or the command samhq export --dtype int8"
#: Other options: the value that changes nothing, beside None, and what to do in place of another.
_ONE_VALUE: Mapping[str, tuple[Any, str]] = {
    "revision": ("main", _SNAPSHOT),
    "subfolder": ("", _SNAPSHOT),
    "variant": (None, _SNAPSHOT),
    "force_download": (False, _SNAPSHOT),
    "proxies": (None, "Set the environment variable HTTPS_PROXY"),
    "ignore_mismatched_sizes": (False, _WHOLE),
    "output_loading_info": (False, _WHOLE),
    "quantization_config": (None, _QUANTISED),
    "load_in_8bit": (False, _QUANTISED),
    "load_in_4bit": (False, _QUANTISED),
    "config": (None, "The configuration beside the weights counts; change it there"),
}
_DOWNLOADS = ("revision", "subfolder", "force_download", "proxies")  #: Options that mean nothing for a local folder.
OPTIONS = (*_KNOWN, *_WITHOUT_EFFECT, *_ENVIRONMENT, *_ONE_VALUE)

#: The processor's outputs beside the model's inputs, which `model(**inputs)` also passes.
CARRIED = ("original_sizes", "reshaped_input_sizes")


@dataclass(frozen=True)
class Loading:
    """The device and the dtype of weights; None keeps the file's own."""

    device: torch.device
    dtype: torch.dtype | None

    @classmethod
    def of(
        cls, options: Mapping[str, Any], source: str | os.PathLike[str], attention: Sequence[str] = _ATTENTION
    ) -> Loading:
        """The meaning of `from_pretrained`'s keywords; float32 on the CPU by default.

        `attention` are the names that `attn_implementation` may have.

        Raises:
            ConfigError: a keyword or a value that cannot be used here.
        """
        for name in options:
            if name not in OPTIONS:
                raise ConfigError(f"from_pretrained: got an unexpected {name!r}. {did_you_mean(name, OPTIONS)}")
        refuse_without_effect(options, source)
        _check_attention(options.get("attn_implementation"), attention)
        dtype = options.get("dtype", options.get("torch_dtype"))
        return cls(place_of(options.get("device_map")), _dtype(dtype))

    @staticmethod
    def config(sam: Sam) -> SamConfig:
        """transformers' configuration of a network."""
        return (SamHQConfig if sam.config.hq else SamConfig).from_model_config(sam.config)


def refuse_without_effect(options: Mapping[str, Any], source: str | os.PathLike[str]) -> None:
    """Refuses known options of `from_pretrained` with a value that would have no effect; does not read other options.

    Raises:
        ConfigError: there is one; the message says what to do in its place.
    """
    local = Path(source).exists()
    for name, value in options.items():
        if name in _ENVIRONMENT and value and not local:
            raise ConfigError(
                f"from_pretrained: got {name}={value!r}, which concerns downloads and is set by the environment "
                f"variable {_ENVIRONMENT[name]}. Set that, and leave {name} out."
            )
        neutral, advice = _ONE_VALUE.get(name, (value, ""))
        if value is not None and value != neutral and not (local and name in _DOWNLOADS):
            raise ConfigError(f"from_pretrained: got {name}={value!r:.60}, which is not possible here. {advice}.")


def refuse_keywords(unknown: Mapping[str, Any], output_attentions: bool | None, known: Iterable[str]) -> None:
    """Refuses keywords of a call that would have no effect.

    Raises:
        PromptError: `labels`.
        ConfigError: another unknown keyword, or `output_attentions`.
    """
    if output_attentions:
        raise ConfigError(
            "Expected output_attentions to be left out, got True: fused attention never has the weights in memory. "
            "Use hooks on the attention modules' inputs, or transformers itself."
        )
    if unknown.get("labels") is not None:
        raise PromptError(
            "Expected prompts, got `labels`: the processor makes them from segmentation_maps for your loss, and the "
            "model has no use for them. Take them out with inputs.pop('labels'); pass a mask prompt as input_masks."
        )
    for name in unknown:
        if name not in (*CARRIED, "labels"):
            raise ConfigError(f"forward: got an unexpected argument {name!r}. {did_you_mean(name, known)}")


def _dtype(value: Any) -> torch.dtype | None:
    if value is None:
        return torch.float32
    if value == "auto":
        return None
    torch_dtype = getattr(torch, value.removeprefix("torch."), None) if isinstance(value, str) else value
    if not isinstance(torch_dtype, torch.dtype) or not torch_dtype.is_floating_point:
        raise ConfigError(f"Expected a dtype such as torch.float16, 'bfloat16' or 'auto', got {value!r}.")
    return torch_dtype


def place_of(value: Any) -> torch.device:
    """The device of transformers' `device_map` or `device`: the CPU for None and -1, one device for all parts.

    Raises:
        ConfigError: several devices, or one that PyTorch does not have here.
    """
    if isinstance(value, Mapping):
        places = set(value.values())
        if len(places) != 1:
            raise ConfigError(f"Expected a device_map with one device, got {dict(value)!r}. The model is not split.")
        value = places.pop()
    if value is None or value == -1:
        return torch.device("cpu")
    return as_device("auto" if value in _SPREAD else value)


def _check_attention(value: Any, known: Sequence[str]) -> None:
    """Accepts a name that transformers has for the model, or such names by parts of the model."""
    for name in value.values() if isinstance(value, Mapping) else (value,):
        if name is not None and name not in known:
            raise ConfigError(
                f"Expected an attn_implementation that transformers has for this model, got {name!r}. "
                f"Here all mean the same. {did_you_mean(str(name), known)}"
            )
