"""A checkpoint becomes the starter: named so, half as large, with its settings, or not written at all."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from tests import tiny

from samhq.checkpoint.load import load_model
from samhq.checkpoint.save import save_model
from samhq.config import Defaults
from samhq.errors import CheckpointError, ConfigError
from samhq.training import publish


def test_what_is_published_is_the_same_network_in_half_precision(tmp_path):
    sam = tiny.model(tiny.LIGHT)
    save_model(sam, tmp_path / "best.safetensors")
    settings = Defaults(pred_iou_thresh=0.5, refine_margin=0.5)
    publish.publish(tmp_path / "best.safetensors", tmp_path / "starter.safetensors", defaults=settings)
    published = load_model(tmp_path / "starter.safetensors")
    assert published.config.name == "starter"
    assert published.config.defaults == settings
    assert published.config.encoder == sam.config.encoder
    for name, tensor in sam.state_dict().items():
        torch.testing.assert_close(published.state_dict()[name], tensor, atol=1e-3, rtol=1e-3)
    sizes = [(tmp_path / f"{name}.safetensors").stat().st_size for name in ("best", "starter")]
    assert sizes[1] < 0.6 * sizes[0]


def test_it_may_be_for_pictures_of_another_side(tmp_path):
    save_model(tiny.model(tiny.LIGHT), tmp_path / "best.safetensors")
    publish.publish(tmp_path / "best.safetensors", tmp_path / "starter.safetensors", side=64)
    assert load_model(tmp_path / "starter.safetensors").config == replace(
        tiny.LIGHT, name="starter", family=load_model(tmp_path / "starter.safetensors").config.family, side=64
    )


@pytest.mark.parametrize(("content", "error"), [(None, CheckpointError), (b"no weights", CheckpointError)])
def test_what_cannot_be_read_is_not_published(tmp_path, content, error):
    if content is not None:
        (tmp_path / "best.safetensors").write_bytes(content)
    with pytest.raises(error):
        publish.publish(tmp_path / "best.safetensors", tmp_path / "starter.safetensors")
    assert not (tmp_path / "starter.safetensors").exists()


def test_a_side_that_does_not_fit_is_refused(tmp_path):
    save_model(tiny.model(tiny.LIGHT), tmp_path / "best.safetensors")
    with pytest.raises(ConfigError, match="multiple"):
        publish.publish(tmp_path / "best.safetensors", tmp_path / "starter.safetensors", side=50)
