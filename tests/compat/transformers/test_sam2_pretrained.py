"""What transformers' two models of SAM 2 have in common."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tests import tiny

from samhq.checkpoint.save import save_model
from samhq.compat.transformers import Sam2Config, Sam2Model, Sam2VideoConfig, Sam2VideoModel
from samhq.compat.transformers.sam2_pretrained import Sam2PreTrainedModel, as_sam2_config
from samhq.errors import ConfigError

KINDS = [(Sam2Model, Sam2Config), (Sam2VideoModel, Sam2VideoConfig)]


@pytest.mark.parametrize(("model", "config"), KINDS)
def test_an_untrained_model_is_saved_and_loaded(
    model: type[Sam2PreTrainedModel], config: type[Sam2Config], tmp_path: Path
) -> None:
    settings = config.from_model_config(tiny.SECOND_OF_TRANSFORMERS)
    made = model(settings)
    made.save_pretrained(tmp_path)
    loaded = model.from_pretrained(tmp_path)
    assert loaded.config.to_dict() == settings.to_dict()
    assert all(torch.equal(value, made.state_dict()[name]) for name, value in loaded.state_dict().items())
    assert (loaded.device.type, loaded.dtype, loaded.training) == ("cpu", torch.float32, False)


@pytest.mark.parametrize(("model", "config"), KINDS)
def test_other_models_are_refused(model: type[Sam2PreTrainedModel], config: type[Sam2Config], tmp_path: Path) -> None:
    save_model(tiny.shared(tiny.PLAIN), tmp_path)
    with pytest.raises(ConfigError, match="Expected a SAM 2, got tiny_plain"):
        model.from_pretrained(tmp_path)
    with pytest.raises(ConfigError, match="HQ-SAM 2"):
        model(tiny.shared(tiny.SECOND_HQ))
    with pytest.raises(ConfigError, match=f"Expected a {config.__name__}, got a dict. Or use {model.__name__}"):
        as_sam2_config({}, config)
