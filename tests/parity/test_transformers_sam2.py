"""SAM 2 beside transformers' Sam2Model and Sam2VideoModel, at tiny size with the same random weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from samhq.checkpoint.hf_config import config_to_transformers
from samhq.checkpoint.naming import to_transformers
from samhq.compat.transformers.sam2 import Sam2Model
from samhq.compat.transformers.sam2_processor import Sam2Processor
from samhq.errors import ConfigError
from samhq.model.sam2.positions import sine_grid
from tests import tiny

transformers = pytest.importorskip("transformers")
CONFIG = tiny.SECOND_OF_TRANSFORMERS
PROMPTS: dict[str, dict[str, Any]] = {
    "points": {"input_points": [[[[30.0, 40.0], [80.0, 20.0]], [[64.0, 64.0], [9.0, 100.0]]]] * 2,
               "input_labels": [[[1, 0], [1, 1]]] * 2},
    "boxes": {"input_boxes": [[[10.0, 12.0, 90.0, 100.0], [40.0, 5.0, 60.0, 44.0]]] * 2},
    "both": {"input_points": [[[[30.0, 40.0]]]] * 2, "input_labels": [[[1]]] * 2,
             "input_boxes": [[[10.0, 12.0, 90.0, 100.0]]] * 2},
    "nothing": {},
}  # fmt: skip


@pytest.fixture(scope="module")
def pair() -> tuple[Any, Sam2Model]:
    """The peer's picture model and ours, of the same weights."""
    ours = tiny.shared(CONFIG)
    raw = config_to_transformers(CONFIG.replace(memory=None))
    theirs = transformers.Sam2Model(transformers.Sam2Config.from_dict(raw)).eval().requires_grad_(False)
    state = to_transformers(ours.state_dict())
    missing, unexpected = theirs.load_state_dict(state, strict=False)
    assert not missing
    assert unexpected  # the memory, which that model has not
    return theirs, Sam2Model(ours)


@torch.inference_mode()
@pytest.mark.parametrize("multimask", [True, False])
@pytest.mark.parametrize("kind", PROMPTS)
def test_outputs(pair: tuple[Any, Sam2Model], kind: str, multimask: bool) -> None:
    theirs, ours = pair
    pixels = tiny.pixels(CONFIG, 2)
    prompt = {name: torch.tensor(value) for name, value in PROMPTS[kind].items()}
    expected = theirs(pixel_values=pixels, **prompt, multimask_output=multimask)
    found = ours(pixel_values=pixels, **prompt, multimask_output=multimask)
    torch.testing.assert_close(found.pred_masks, expected.pred_masks, rtol=1e-4, atol=2e-4)
    torch.testing.assert_close(found.iou_scores, expected.iou_scores, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found.object_score_logits, expected.object_score_logits, rtol=1e-4, atol=1e-4)
    again = ours(image_embeddings=found.image_embeddings, **prompt, multimask_output=multimask)
    torch.testing.assert_close(again.pred_masks, found.pred_masks)


@torch.inference_mode()
def test_embeddings(pair: tuple[Any, Sam2Model]) -> None:
    theirs, ours = pair
    pixels = tiny.pixels(CONFIG, 2)
    for mine, its in zip(ours.get_image_embeddings(pixels), theirs.get_image_embeddings(pixels), strict=True):
        torch.testing.assert_close(mine, its, rtol=1e-4, atol=1e-4)


@torch.inference_mode()
def test_parts_and_arguments_that_say_nothing(pair: tuple[Any, Sam2Model]) -> None:
    theirs, ours = pair
    expected = theirs.get_image_wide_positional_embeddings()
    torch.testing.assert_close(ours.get_image_wide_positional_embeddings(), expected, rtol=1e-4, atol=1e-5)
    for part in ("vision_encoder", "mask_decoder"):
        count = sum(one.numel() for one in getattr(theirs, part).parameters())
        assert sum(one.numel() for one in getattr(ours, part).parameters()) == count
    assert ours.num_parameters() > ours.num_parameters(only_trainable=True) == 0
    prompt = {name: torch.tensor(value) for name, value in PROMPTS["points"].items()}
    pixels, none = tiny.pixels(CONFIG, 2), dict.fromkeys(("attention_similarity", "target_embedding"))
    assert torch.equal(ours(pixels, **prompt, **none).pred_masks, ours(pixels, **prompt).pred_masks)
    with pytest.raises(ConfigError, match="attention_similarity"):
        ours(pixels, **prompt, attention_similarity=pixels)


@torch.inference_mode()
def test_a_point_that_fills_up_takes_no_part(pair: tuple[Any, Sam2Model]) -> None:
    ours = pair[1]
    picture = np.zeros((60, 90, 3), np.uint8)
    inputs = Sam2Processor(CONFIG.side)(
        [picture, picture], input_points=[[[[20, 30], [40, 9]]], [[[20, 30]]]], return_tensors="pt"
    )
    assert inputs["input_labels"].tolist() == [[[1, 1]], [[1, -10]]]
    assert inputs["input_points"][0, 0, 0].tolist() == pytest.approx([20 / 90 * 128, 64])
    alone = Sam2Processor(CONFIG.side)(picture, input_points=[[[[20, 30]]]], return_tensors="pt")
    together = ours(**inputs).pred_masks[1]
    torch.testing.assert_close(together, ours(**alone).pred_masks[0], rtol=1e-4, atol=1e-4)
    masks = Sam2Processor(CONFIG.side).post_process_masks(ours(**alone).pred_masks, alone["original_sizes"])
    assert masks[0].shape == (1, 3, 60, 90)


@torch.inference_mode()
def test_memory_attention_and_encoder() -> None:
    """The parts that only videos use, each on the same input."""
    ours = tiny.shared(CONFIG)
    raw = config_to_transformers(CONFIG)
    theirs = transformers.Sam2VideoModel(transformers.Sam2VideoConfig.from_dict(raw)).eval()
    theirs.load_state_dict(to_transformers(ours.state_dict()))
    grid, dim, source = CONFIG.grid, CONFIG.decoder.dim, torch.Generator().manual_seed(0)
    features = torch.randn(1, dim, grid, grid, generator=source)
    masks = torch.randn(1, 1, CONFIG.side, CONFIG.side, generator=source)
    made = theirs.memory_encoder(features, masks)[0]
    torch.testing.assert_close(ours.memory_encoder(features, masks), made, rtol=1e-4, atol=1e-5)
    memory = ours.gather([made, made.flip(3)], [0, 1], [torch.randn(1, dim, generator=source)], [0.3])
    expected = theirs.memory_attention(
        current_vision_features=features.flatten(2).permute(2, 0, 1),
        memory=memory.values.transpose(0, 1),
        current_vision_position_embeddings=sine_grid(dim, grid, grid).flatten(2).permute(2, 0, 1),
        memory_posision_embeddings=memory.positions.transpose(0, 1),
        num_object_pointer_tokens=memory.pointers,
    )
    found = ours.conditioned(features, memory)
    torch.testing.assert_close(found.flatten(2).mT.squeeze(), expected.squeeze(), rtol=1e-4, atol=1e-4)
