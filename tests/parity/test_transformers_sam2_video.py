"""Videos beside transformers' Sam2VideoModel, with the same random weights, frames and prompts.

Frames have the model's side, so that no resizing differs. transformers' processor cannot be made without torchvision;
its methods that add prompts are called on an object that has only what they read.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from samhq.checkpoint.hf_config import config_to_transformers
from samhq.checkpoint.naming import to_transformers
from samhq.compat.transformers import Sam2VideoModel, Sam2VideoProcessor
from samhq.model.sam2.sam2 import Sam2
from tests import tiny
from tests.golden import clip

transformers = pytest.importorskip("transformers")
CONFIG = tiny.SECOND_OF_TRANSFORMERS
SIDE = CONFIG.side
FRAMES = [clip.frame(t, SIDE, SIDE) for t in range(5)]
PIXELS = [
    (torch.from_numpy(frame).float() - torch.tensor([123.675, 116.28, 103.53])) / torch.tensor([58.395, 57.12, 57.375])
    for frame in FRAMES
]
CLICK = {"input_points": [[[[60.0, 40.0]]]], "input_labels": [[[1]]]}
TWO = {"input_points": [[[[60.0, 40.0], [20.0, 90.0]], [[90.0, 90.0], [10.0, 10.0]]]], "input_labels": [[[1, 0]] * 2]}
BOX = {"input_boxes": [[[20.0, 24.0, 90.0, 80.0]]]}
BOTH = {**BOX, "input_points": [[[[60.0, 40.0]]]], "input_labels": [[[0]]]}


class Theirs:
    """transformers' model, processor and session, called as ours."""

    def __init__(self, ours: Sam2) -> None:
        raw = config_to_transformers(CONFIG)
        self.model = transformers.Sam2VideoModel(transformers.Sam2VideoConfig.from_dict(raw)).eval()
        self.model.load_state_dict(to_transformers(ours.state_dict()))
        kind = import_module("transformers.models.sam2_video.processing_sam2_video").Sam2VideoProcessor
        self.processor = object.__new__(kind)
        self.processor.target_size, self.processor.point_pad_value = SIDE, -10

    def session(self, frames: list[Tensor] | None) -> Any:
        kind = import_module("transformers.models.sam2_video.modeling_sam2_video").Sam2VideoInferenceSession
        video = None if frames is None else torch.stack(frames)
        size = None if frames is None else SIDE
        return kind(video, size, size, dtype=torch.float32)


@pytest.fixture(scope="module")
def network() -> Sam2:
    """Tiny weights that find their object."""
    sam = tiny.model(CONFIG).requires_grad_(False)
    assert isinstance(sam, Sam2)
    sam.sam_mask_decoder.pred_obj_score_head.layers[2].bias.data.fill_(3.0)
    return sam


@pytest.fixture(scope="module")
def theirs(network: Sam2) -> Theirs:
    return Theirs(network)


@pytest.fixture(scope="module")
def ours(network: Sam2) -> Sam2VideoModel:
    return Sam2VideoModel(network)


def processor() -> Sam2VideoProcessor:
    return Sam2VideoProcessor(SIDE)


def pixels(t: int) -> Tensor:
    return PIXELS[t].permute(2, 0, 1).contiguous()


def sessions(theirs: Theirs, *, streamed: bool = False) -> tuple[Any, Any]:
    if streamed:
        return processor().init_video_session(), theirs.session(None)
    return processor().init_video_session(FRAMES), theirs.session([pixels(t) for t in range(len(FRAMES))])


def add(theirs: Theirs, pair: tuple[Any, Any], frame_idx: int, ids: list[int], **inputs: Any) -> None:
    processor().add_inputs_to_inference_session(pair[0], frame_idx, list(ids), **inputs)
    theirs.processor.add_inputs_to_inference_session(pair[1], frame_idx, list(ids), **inputs)


def check(found: Any, expected: Any, tolerance: float = 2e-4) -> None:
    """Ids, shapes, number of the frame, logits relative to their mean, and scores."""
    assert (found.object_ids, found.frame_idx) == (expected.object_ids, expected.frame_idx)
    assert found.pred_masks.shape == expected.pred_masks.shape
    assert found.object_score_logits.shape == expected.object_score_logits.shape
    scale = float(expected.pred_masks.abs().mean())
    assert float((found.pred_masks - expected.pred_masks).abs().max()) < tolerance * scale
    torch.testing.assert_close(found.object_score_logits, expected.object_score_logits, rtol=1e-3, atol=1e-3)


def passes(theirs: Theirs, ours: Sam2VideoModel, pair: tuple[Any, Any], **how: Any) -> Iterator[tuple[Any, Any]]:
    yield from zip(
        ours.propagate_in_video_iterator(pair[0], **how),
        theirs.model.propagate_in_video_iterator(pair[1], **how),
        strict=True,
    )


@pytest.mark.parametrize(
    ("ids", "inputs"),
    [([7], CLICK), ([3, 5], TWO), ([1], BOX), ([1], BOTH)],
    ids=["click", "two objects", "box", "box and point"],
)
def test_a_prompted_frame_and_the_pass_after_it(
    theirs: Theirs, ours: Sam2VideoModel, ids: list[int], inputs: dict[str, Any]
) -> None:
    pair = sessions(theirs)
    add(theirs, pair, 1, ids, **inputs)
    expected = theirs.model(pair[1], frame_idx=1)
    check(ours(inference_session=pair[0], frame_idx=1), expected)
    assert expected.object_ids == ids
    frames = list(passes(theirs, ours, pair))
    assert [found.frame_idx for found, _ in frames] == [1, 2, 3, 4]
    for found, wanted in frames:
        check(found, wanted, 1e-3)
        assert (found.pred_masks > 0).any()


@pytest.mark.parametrize("how", [{"reverse": True}, {"max_frame_num_to_track": 1}, {"start_frame_idx": 0}])
def test_passes_go_over_the_same_frames(theirs: Theirs, ours: Sam2VideoModel, how: dict[str, Any]) -> None:
    pair = sessions(theirs)
    add(theirs, pair, 2, [1], **CLICK)
    theirs.model(pair[1], frame_idx=2)
    ours(pair[0], frame_idx=2)
    for found, expected in passes(theirs, ours, pair, **how):
        check(found, expected, 1e-3)


def test_points_of_two_calls_are_joined(theirs: Theirs, ours: Sam2VideoModel) -> None:
    pair = sessions(theirs)
    add(theirs, pair, 0, [1], **CLICK)
    add(theirs, pair, 0, [1], input_points=[[[[20.0, 90.0]]]], input_labels=[[[0]]], clear_old_inputs=False)
    check(ours(pair[0], 0), theirs.model(pair[1], frame_idx=0))


def test_a_mask_prompt(theirs: Theirs, ours: Sam2VideoModel) -> None:
    """Later frames differ: transformers remembers the mask at full size, the original at a quarter of it."""
    mask = np.zeros((SIDE, SIDE), bool)
    mask[30:80, 20:90] = True
    pair = sessions(theirs)
    add(theirs, pair, 0, [4], input_masks=mask)
    check(ours(pair[0], 0), theirs.model(pair[1], frame_idx=0))
    for found, expected in passes(theirs, ours, pair):
        areas = [int((one.pred_masks > 0).sum()) for one in (found, expected)]
        assert abs(areas[0] - areas[1]) <= 0.02 * areas[1] + 2


def test_frames_that_come_one_by_one(theirs: Theirs, ours: Sam2VideoModel) -> None:
    pair = sessions(theirs, streamed=True)
    add(theirs, pair, 0, [1, 2], **TWO, original_size=(SIDE, SIDE))
    for t in range(4):
        check(ours(pair[0], frame=pixels(t)), theirs.model(pair[1], frame=pixels(t)), 1e-3)
    assert pair[0].num_frames == pair[1].num_frames == 4


def test_an_object_that_joins_does_not_change_the_others(theirs: Theirs, ours: Sam2VideoModel) -> None:
    """In transformers it does: the frame's masks of all objects are remembered as those of prompts."""
    pair, alone = sessions(theirs, streamed=True), sessions(theirs, streamed=True)
    for one in (pair, alone):
        add(theirs, one, 0, [1], **CLICK, original_size=(SIDE, SIDE))
    for t in range(4):
        if t == 2:
            add(theirs, pair, 2, [9], **BOX)
        found, expected = ours(pair[0], frame=pixels(t)), theirs.model(pair[1], frame=pixels(t))
        wanted = ours(alone[0], frame=pixels(t))
        torch.testing.assert_close(found.pred_masks[:1], wanted.pred_masks, rtol=1e-3, atol=1e-3)
    assert found.object_ids == expected.object_ids == [1, 9]
    torch.testing.assert_close(found.pred_masks[1], expected.pred_masks[1], rtol=1e-3, atol=1e-3)


def test_pixels_of_a_videos_frames(theirs: Theirs) -> None:
    pair = sessions(theirs)
    torch.testing.assert_close(pair[0].get_frame(3), pair[1].get_frame(3), rtol=1e-5, atol=1e-5)


def test_weights_and_names_are_those_of_transformers(theirs: Theirs, ours: Sam2VideoModel) -> None:
    state, expected = ours.state_dict(), theirs.model.state_dict()
    assert set(state) == set(expected)
    assert all(torch.equal(value, expected[name]) for name, value in state.items())
