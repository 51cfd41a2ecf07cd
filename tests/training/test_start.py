from __future__ import annotations

import pytest
import torch
from tests import tiny
from tests.training.worlds import saved

from samhq.errors import ConfigError
from samhq.model.mask_decoder_hq import HQ_MODULES
from samhq.training.config import TrainConfig
from samhq.training.lora import add_lora, merged_state
from samhq.training.start import at_side, learning, start, with_new_heads
from samhq.types import Prompts


def _learn(tmp_path, config, **fields) -> set[str]:
    return set(learning(start(TrainConfig(init=saved(config, tmp_path), data="x", **fields))))


def test_hq_tuning_changes_the_hq_modules_and_nothing_else(tmp_path):
    for config in (tiny.SECOND, tiny.SECOND_HQ):  # HQ-SAM 2's 13 tensors
        names = _learn(tmp_path, config, mode="hq")
        assert {name.split(".")[1] for name in names} == {"hf_token", "hf_mlp", "embedding_maskfeature"}
        assert len(names) == 13
    for config in (tiny.HQ, tiny.LIGHT, tiny.PLAIN):
        names = _learn(tmp_path, config, mode="hq")
        assert {name.split(".")[1] for name in names} == set(HQ_MODULES)
        assert all(name.startswith("mask_decoder.") for name in names)


def test_each_kind_of_fine_tuning_changes_what_it_says(tmp_path):
    parts = {}
    for what in ("decoder", "decoder+prompt", "lora", "all"):
        parts[what] = _learn(tmp_path, tiny.LIGHT, mode="finetune", what=what)
    assert {name.split(".")[0] for name in parts["decoder"]} == {"mask_decoder"}
    added = parts["decoder+prompt"] - parts["decoder"]
    assert {name.split(".")[0] for name in added} == {"prompt_encoder"}
    assert all(".lora_" in name for name in parts["lora"] - parts["decoder"])
    assert parts["decoder"] < parts["lora"]
    everything = {name for name, _ in tiny.shared(tiny.LIGHT).named_parameters()}
    idle = everything - parts["all"]
    assert {name.split(".")[1] for name in idle} == {"head", "norm_head"}


@pytest.mark.parametrize("plain", [tiny.PLAIN, tiny.SECOND], ids=lambda config: config.name)
def test_a_plain_sam_gets_heads_that_are_silent_and_keeps_all_else(tmp_path, plain):
    torch.manual_seed(0)
    sam = start(TrainConfig(mode="hq", data="x", init=saved(plain, tmp_path)))
    assert sam.config.hq
    before, after = tiny.shared(plain).state_dict(), sam.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    embedding = sam.encode(tiny.pixels(sam.config))
    attended = sam.attend(embedding, tiny.one_point(sam.config))
    _, heads = sam.mask_decoder.logits(attended, embedding, torch.tensor([[0]]), "add")
    assert (heads == 0).all()


def test_fresh_heads_replace_trained_ones_and_nothing_else():
    torch.manual_seed(0)
    old = tiny.shared(tiny.HQ)
    new = with_new_heads(old, silent=False)
    differ = {name for name, value in new.state_dict().items() if not torch.equal(value, old.state_dict()[name])}
    assert differ
    assert {name.split(".")[1] for name in differ} <= set(HQ_MODULES)
    assert "mask_decoder.hf_token.weight" in differ


@pytest.mark.parametrize("config", [tiny.HQ, tiny.LIGHT], ids=["vit", "tinyvit"])
def test_low_rank_changes_begin_with_nothing_and_are_merged_into_the_original_layout(config):
    torch.manual_seed(0)
    sam, other = tiny.model(config), tiny.model(config)
    pixels = tiny.pixels(config)
    with torch.no_grad():
        first = sam.encode(pixels).features
        add_lora(sam, rank=2, alpha=4.0)
        torch.testing.assert_close(sam.encode(pixels).features, first, atol=1e-6, rtol=0)
        for name, parameter in sam.named_parameters():
            if "lora_b" in name:
                torch.nn.init.normal_(parameter, std=0.2)
        changed = sam.encode(pixels).features
    assert (changed - first).abs().max() > 1e-3
    state = merged_state(sam)
    assert state.keys() == other.state_dict().keys()
    other.load_state_dict(state)
    with torch.no_grad():
        torch.testing.assert_close(other.encode(pixels).features, changed, atol=1e-5, rtol=0)
    matrices = {name for name, value in tiny.shared(config).state_dict().items() if not torch.equal(value, state[name])}
    assert matrices
    assert all(name.endswith(("attn.qkv.weight", "attn.proj.weight")) for name in matrices)


def test_another_side_keeps_the_weights_and_is_not_for_a_vit():
    sam = tiny.model(tiny.LIGHT)
    other = at_side(sam, 64)
    assert other.config.side == 64
    assert all(torch.equal(value, other.state_dict()[name]) for name, value in sam.state_dict().items())
    assert at_side(sam, 96) is sam
    with pytest.raises(ConfigError, match="one side"):
        at_side(tiny.model(tiny.HQ), 128)


def test_every_parameter_that_is_to_learn_has_a_gradient_from_some_prompt(tmp_path):
    """With a box, points and a mask together nothing that was chosen stays idle but the label of no point or mask."""
    for mode, what in (("hq", "decoder"), ("finetune", "decoder+prompt"), ("finetune", "all")):
        sam = start(TrainConfig(mode=mode, what=what, data="x", init=saved(tiny.LIGHT, tmp_path), fresh_heads=False))
        points, labels = tiny.points(sam.config, [2, 1])
        prompts = Prompts(
            torch.tensor([0, 0]),
            points,
            labels,
            tiny.boxes(sam.config, [True, False]),
            tiny.masks(sam.config, [True, False]),
        )
        embedding = sam.encode(tiny.pixels(sam.config))
        attended = sam.attend(embedding, prompts)
        plain, heads = sam.mask_decoder.logits(attended, embedding, torch.arange(4).expand(2, -1), "add")
        (plain.square().mean() + heads.square().mean() + attended.iou.square().mean()).backward()
        idle = {name for name, parameter in learning(sam).items() if parameter.grad is None}
        assert not idle
