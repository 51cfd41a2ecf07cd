"""Names of modules follow from those of tensors, in both directions, and attributes go by either name."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from torch import nn

from samhq.compat.transformers.module_names import Aliased, ModuleNames, descendant, with_aliases

TENSORS = {
    "net.encoder.pos": "vision.pos",
    "net.encoder.blocks.0.norm1.weight": "vision.layers.0.layer_norm1.weight",
    "net.encoder.neck.0.weight": "vision.neck.conv1.weight",
    "net.decoder.token.weight": "decoder.token.weight",
    "net.decoder.up.0.weight": "decoder.up_conv1.weight",
    "net.decoder.head.layers.0.weight": "decoder.mlp.proj_in.weight",
    "net.decoder.head.layers.1.weight": "decoder.mlp.layers.0.weight",
    "net.decoder.head.layers.2.weight": "decoder.mlp.proj_out.weight",
}
NAMES = ModuleNames.of(TENSORS)


@pytest.mark.parametrize(
    ("inner", "outer"),
    [
        *TENSORS.items(),
        ("net.encoder", "vision"),
        ("net.encoder.blocks", "vision.layers"),
        ("net.encoder.neck.0", "vision.neck.conv1"),
        ("net.decoder.head", "decoder.mlp"),
        ("net.decoder.head.layers", "decoder.mlp.layers"),
        ("net.decoder.head.layers.1", "decoder.mlp.layers.0"),
        ("net.decoder.head.layers.0.lora_A.default.weight", "decoder.mlp.proj_in.lora_A.default.weight"),
        ("net.decoder.up", "decoder.up"),
        ("", ""),
    ],
)
def test_each_name_has_one_counterpart(inner: str, outer: str) -> None:
    assert NAMES.outward(inner) == outer
    assert NAMES.inward(outer) == inner


def test_inner_names_are_found_too() -> None:
    assert NAMES.inward("net.decoder.head.layers.0") == "net.decoder.head.layers.0"


def head() -> nn.Module:
    made = nn.Module()
    made.layers = nn.ModuleList(nn.Linear(2, 2) for _ in range(3))
    return made


def test_attributes_by_their_other_names() -> None:
    module = head()
    first, second, _ = module.layers
    aliased = with_aliases(module, NAMES.aliases["net.decoder.head"])
    assert aliased is module
    assert isinstance(module, Aliased)
    assert module.proj_in is first
    module.proj_in = other = nn.Linear(2, 2)
    assert list(module.layers)[:2] == [other, second]
    with_aliases(module.layers, NAMES.aliases["net.decoder.head.layers"])
    setattr(module.layers, "0", third := nn.Linear(2, 2))
    assert list(module.layers)[:2] == [other, third], "the outer 0 is the inner 1"
    module.proj_in = first
    assert list(module.layers)[:2] == [first, third]
    assert descendant(module, "layers.0") is first, "without a look at aliases"


def test_modules_with_aliases_are_copied_and_pickled() -> None:
    module = with_aliases(nn.Sequential(nn.Linear(2, 2)), {"conv1": ("", "0")})
    for again in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert again.conv1 is again[0]
        assert torch.equal(again[0].weight, module[0].weight)
        again.conv1 = nn.Identity()
        assert isinstance(again[0], nn.Identity)
    assert isinstance(module[0], nn.Linear)


def test_what_is_not_there() -> None:
    with pytest.raises(AttributeError, match="nobody"):
        descendant(nn.Sequential(), "nobody")
    with pytest.raises(AttributeError, match="nobody"):
        _ = with_aliases(nn.Sequential(), {"a": ("", "0")}).nobody
