"""Equal weights have equal hashes, and changed ones others."""

from __future__ import annotations

import torch
from tests import tiny

from samhq.checkpoint.fingerprint import tensors_hash, weights_hash


def test_weights_that_change_in_place_have_another_hash() -> None:
    sam = tiny.model(tiny.HQ)
    before = weights_hash(sam)
    assert weights_hash(tiny.model(tiny.HQ)) == before == weights_hash(sam)
    with torch.no_grad():
        parameter = next(sam.parameters())
        parameter.add_(1.0)
    assert weights_hash(sam) != before
    with torch.no_grad():
        parameter.copy_(next(tiny.shared(tiny.HQ).parameters()))
    assert weights_hash(sam) == before
    assert weights_hash(sam.to(torch.float16)) != before


def test_a_hash_depends_on_names_shapes_and_dtypes_and_not_on_the_order() -> None:
    tensors = {"a": torch.arange(4.0), "b": torch.zeros(2, 2)}
    known = tensors_hash(tensors)
    assert tensors_hash(dict(reversed(tensors.items()))) == known
    others = [
        {"a": tensors["a"], "c": tensors["b"]},
        {"a": tensors["a"].reshape(2, 2), "b": tensors["b"]},
        {"a": tensors["a"].to(torch.float64), "b": tensors["b"]},
        {"a": tensors["b"].flatten(), "b": tensors["a"].reshape(2, 2)},
    ]
    assert len({known, *map(tensors_hash, others)}) == 5
