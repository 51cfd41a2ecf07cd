"""Hashes of weights: two models with equal hashes compute the same. Knows nothing about files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from samhq.model.sam import Sam
from samhq.storage import digest

#: The hash of each model, with the addresses and version counters of the tensors that it was computed from.
_HASHES: WeakKeyDictionary[Sam, tuple[tuple[tuple[int, int], ...], str]] = WeakKeyDictionary()


def weights_hash(model: Sam) -> str:
    """The SHA-256 of a model's weights as loaded: names, shapes, dtypes and bytes.

    Computed once for each model, and again if its weights are replaced or changed in place.
    """
    state = model.state_dict()
    versions = tuple((tensor.data_ptr(), 0 if tensor.is_inference() else tensor._version) for tensor in state.values())
    known = _HASHES.get(model)
    if known is None or known[0] != versions:
        known = _HASHES[model] = versions, tensors_hash(state)
    return known[1]


def tensors_hash(tensors: Mapping[str, Tensor]) -> str:
    """The SHA-256 of named tensors, in the order of their names."""

    def parts() -> Iterator[bytes | memoryview]:
        for name in sorted(tensors):
            tensor = tensors[name].detach().cpu().contiguous()
            yield digest.canonical([name, str(tensor.dtype), list(tensor.shape)])
            yield tensor.reshape(-1).view(torch.uint8).numpy().data

    return digest.of_parts(parts())
