"""Nothing is uploaded: what transformers would send to the hub says how to send a saved folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests import tiny

from samhq.compat.transformers import Sam2Model, Sam2Processor, SamHQModel, SamHQProcessor
from samhq.errors import ConfigError


def test_uploads_are_refused_with_the_command_that_does_them(
    model: SamHQModel, processor: SamHQProcessor, tmp_path: Path
) -> None:
    second = Sam2Model(tiny.shared(tiny.SECOND_OF_TRANSFORMERS))
    for one in (model, processor, processor.image_processor, second, Sam2Processor(128)):
        with pytest.raises(ConfigError, match="hf upload me/mine folder"):
            one.push_to_hub("me/mine", private=True)
    for one in (model, processor, second, Sam2Processor(128)):
        with pytest.raises(ConfigError, match="hf upload me/mine folder"):
            one.save_pretrained(tmp_path, push_to_hub=True, repo_id="me/mine")
        one.save_pretrained(tmp_path, push_to_hub=False, safe_serialization=True)
    assert (tmp_path / "model.safetensors").is_file()


def test_options_of_saving_count_for_sam2_too(tmp_path: Path) -> None:
    second = Sam2Model(tiny.shared(tiny.SECOND_OF_TRANSFORMERS))
    second.save_pretrained(tmp_path / "not", is_main_process=False)
    assert not (tmp_path / "not").exists()
    with pytest.raises(ConfigError, match=r"torch\.save"):
        second.save_pretrained(tmp_path, safe_serialization=False)
    second.save_pretrained(tmp_path)
    options = {"attn_implementation": "flash_attention_2", "device_map": "cpu", "use_fast": True}
    assert Sam2Model.from_pretrained(tmp_path, **options).dtype == second.dtype
    assert Sam2Processor.from_pretrained(tmp_path, **options).target_size == 128
