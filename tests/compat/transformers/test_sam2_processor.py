"""Pictures, prompts and masks of SAM 2; the model's numbers with them are in tests/parity."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests import tiny

from samhq.compat.transformers.sam2 import Sam2Model
from samhq.compat.transformers.sam2_processor import Sam2Processor
from samhq.errors import ConfigError, ImageError, PromptError

CONFIG = tiny.SECOND_OF_TRANSFORMERS


def test_prompts_alone_are_prepared_for_known_sizes() -> None:
    """As with embeddings that were computed before."""
    processor, points = Sam2Processor(CONFIG.side), [[[[20, 30]]]]
    full = processor(np.zeros((60, 90, 3), np.uint8), input_points=points, return_tensors="pt")
    for sizes in ([[60, 90]], torch.tensor([[60, 90]])):
        alone = processor(input_points=points, original_sizes=sizes, return_tensors="pt")
        assert set(alone) == set(full) - {"pixel_values"}
        assert torch.equal(alone["input_points"], full["input_points"])
        assert alone["original_sizes"].tolist() == [[60, 90]]
    with pytest.raises(PromptError, match="original_sizes"):
        processor(input_points=points)


def test_segmentation_maps_become_labels() -> None:
    maps = [np.repeat(np.repeat([[1, 2], [3, 4]], 30, 0), 45, 1), Image.fromarray(np.full((8, 8), 7, np.uint8))]
    pictures = [np.zeros((60, 90, 3), np.uint8), np.zeros((8, 8, 3), np.uint8)]
    inputs = Sam2Processor(CONFIG.side)(pictures, maps, [[[[20, 30]]], [[[2, 3]]]], return_tensors="pt")
    labels = inputs.pop("labels")
    assert (labels.shape, labels.dtype) == ((2, 32, 32), torch.int64)
    assert labels[0, ::31, ::31].tolist() == [[1, 2], [3, 4]]
    assert labels[1].unique().tolist() == [7]
    assert Sam2Model(tiny.shared(CONFIG))(**inputs).pred_masks.shape == (2, 1, 3, 32, 32)
    for wrong in (maps[:1], [maps[0], np.full((8, 8), 0.5)]):
        with pytest.raises(ImageError, match="segmentation map"):
            Sam2Processor(CONFIG.side)(pictures, wrong)


@pytest.mark.parametrize("binarize", [True, False])
def test_objects_do_not_overlap_if_wished(binarize: bool) -> None:
    """`_apply_non_overlapping_constraints` is the peer's rule; its processor cannot be made without torchvision."""
    logits = torch.randn(1, 3, 2, 32, 32, generator=torch.Generator().manual_seed(0))
    processor = Sam2Processor(CONFIG.side)
    (found,) = processor.post_process_masks(
        logits, [[60, 90]], binarize=binarize, apply_non_overlapping_constraints=True
    )
    large = torch.nn.functional.interpolate(logits[0], (60, 90), mode="bilinear")
    highest = large.argmax(0, keepdim=True) == torch.arange(3)[:, None, None, None]
    expected = torch.where(highest, large, large.clamp(max=-10))
    torch.testing.assert_close(found, expected > 0 if binarize else expected)
    with pytest.raises(ConfigError, match="max_hole_area"):
        processor.post_process_masks(logits, [[60, 90]], max_hole_area=1.0)


def test_a_saved_processor_is_loaded(tmp_path: Path) -> None:
    Sam2Processor(512).save_pretrained(tmp_path)
    settings = json.loads((tmp_path / "preprocessor_config.json").read_text())
    assert (settings["size"], settings["processor_class"]) == ({"height": 512, "width": 512}, "Sam2Processor")
    loaded = Sam2Processor.from_pretrained(tmp_path)
    assert (loaded.target_size, loaded.image_processor) == (512, loaded)


def test_tensors_are_made_on_a_device() -> None:
    inputs = Sam2Processor(64)(np.zeros((6, 9, 3), np.uint8), return_tensors="pt", device="meta")
    assert {value.device.type for value in inputs.values()} == {"meta"}
