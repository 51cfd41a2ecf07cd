"""Unwraps the content of a checkpoint file to one flat mapping of tensors with the model's own names.

Searches nested mappings for the one that holds a SAM, whatever the wrappers are called. Removes prefixes such as
DataParallel's `module.`, and leaves out entries that are not part of a model: a criterion, counters, pixel constants.
Knows nothing about files or architectures.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from samhq.checkpoint.naming import some_names
from samhq.errors import CheckpointError

#: Entries under which training code keeps the weights. If several hold a model, the first of these is used.
_WRAPPERS = (
    *("model", "state_dict", "model_state_dict", "model_state", "module", "net", "network", "sam", "weights", "params"),
    *("student", "generator", "ema", "model_ema", "ema_model", "teacher"),
)
_DECODERS = ("mask_decoder", "sam_mask_decoder")
_PARTS = (*_DECODERS, "image_encoder", "vision_encoder", "prompt_encoder")
_ANCHOR = re.compile(rf"((?:.*?\.)??)({'|'.join(_PARTS)})\.")
#: Last words of names that are not weights: SAM's constants, thop's counters, the counter of averaged weights.
_COUNTERS = ("pixel_mean", "pixel_std", "total_ops", "total_params", "n_averaged")
#: First words of names beside a model in training code.
_BESIDE = re.compile(r"(.*_)?(criterion|loss(es|_fn|_func|_function)?|metrics?)")
_DEPTH = 5

Path = tuple[str, ...]
Found = tuple[Path, Mapping[object, object]]


@dataclass(frozen=True)
class Unwrapped:
    """Tensors by name, the entries they were wrapped in ("" for none) and the removed prefix.

    `left_out` names what the file holds beside the model: other tensors and other models.
    """

    state: dict[str, Tensor]
    wrapper: str = ""
    prefix: str = ""
    left_out: tuple[str, ...] = ()


def unwrap(value: object) -> Unwrapped:
    """The state dict inside `value`.

    Raises:
        CheckpointError: there is none, it holds anything but dense tensors, or there are two equally good ones.
    """
    (path, inner), others = _chosen(value)
    prefix = common_prefix(key for key in inner if isinstance(key, str))
    model_items = {key: item for key, item in inner.items() if not _is_beside(key, item, prefix)}
    unusable = [str(key) for key, item in model_items.items() if not (isinstance(key, str) and _is_plain(item))]
    if unusable or not model_items:
        contents = f"other things too: {some_names(unusable)}" if unusable else "nothing"
        raise CheckpointError(
            f"Expected a state dict (names and dense tensors), got {contents}. Save `model.state_dict()` instead."
        )
    state = {str(key).removeprefix(prefix): item for key, item in model_items.items() if isinstance(item, Tensor)}
    beside = [str(key) for key in inner if key not in model_items and _last(key) not in _COUNTERS]
    return Unwrapped(state, ".".join(path), prefix, (*beside, *(".".join(path) for path, _ in others)))


def common_prefix(keys: Iterable[str]) -> str:
    """The prefix before the model's own names, ending in a dot, or "".

    >>> common_prefix(["module.mask_decoder.iou_token.weight", "criterion.weight"])
    'module.'

    Raises:
        CheckpointError: there are several, so the file holds several models.
    """
    names = list(keys)
    parts = _parts(names)
    whole = {prefix: part for prefix, part in parts.items() if _is_whole(part)} or parts
    if len(whole) > 1:
        raise CheckpointError(
            f"Expected the weights of one model, got several, under {some_names(map(repr, sorted(whole)))}. "
            "Save one of them as a file of its own."
        )
    if whole:
        return next(iter(whole))
    return "module." if names and all(key.startswith("module.") for key in names) else ""


def _parts(names: Iterable[str]) -> dict[str, set[str]]:
    """The parts of a SAM that are there, by the prefix of their names."""
    parts: dict[str, set[str]] = {}
    for name in names:
        if match := _ANCHOR.match(name):
            parts.setdefault(match[1], set()).add(match[2])
    return parts


def _is_whole(parts: set[str]) -> bool:
    return bool(parts & {*_DECODERS}) and bool(parts - {*_DECODERS})


def _chosen(value: object) -> tuple[Found, list[Found]]:
    """The mapping with the tensors of a SAM, and other such mappings that are not used.

    If none is a SAM, the one in which training code would keep a model, so that messages can describe it.
    """
    candidates = [
        mapping for mapping in _mappings(value) if any(isinstance(item, Tensor) for item in mapping[1].values())
    ]
    models = [
        mapping
        for mapping in candidates
        if any(map(_is_whole, _parts(k for k in mapping[1] if isinstance(k, str)).values()))
    ]
    likely = models or [
        mapping for mapping in candidates if not any("optim" in key or key == "state" for key in mapping[0])
    ]
    if not likely:
        raise CheckpointError(f"Expected the weights of a model, got {_what(value)}.")
    first, *others = sorted(likely, key=lambda mapping: _rank(mapping[0]))
    if models and others and _rank(first[0]) == _rank(others[0][0]):
        names = some_names(repr(".".join(path)) for path, _ in models)
        raise CheckpointError(
            f"Expected the weights of one model, got several, under {names}. Save one of them as a file of its own."
        )
    return first, others if models else []


def _mappings(value: object, path: Path = ()) -> Iterator[Found]:
    """Every mapping in a value, itself included, with the keys that lead to it."""
    if isinstance(value, Mapping) and len(path) <= _DEPTH:
        yield path, value
        for key, item in value.items():
            yield from _mappings(item, (*path, str(key)))


def _rank(path: Path) -> tuple[int, list[int]]:
    """Smaller is better: nearer to the top, then by the order of wrappers."""
    return len(path), [_WRAPPERS.index(key) if key in _WRAPPERS else len(_WRAPPERS) for key in path]


def _is_beside(key: object, item: object, prefix: str) -> bool:
    """Whether an entry is not part of the model: outside its prefix, a counter, a criterion, or no tensor."""
    if not isinstance(key, str):
        return False
    first = key.removeprefix(prefix).split(".")[0]
    if not key.startswith(prefix) or _last(key) in _COUNTERS or _BESIDE.fullmatch(first):
        return True
    return isinstance(item, (int, float, str, list, tuple, dict, type(None))) and first not in _PARTS


def _last(key: object) -> str:
    return str(key).rsplit(".", 1)[-1]


def _what(value: object) -> str:
    if not isinstance(value, Mapping):
        return f"a {type(value).__name__}. Save `model.state_dict()` instead"
    keys = [str(key) for key in value]
    if "param_groups" in keys or any("optim" in key for key in keys):
        return f"an optimizer's state without weights ({some_names(keys)}). Load the model's file, not the optimizer's"
    return f"a dict of {some_names(keys) or 'nothing'}, without tensors. Save `model.state_dict()` instead"


def _is_plain(item: object) -> bool:
    return (
        isinstance(item, Tensor)
        and item.layout is torch.strided
        and item.device.type != "meta"
        and not (item.is_quantized or item.is_complex())
    )
