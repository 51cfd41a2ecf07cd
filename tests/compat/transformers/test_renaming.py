"""A module has transformers' names on all its ways out and in, alone and inside a larger module."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from samhq.checkpoint.naming import POSITIONAL, POSITIONAL_COPY
from samhq.compat.transformers.renaming import Renamed
from samhq.errors import CheckpointError


class Inner(Renamed):
    """Two parts of a decoder under names of their own."""

    def __init__(self) -> None:
        super().__init__()
        self.own = nn.ModuleDict({"iou_token": nn.Embedding(1, 4), "mask_tokens": nn.Embedding(4, 4)})
        self._name("own.", "mask_decoder.")


class Outer(nn.Module):
    """A module around it."""

    def __init__(self) -> None:
        super().__init__()
        self.part = Inner()


NAMES = ["mask_decoder.iou_token.weight", "mask_decoder.mask_tokens.weight"]


def test_names_are_transformers() -> None:
    inner, outer = Inner(), Outer()
    assert [name for name, _ in inner.named_parameters()] == NAMES
    assert sorted(inner.state_dict()) == NAMES
    assert sorted(outer.state_dict()) == [f"part.{name}" for name in NAMES]
    assert POSITIONAL not in inner.state_dict()
    assert POSITIONAL_COPY not in inner.state_dict()


@pytest.mark.parametrize("kind", [Inner, Outer])
def test_what_was_saved_is_loaded(kind: type[nn.Module]) -> None:
    source, target = kind(), kind()
    target.load_state_dict(source.state_dict())
    for name, value in target.state_dict().items():
        assert torch.equal(value, source.state_dict()[name])


def test_other_names_and_shapes_are_refused() -> None:
    state = Inner().state_dict()
    with pytest.raises(CheckpointError, match="iou_token"):
        Inner().load_state_dict({name: value for name, value in state.items() if "iou" not in name})
    with pytest.raises(CheckpointError, match="Inner"):
        Inner().load_state_dict(state | {"own.iou_token.weight": torch.zeros(1, 4)})
    result = Inner().load_state_dict(state | {"more": torch.zeros(1)}, strict=False)
    assert (result.missing_keys, result.unexpected_keys) == ([], ["more"])
    with pytest.raises(CheckpointError):
        Inner().load_state_dict(state | {NAMES[0]: torch.zeros(2, 4)}, strict=False)
