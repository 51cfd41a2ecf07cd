"""PEFT finds the same modules by the same names as in transformers, and adapters go from one library to the other."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from tests.parity.test_transformers_face import NAMES, SIDE, pair

peft = pytest.importorskip("peft")

#: Ways in which people choose modules of transformers' SAM: by the last name, by a pattern, by layers.
TARGETS: list[dict[str, Any]] = [
    {"target_modules": ["qkv"]},
    {"target_modules": r"vision_encoder\.layers\.\d+\.attn\.(qkv|proj)"},
    {"target_modules": ["q_proj", "v_proj"]},
    {"target_modules": ["lin1"], "layers_to_transform": [1, 3], "layers_pattern": "layers"},
    {"target_modules": ["neck.conv1", "mask_embed.conv3"]},
    {"target_modules": r"mask_decoder\.output_hypernetworks_mlps\.\d\.proj_(in|out)"},
    {"target_modules": r"mask_decoder\.iou_prediction_head\.(proj_in|layers\.0|proj_out)"},
]
WAYS = pytest.mark.parametrize("chosen", TARGETS, ids=lambda chosen: str(chosen["target_modules"]))
IMAGE = torch.randn(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
POINTS = torch.tensor([[[[20.0, 30.0]]]])


def wrapped(name: str, chosen: dict[str, Any]) -> tuple[Any, Any]:
    """Their model and ours with the same adapters, which have the same weights."""
    config = peft.LoraConfig(r=2, lora_alpha=4, init_lora_weights=False, **chosen)
    reference, model = (peft.get_peft_model(copy.deepcopy(one), copy.deepcopy(config)).eval() for one in pair(name))
    noise = torch.Generator().manual_seed(1)
    for key, parameter in reference.named_parameters():
        if "lora_" in key:
            parameter.data = 0.3 * torch.randn(parameter.shape, generator=noise)
    peft.set_peft_model_state_dict(model, peft.get_peft_model_state_dict(reference))
    return reference, model


@torch.no_grad()
def answer(model: Any) -> torch.Tensor:
    """Masks and scores in one."""
    output = model(pixel_values=IMAGE, input_points=POINTS)
    return torch.cat([output.pred_masks.flatten(), output.iou_scores.flatten()])


@pytest.mark.parametrize("name", NAMES)
def test_modules_have_transformers_names(name: str) -> None:
    reference, model = pair(name)
    found = dict(model.named_modules())
    # The copy of the positional matrix, and modules without tensors, are not modules here.
    assert "shared_image_embedding" in found
    holding = [key for key, module in reference.named_modules() if list(module.parameters(recurse=False))]
    missing = {key for key in holding if key not in found} - {"prompt_encoder.shared_embedding"}
    assert missing == set()
    for key in holding:
        if key in found:
            assert model.get_submodule(key) is found[key]
            theirs = {n: p.shape for n, p in reference.get_submodule(key).named_parameters(recurse=False)}
            ours = {n: p.shape for n, p in found[key].named_parameters(recurse=False)}
            assert key == "shared_image_embedding" or sorted(theirs.values()) == sorted(ours.values()), key
    with pytest.raises(AttributeError):
        model.get_submodule("vision_encoder.blocks_of_nobody")


@pytest.mark.parametrize("name", NAMES)
@WAYS
def test_the_same_modules_are_adapted(name: str, chosen: dict[str, Any]) -> None:
    reference, model = wrapped(name, chosen)
    theirs = {key: value.shape for key, value in reference.named_parameters() if value.requires_grad}
    ours = {key: value.shape for key, value in model.named_parameters() if value.requires_grad}
    assert theirs
    assert ours == theirs
    plain = answer(pair(name)[1])
    assert (answer(model) - plain).abs().max() > 1e-3, "the adapters are used"
    if name == "SamModel":  # transformers' SAM-HQ gives other masks, see `right_hq`.
        torch.testing.assert_close(answer(model), answer(reference), atol=2e-3, rtol=1e-3)


@WAYS
def test_adapters_are_saved_loaded_and_merged(tmp_path: Path, chosen: dict[str, Any]) -> None:
    reference, model = wrapped("SamModel", chosen)
    expected = answer(model)
    model.save_pretrained(tmp_path)
    again = peft.PeftModel.from_pretrained(copy.deepcopy(pair("SamModel")[1]), tmp_path).eval()
    torch.testing.assert_close(answer(again), expected)
    reference.save_pretrained(tmp_path / "theirs")
    moved = peft.PeftModel.from_pretrained(copy.deepcopy(pair("SamModel")[1]), tmp_path / "theirs").eval()
    torch.testing.assert_close(answer(moved), expected)
    merged = again.merge_and_unload()
    torch.testing.assert_close(answer(merged), expected, atol=1e-4, rtol=1e-3)
    assert set(merged.state_dict()) == set(pair("SamModel")[1].state_dict()), "nothing of the adapters is left"


def test_gradients_reach_adapters_alone() -> None:
    model = wrapped("SamModel", TARGETS[0])[1].train()
    model(pixel_values=IMAGE, input_points=POINTS).pred_masks.mean().backward()
    graded = {key for key, value in model.named_parameters() if value.grad is not None and value.grad.abs().max() > 0}
    assert graded
    assert all("lora_" in key for key in graded)


def test_a_part_is_replaced_by_its_name() -> None:
    model = copy.deepcopy(pair("SamModel")[1])
    plain = answer(model)

    class Doubled(nn.Module):
        def __init__(self, inner: nn.Module) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return 2 * self.inner(x)

    conv = model.get_submodule("mask_decoder").upscale_conv1
    assert conv is model.sam.mask_decoder.output_upscaling[0]
    model.get_submodule("mask_decoder").upscale_conv1 = Doubled(conv)
    assert isinstance(model.sam.mask_decoder.output_upscaling[0], Doubled)
    assert not torch.equal(answer(model), plain)
    model.vision_encoder = wrapper = nn.Sequential(model.vision_encoder)
    assert model.sam.image_encoder is wrapper


def test_adapted_models_are_copied_and_pickled() -> None:
    import io

    model = wrapped("SamModel", TARGETS[4])[1]
    expected = answer(model)
    torch.testing.assert_close(answer(copy.deepcopy(model)), expected)
    stream = io.BytesIO()
    torch.save(model, stream)
    stream.seek(0)
    torch.testing.assert_close(answer(torch.load(stream, weights_only=False)), expected)
