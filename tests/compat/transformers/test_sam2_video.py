"""transformers' calls on videos; numbers beside transformers itself are in tests/parity."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests import tiny
from tests.video import small

from samhq.checkpoint.save import save_model
from samhq.compat.sam2 import SAM2VideoPredictor
from samhq.compat.transformers import (
    AutoProcessor,
    Sam2VideoConfig,
    Sam2VideoInferenceSession,
    Sam2VideoModel,
    Sam2VideoProcessor,
)
from samhq.errors import ConfigError, PromptError
from samhq.video.memory import TrackOptions

CLICK: dict[str, Any] = {"input_points": [[[[11, 18]]]], "input_labels": [[[1]]]}
OFF: dict[str, Any] = {"input_points": [[[[30, 30]]]], "input_labels": [[[0]]]}


@pytest.fixture
def model() -> Sam2VideoModel:
    return Sam2VideoModel(small.shared())


@pytest.fixture
def processor() -> Sam2VideoProcessor:
    return Sam2VideoProcessor(small.VIDEO.side)


@pytest.fixture
def session(processor: Sam2VideoProcessor) -> Sam2VideoInferenceSession:
    return processor.init_video_session(video=small.images(6), inference_device="cpu", dtype=torch.float32)


def at_size(processor: Sam2VideoProcessor, output: Any, hw: tuple[int, int] = (40, 60)) -> torch.Tensor:
    return processor.post_process_masks([output.pred_masks], original_sizes=[hw], binarize=False)[0]


def test_a_pass_equals_that_of_sam2s_own_predictor(
    model: Sam2VideoModel, processor: Sam2VideoProcessor, session: Sam2VideoInferenceSession
) -> None:
    """Two clicks on one frame, one after the other, another object, and a correction on a tracked frame."""
    predictor = SAM2VideoPredictor(small.shared(), add_all_frames_to_correct_as_cond=True)
    state = predictor.init_state(small.images(6))
    processor.add_inputs_to_inference_session(session, 1, 1, **CLICK)
    first = model(session, frame_idx=1)
    expected = predictor.add_new_points_or_box(state, 1, 1, points=[[11, 18]], labels=[1])[2]
    torch.testing.assert_close(at_size(processor, first), expected)
    processor.add_inputs_to_inference_session(session, 1, 1, **OFF, clear_old_inputs=False)
    processor.add_inputs_to_inference_session(session, 3, [2], input_boxes=[[[5, 12, 17, 24]]])
    predictor.add_new_points_or_box(state, 1, 1, points=[[30, 30]], labels=[0], clear_old_points=False)
    predictor.add_new_points_or_box(state, 3, 2, box=[5, 12, 17, 24])
    for turn in range(2):
        frames = list(model.propagate_in_video_iterator(session))
        for output, (index, ids, logits) in zip(frames, predictor.propagate_in_video(state), strict=True):
            assert (output.frame_idx, output.object_ids) == (index, ids)
            torch.testing.assert_close(at_size(processor, output), logits, rtol=1e-4, atol=1e-4)
        if turn == 0:
            processor.add_inputs_to_inference_session(session, 4, 1, **CLICK)
            corrected = predictor.add_new_points_or_box(state, 4, 1, points=[[11, 18]], labels=[1])[2]
            torch.testing.assert_close(at_size(processor, model(session, 4)), corrected, rtol=1e-4, atol=1e-4)
    assert [output.frame_idx for output in frames] == [1, 2, 3, 4, 5]


def test_outputs_are_read_as_transformers(model: Sam2VideoModel, processor: Any, session: Any) -> None:
    processor.add_inputs_to_inference_session(session, 0, [5, 3], [[[[11, 18]], [[40, 30]]]], [[[1], [1]]])
    output = model(inference_session=session, frame_idx=0)
    assert output.object_ids == session.obj_ids == [5, 3]
    assert output["pred_masks"].shape == (2, 1, 16, 16)
    assert output["object_score_logits"].shape == (2, 1)
    assert list(output) == ["object_ids", "pred_masks", "object_score_logits", "frame_idx"]
    assert processor.post_process_masks([output.pred_masks], [[40, 60]])[0].shape == (2, 1, 40, 60)
    assert not output.pred_masks.requires_grad


def test_an_object_that_is_prompted_later_has_no_mask_before_it_comes(model: Any, processor: Any) -> None:
    session = processor.init_video_session()
    processor.add_inputs_to_inference_session(session, 0, 1, **CLICK, original_size=(40, 60))
    processor.add_inputs_to_inference_session(session, 1, 2, **CLICK)
    outputs = []
    for image in small.images(3):
        inputs = processor(images=image, device="cpu", return_tensors="pt")
        outputs.append(model(inference_session=session, frame=inputs.pixel_values[0]))
    assert [output.object_ids for output in outputs] == [[1, 2]] * 3
    assert outputs[0].pred_masks[1].max() == outputs[0].object_score_logits[1] == -1024
    assert outputs[1].pred_masks[1].max() > -1024
    processor.add_inputs_to_inference_session(session, 2, 1, **OFF)
    assert not torch.equal(model(session, frame_idx=2).pred_masks[0], outputs[2].pred_masks[0])


def test_a_stream_of_any_length_keeps_one_frame(model: Any, processor: Any) -> None:
    session = processor.init_video_session(options=TrackOptions(keep="window"))
    whole = processor.init_video_session()
    for one in (session, whole):
        processor.add_inputs_to_inference_session(one, 0, 1, **CLICK, original_size=(40, 60))
    for image in small.images(25):
        pixels = processor(image, return_tensors="pt").pixel_values
        found, expected = (model(one, frame=pixels) for one in (session, whole))
        assert torch.equal(found.pred_masks, expected.pred_masks)
    memory = session.ready(model.sam).objects[1].memory
    assert len(memory.tracked) < 20
    assert session.get_frame(24).shape == (3, 64, 64)
    with pytest.raises(PromptError, match="the last one, 24"):
        session.get_frame(23)
    with pytest.raises(PromptError, match="the last one, 24"):
        processor.add_inputs_to_inference_session(session, 3, 1, **CLICK)


def test_a_model_is_loaded_with_its_processor(tmp_path: Path) -> None:
    save_model(tiny.shared(tiny.SECOND_OF_TRANSFORMERS), tmp_path / "a")
    model = Sam2VideoModel.from_pretrained(tmp_path / "a", dtype=torch.bfloat16)
    assert model.dtype is torch.bfloat16
    model.save_pretrained(tmp_path / "b")
    processor = AutoProcessor.from_pretrained(tmp_path / "b")
    assert isinstance(processor, Sam2VideoProcessor)
    processor.save_pretrained(tmp_path / "c")
    assert Sam2VideoProcessor.from_pretrained(tmp_path / "c").target_size == 128
    session = processor.init_video_session(small.images(2), dtype=torch.bfloat16)
    processor.add_inputs_to_inference_session(session, 0, 1, **CLICK)
    assert len(list(Sam2VideoModel.from_pretrained(tmp_path / "b").propagate_in_video_iterator(session))) == 2
    assert Sam2VideoModel(Sam2VideoConfig.from_pretrained(tmp_path / "b")).config.num_maskmem == 7


def test_what_cannot_be_done_is_refused(model: Any, processor: Any, session: Any) -> None:
    with pytest.raises(PromptError, match="objects to follow"):
        model(session, frame_idx=0)
    with pytest.raises(PromptError, match="prompts before tracking"):
        next(model.propagate_in_video_iterator(session))
    processor.add_inputs_to_inference_session(session, 0, 1, **CLICK)
    with pytest.raises(PromptError, match="frame_idx, or frame"):
        model(session)
    with pytest.raises(PromptError, match="frame from 0 to 5"):
        model(session, 6)
    with pytest.raises(PromptError, match="frame from 0 to 5"):
        next(model.propagate_in_video_iterator(session, start_frame_idx=9))
    with pytest.raises(PromptError, match="without video"):
        model(session, frame=torch.zeros(3, 64, 64))
    with pytest.raises(ConfigError, match="run_mem_encoder"):
        model(session, 0, run_mem_encoder=False)
    with pytest.raises(ConfigError, match="'frames'"):
        model(session, 0, frames=[])
    model(session, 0)
    with pytest.raises(PromptError, match="got another"):
        Sam2VideoModel(small.model())(session, 0)
    other = Sam2VideoProcessor(32)
    shorter = other.init_video_session(small.images(1))
    other.add_inputs_to_inference_session(shorter, 0, 1, **CLICK)
    with pytest.raises(ConfigError, match="squares of 32"):
        model(shorter, 0)
    with pytest.raises(ConfigError, match="memory of videos"):
        Sam2VideoModel(tiny.model(tiny.SECOND_OF_TRANSFORMERS.replace(memory=None)))


def test_an_empty_mask_is_an_absent_object(model: Any, processor: Any, session: Any) -> None:
    processor.add_inputs_to_inference_session(session, 0, [1], input_masks=[np.zeros((40, 60), bool)])
    output = model(session, 0)
    assert output.object_score_logits.item() < 0
    assert output.pred_masks.max() < 0
