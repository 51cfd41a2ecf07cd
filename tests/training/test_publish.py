from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from tests import tiny

from samhq.checkpoint.load import load_model
from samhq.errors import CheckpointError
from samhq.model.build import build
from samhq.training import publish
from samhq.training.optimise import Average


def test_a_run_of_before_the_architecture_was_written_down_is_published(tmp_path, monkeypatch):
    """Its state has all weights, their average, and the side; which model it is stands in its config.json."""
    small = replace(tiny.LIGHT, side=64)
    sam = build(small)
    tiny.fill(sam)
    average = Average(sam.named_parameters(), 0.9)
    with torch.no_grad():
        average.weights["mask_decoder.mask_tokens.weight"] += 1
    state = {"model": sam.state_dict(), "side": 64, "average": average.state_dict(), "place": [3, 6, 0.5]}
    torch.save(state, tmp_path / "state.pt")
    (tmp_path / "config.json").write_text(json.dumps({"model": "tiny_light", "prompts": 8}))
    monkeypatch.setattr(publish, "model_config", {"tiny_light": tiny.LIGHT}.__getitem__)
    publish.publish(tmp_path, tmp_path / "starter.safetensors", side=96, norm_pictures=2)
    published = load_model(tmp_path / "starter.safetensors")
    assert (published.config.name, published.config.side) == ("starter", 96)
    tokens = published.mask_decoder.mask_tokens.weight
    torch.testing.assert_close(tokens, sam.mask_decoder.mask_tokens.weight + 1, atol=2e-3, rtol=2e-3)
    norms = {name for name in published.state_dict() if name.endswith("running_mean")}
    assert any(not torch.equal(published.state_dict()[name], sam.state_dict()[name]) for name in norms)


def test_a_run_that_is_not_from_scratch_cannot_be_published(tmp_path):
    from tests.training.worlds import Held, quick, saved

    from samhq.training import loop

    config = quick(tmp_path / "run", saved(tiny.LIGHT, tmp_path), mode="hq", epochs=0.4)
    loop.train(config, data=Held(), say=lambda _: None)
    with pytest.raises(CheckpointError):
        publish.publish(tmp_path / "run", tmp_path / "starter.safetensors", side=96)
    assert not (tmp_path / "starter.safetensors").exists()
