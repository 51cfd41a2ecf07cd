from __future__ import annotations

import pytest
import torch

from samhq.checkpoint.unwrap import unwrap
from samhq.errors import CheckpointError

PLAIN = {
    "image_encoder.pos_embed": torch.zeros(1),
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


def test_what_has_another_prefix_stays_to_be_reported():
    state = {f"model.{k}": v for k, v in PLAIN.items()} | {"loss.weight": torch.ones(1)}
    assert "loss.weight" in unwrap(state).state


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"state": {0: {}}, "param_groups": []}, "optimizer's state"),
        ({"optimizer": {"state": {}}, "epoch": 1}, "optimizer's state"),
        (torch.zeros(3), "a Tensor"),
        ([1, 2], "a list"),
        ({}, "a dict of nothing"),
        ({"a": 1, "b": "c"}, "without tensors"),
        ({**PLAIN, "epoch": 3}, "other things too: epoch"),
        ({1: torch.zeros(1)}, "other things too: 1"),
        ({"mask_decoder.x": torch.zeros(2, 2).to_sparse()}, "other things too"),
        ({"mask_decoder.x": torch.zeros(2, device="meta")}, "other things too"),
        ({f"{p}.mask_decoder.x": torch.zeros(1) for p in ("model", "ema")}, "the weights of one model, got several"),
    ],
)
def test_what_holds_no_weights_is_named(value, words):
    with pytest.raises(CheckpointError, match=words):
        unwrap(value)
