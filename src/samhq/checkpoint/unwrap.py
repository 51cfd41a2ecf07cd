"""From whatever a checkpoint file held to one flat mapping of tensors with the model's own names.

Takes off wrappers such as `{"model": …}`, prefixes such as DataParallel's `module.`, and the pixel
constants that some files carry. Knows nothing about files or architectures.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from samhq.checkpoint.naming import sample
from samhq.errors import CheckpointError

#: Entries under which training code keeps the weights, the most telling first.
_WRAPPERS = ("model", "state_dict", "model_state_dict", "module", "net", "ema", "params")
_CONSTANTS = ("pixel_mean", "pixel_std")
_ANCHOR = re.compile(r"(.*?\.)??(?=(?:mask_decoder|image_encoder|vision_encoder|prompt_encoder)\.)")
_DEPTH = 4


@dataclass(frozen=True)
class Unwrapped:
    """Tensors by name, the entries they were wrapped in ("" for none) and the prefix that was taken off."""

    state: dict[str, Tensor]
    wrapper: str = ""
    prefix: str = ""


def unwrap(value: object) -> Unwrapped:
    """The state dict inside `value`.

    Raises:
        CheckpointError: there is none, it holds anything but dense tensors, or it holds two models.
    """
    inner, path = _descend(value)
    odd = [str(key) for key, item in inner.items() if not (isinstance(key, str) and _is_plain(item))]
    if odd or not inner:
        what = f"other things too: {sample(odd)}" if odd else "nothing"
        raise CheckpointError(
            f"Expected a state dict (names and dense tensors), got {what}. Save `model.state_dict()` instead."
        )
    tensors = cast("Mapping[str, Tensor]", inner)
    prefix = common_prefix(tensors)
    state = {key.removeprefix(prefix): tensor for key, tensor in tensors.items()}
    return Unwrapped({k: v for k, v in state.items() if k not in _CONSTANTS}, ".".join(path), prefix)


def common_prefix(keys: Mapping[str, object]) -> str:
    """What stands before the model's own names, ending in a dot, or "".

    >>> common_prefix({"module.mask_decoder.iou_token.weight": 0})
    'module.'

    Raises:
        CheckpointError: there are several, so the file holds several models.
    """
    found = sorted({match[0] for key in keys if (match := _ANCHOR.match(key))})
    if len(found) > 1:
        raise CheckpointError(
            f"Expected the weights of one model, got several, under {sample(map(repr, found))}. "
            "Save one of them as a file of its own."
        )
    if found:
        return found[0]
    return "module." if keys and all(key.startswith("module.") for key in keys) else ""


def _descend(value: object) -> tuple[Mapping[object, object], list[str]]:
    path: list[str] = []
    while isinstance(value, Mapping) and len(path) < _DEPTH:
        if any(isinstance(item, Tensor) for item in value.values()):
            return value, path
        inner = [key for key in _WRAPPERS if isinstance(value.get(key), Mapping)]
        inner = inner or [key for key, item in value.items() if len(value) == 1 and isinstance(item, Mapping)]
        if not inner:
            break
        path.append(str(inner[0]))
        value = value[inner[0]]
    raise CheckpointError(f"Expected the weights of a model, got {_what(value)}.")


def _what(value: object) -> str:
    if not isinstance(value, Mapping):
        return f"a {type(value).__name__}. Save `model.state_dict()` instead"
    keys = [str(key) for key in value]
    if "param_groups" in keys or any("optim" in key for key in keys):
        return f"an optimizer's state without weights ({sample(keys)}). Load the model's file, not the optimizer's"
    return f"a dict of {sample(keys) or 'nothing'}, without tensors. Save `model.state_dict()` instead"


def _is_plain(item: object) -> bool:
    return (
        isinstance(item, Tensor)
        and item.layout is torch.strided
        and item.device.type != "meta"
        and not (item.is_quantized or item.is_complex())
    )
