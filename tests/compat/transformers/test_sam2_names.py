"""SAM 2 has transformers' names on all its ways out and in."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from tests import tiny

from samhq.checkpoint.save import save_model
from samhq.compat.transformers import Sam2Model
from samhq.errors import CheckpointError

#: What only videos use, which transformers has in another class.
VIDEO = (
    *("memory_", "mask_downsample.", "object_pointer_proj.", "temporal_positional", "occlusion_"),
    *("no_object_pointer", "no_memory_positional"),
)


@pytest.fixture
def model() -> Sam2Model:
    return Sam2Model(tiny.model(tiny.SECOND_OF_TRANSFORMERS))


def test_names_are_transformers(model: Sam2Model, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    save_model(model.sam, tmp_path)
    theirs = transformers.Sam2Model.from_pretrained(tmp_path)
    state = {name: value for name, value in model.state_dict().items() if not name.startswith(VIDEO)}
    assert set(state) == set(theirs.state_dict())
    assert all(torch.equal(value, theirs.state_dict()[name]) for name, value in state.items())
    points = {f"prompt_encoder.point_embed.{number}.weight" for number in range(4)}
    names = {name for name, _ in model.named_parameters() if not name.startswith(VIDEO)}
    assert names - points == {name for name, _ in theirs.named_parameters()} - {"prompt_encoder.point_embed.weight"}
    modules = dict(model.named_modules())
    linear = [name for name, module in theirs.named_modules() if isinstance(module, torch.nn.Linear)]
    assert all(model.get_submodule(name) is modules[name] for name in linear)


def test_a_script_that_freezes_by_names_freezes(model: Sam2Model) -> None:
    for name, parameter in model.named_parameters():
        if name.startswith(("vision_encoder", "prompt_encoder")):
            parameter.requires_grad_(False)
    assert not any(parameter.requires_grad for parameter in model.vision_encoder.parameters())
    assert not any(parameter.requires_grad for parameter in model.prompt_encoder.parameters())
    assert all(parameter.requires_grad for parameter in model.mask_decoder.parameters())


def test_what_was_saved_is_loaded(model: Sam2Model, tmp_path: Path) -> None:
    state = {name: value.clone() for name, value in model.state_dict().items()}
    save_file(model.state_dict(), tmp_path / "model.safetensors")
    others = (copy.deepcopy(model), pickle.loads(pickle.dumps(model)), torch.nn.ModuleDict({"part": model}))
    for other in others[:2]:
        for parameter in other.parameters():
            parameter.data.zero_()
        other.load_state_dict(state)
    outer = others[2]
    outer.load_state_dict({f"part.{name}": value + 1 for name, value in state.items()})
    assert all(torch.equal(value, state[name] + 1) for name, value in model.state_dict().items())
    for other in (*others[:2], Sam2Model.from_pretrained(tmp_path / "model.safetensors")):
        assert all(torch.equal(value, state[name]) for name, value in other.state_dict().items())


def test_parameters_that_were_saved_by_their_names_are_loaded(model: Sam2Model) -> None:
    tuned = {name: parameter + 1 for name, parameter in model.named_parameters() if "point_embed.2" in name}
    before = model.state_dict()["prompt_encoder.point_embed.weight"].clone()
    model.load_state_dict(tuned, strict=False)
    change = model.state_dict()["prompt_encoder.point_embed.weight"] - before
    torch.testing.assert_close(change, torch.tensor([0.0, 0, 1, 0])[:, None].expand_as(change))
    with pytest.raises(CheckpointError, match="Sam2Model"):
        model.load_state_dict({"sam.no_mem_embed": torch.zeros(1)})
