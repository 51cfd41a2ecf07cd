from __future__ import annotations

import pytest
import torch

from samhq.checkpoint.unwrap import unwrap
from samhq.errors import CheckpointError

PLAIN = {
    "image_encoder.pos_embed": torch.zeros(1),
    "prompt_encoder.no_mask_embed.weight": torch.zeros(2),
    "mask_decoder.iou_token.weight": torch.ones(2),
    "shared_image_embedding.positional_embedding": torch.ones(3),
}


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


@pytest.mark.parametrize(
    ("wrap", "wrapper"),
    [
        (lambda s: s, ""),
        (lambda s: {"model": s, "optimizer": {"state": {}}, "epoch": 3}, "model"),
        (lambda s: {"state_dict": s}, "state_dict"),
        (lambda s: {"anything": {"model": s}}, "anything.model"),
        (lambda s: {"model_state": s, "optimizer_state": {"state": {0: {"exp_avg": torch.ones(2)}}}}, "model_state"),
        *((lambda s, key=key: {key: s, "epoch": 1, "lr": 0.1}, key) for key in ("network", "sam", "weights", "net")),
        *((lambda s, key=key: {key: s, "args": {}}, key) for key in ("student", "generator", "model_ema", "whatever")),
        (lambda s: {"checkpoint": {"model": s, "step": 3}, "config": {"a": 1}}, "checkpoint.model"),
        (lambda s: {"data": {"deep": {"deeper": s}}, "loss": torch.ones(1)}, "data.deep.deeper"),
        (lambda s: {"optimizer": {"state": {0: {"exp_avg": torch.ones(2)}}}, "my_sam": s}, "my_sam"),
    ],
)
@pytest.mark.parametrize("prefix", ["", "module.", "sam.", "module.sam_model."])
def test_wrappers_and_prefixes_come_off(wrap, wrapper, prefix):
    found = unwrap(wrap({prefix + key: value for key, value in PLAIN.items()}))
    assert same(found.state, PLAIN)
    assert (found.wrapper, found.prefix) == (wrapper, prefix)


def test_pixel_constants_are_dropped():
    constants = {"sam.pixel_mean": torch.zeros(3, 1, 1), "sam.pixel_std": torch.ones(3, 1, 1)}
    assert same(unwrap({f"sam.{k}": v for k, v in PLAIN.items()} | constants).state, PLAIN)


@pytest.mark.parametrize("prefix", ["", "model.", "module.sam."])
@pytest.mark.parametrize("beside", ["criterion.weight", "loss_fn.weight", "dice_loss.smooth", "val_metrics.total"])
def test_what_stands_beside_the_model_in_training_code_is_left_out_and_said(prefix, beside):
    for name in (beside, prefix + beside):
        found = unwrap({prefix + k: v for k, v in PLAIN.items()} | {name: torch.ones(1), "epoch": 3})
        assert same(found.state, PLAIN)
        assert found.left_out == (name, "epoch")


def test_what_has_another_prefix_is_left_out_and_said():
    found = unwrap({f"sam.{k}": v for k, v in PLAIN.items()} | {"decoder.conv.weight": torch.ones(1)})
    assert same(found.state, PLAIN)
    assert found.left_out == ("decoder.conv.weight",)


def test_what_could_be_part_of_the_model_stays_to_be_reported():
    """An adapter would change masks: it must not go without a word."""
    for name in ("mask_decoder.adapter.weight", "adapter.weight", "lora.0.weight"):
        assert name in unwrap(PLAIN | {name: torch.ones(1)}).state


def test_counters_of_other_packages_are_no_weights():
    counted = {
        f"{key.rsplit('.', 1)[0]}.{name}": torch.zeros(1) for key in PLAIN for name in ("total_ops", "total_params")
    }
    found = unwrap({f"module.{k}": v for k, v in (PLAIN | counted).items()} | {"n_averaged": torch.tensor(3)})
    assert same(found.state, PLAIN)
    assert found.left_out == ()


def test_of_several_models_the_most_telling_counts_and_the_others_are_said():
    other = {key: value + 1 for key, value in PLAIN.items()}
    found = unwrap({"ema": other, "model": PLAIN})
    assert same(found.state, PLAIN)
    assert (found.wrapper, found.left_out) == ("model", ("ema",))
    assert unwrap({"teacher": other, "student": PLAIN}).wrapper == "student"
    with pytest.raises(CheckpointError, match=r"got several, under 'a', 'b'"):
        unwrap({"a": PLAIN, "b": other})


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"state": {0: {}}, "param_groups": []}, "optimizer's state"),
        ({"optimizer": {"state": {}}, "epoch": 1}, "optimizer's state"),
        (torch.zeros(3), "a Tensor"),
        ([1, 2], "a list"),
        ({}, "a dict of nothing"),
        ({"a": 1, "b": "c"}, "without tensors"),
        ({**PLAIN, "mask_decoder.epoch": 3}, "other things too: mask_decoder.epoch"),
        ({"optimizer": {"state": {0: {"exp_avg": torch.ones(2)}}}, "epoch": 1}, "optimizer's state"),
        ({1: torch.zeros(1)}, "other things too: 1"),
        ({"mask_decoder.x": torch.zeros(2, 2).to_sparse()}, "other things too"),
        ({"mask_decoder.x": torch.zeros(2, device="meta")}, "other things too"),
        ({f"{p}.mask_decoder.x": torch.zeros(1) for p in ("model", "ema")}, "the weights of one model, got several"),
    ],
)
def test_what_holds_no_weights_is_named(value, words):
    with pytest.raises(CheckpointError, match=words):
        unwrap(value)
