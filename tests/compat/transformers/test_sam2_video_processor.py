"""Videos become sessions, and prompts reach them in model pixels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tests.video import small

from samhq.compat.transformers.sam2_video_processor import Sam2VideoProcessor
from samhq.compat.transformers.sam2_video_session import Sam2VideoInferenceSession
from samhq.errors import ConfigError, ImageError, PromptError


@pytest.fixture
def processor() -> Sam2VideoProcessor:
    return Sam2VideoProcessor(64)


def clicks(session: Sam2VideoInferenceSession, obj_id: int) -> tuple[list[list[float]], list[int]]:
    found = session.ready(small.shared()).objects[obj_id].clicks[0]
    return found.points.tolist(), found.labels.tolist()


def test_videos_of_every_kind(processor: Sam2VideoProcessor, tmp_path: Path) -> None:
    for t in range(3):
        Image.fromarray(small.image(t)).save(tmp_path / f"{t}.png")
    stack = np.stack(small.images(3))
    videos = [tmp_path, str(tmp_path), small.images(3), stack, torch.from_numpy(stack), stack.transpose(0, 3, 1, 2)]
    videos += [torch.from_numpy(stack).permute(0, 3, 1, 2), [Image.fromarray(image) for image in small.images(3)]]
    for video in videos:
        session = processor.init_video_session(video=video)
        assert (session.num_frames, session.video_height, session.video_width) == (3, 40, 60)
        assert torch.equal(session.get_frame(2), processor.init_video_session(stack).get_frame(2))
    with pytest.raises(ImageError, match="got"):
        processor.init_video_session(tmp_path / "none.mp4")
    with pytest.raises(ConfigError, match="max_vision_features_cache_size"):
        processor.init_video_session(max_vision_features_cache_size=0)


def test_points_and_boxes_in_model_pixels_without_padding(processor: Sam2VideoProcessor) -> None:
    session = processor.init_video_session(small.images(1))
    given: dict[str, Any] = {
        "input_points": [[[[30, 20]], [[15, 10], [60, 40]]]],
        "input_labels": [[[1], [1, 0]]],
        "input_boxes": [[[0, 0, 30, 20], [15, 10, 60, 40]]],
    }
    processor.add_inputs_to_inference_session(session, 0, [1, 2], **given)
    assert clicks(session, 1) == ([[0, 0], [32, 32], [32, 32]], [2, 3, 1])
    assert clicks(session, 2) == ([[16, 16], [64, 64], [16, 16], [64, 64]], [2, 3, 1, 0])


@pytest.mark.parametrize("ids", [[3, 4], (3, 4), np.array([3, 4]), torch.tensor([3, 4])])
def test_ids_may_be_any_numbers(processor: Sam2VideoProcessor, ids: Any) -> None:
    session = processor.init_video_session(small.images(1))
    processor.add_inputs_to_inference_session(session, 0, ids, input_boxes=[[[0, 0, 30, 20], [15, 10, 60, 40]]])
    processor.add_inputs_to_inference_session(session, 0, np.int64(9), input_boxes=[[[0, 0, 30, 20]]])
    assert session.obj_ids == [3, 4, 9]
    with pytest.raises(PromptError, match="whole number"):
        processor.add_inputs_to_inference_session(session, 0, "cat", input_boxes=[[[0, 0, 30, 20]]])


def test_the_size_of_a_stream_is_given_once(processor: Sam2VideoProcessor) -> None:
    session = processor.init_video_session()
    point: dict[str, Any] = {"input_points": [[[[30, 20]]]], "input_labels": [[[1]]]}
    with pytest.raises(PromptError, match="original_size"):
        processor.add_inputs_to_inference_session(session, 0, 1, **point)
    inputs = processor(small.image(0), return_tensors="pt")
    processor.add_inputs_to_inference_session(session, 0, 1, **point, original_size=inputs.original_sizes[0])
    session.add_new_frame(inputs.pixel_values[0])
    processor.add_inputs_to_inference_session(session, 0, 2, **point)
    assert clicks(session, 1) == clicks(session, 2) == ([[32, 32]], [1])


@pytest.mark.parametrize("kind", [bool, np.uint8, np.float32, torch.float32])
def test_masks_of_every_kind(processor: Sam2VideoProcessor, kind: Any) -> None:
    mask = np.zeros((40, 60))
    mask[:, :30] = 1
    given = torch.from_numpy(mask).to(kind) if isinstance(kind, torch.dtype) else mask.astype(kind)
    session = processor.init_video_session(small.images(1))
    processor.add_inputs_to_inference_session(session, 0, [1, 2], input_masks=[given, given[None]])
    for tracked in session.ready(small.shared()).objects.values():
        assert torch.equal(tracked.masks[0], torch.cat([torch.ones(64, 32), torch.zeros(64, 32)], 1))


BOX, POINT, LABEL = [[[0, 0, 30, 20]]], [[[[30, 20]]]], [[[1]]]


@pytest.mark.parametrize(
    ("ids", "wrong", "message"),
    [
        (1, {}, "got none"),
        (1, {"input_points": POINT}, "points and labels together"),
        (1, {"input_boxes": BOX, "clear_old_inputs": False}, "clear_old_inputs=True"),
        (1, {"input_masks": np.ones((4, 4), bool), "input_boxes": BOX}, "masks alone"),
        ([1, 2], {"input_masks": np.ones((2, 4, 4), bool)}, "one mask for each of 2"),
        (1, {"input_masks": np.ones((2, 4, 4), bool)}, r"one mask \[height, width\]"),
        ([1, 2], {"input_boxes": BOX}, "input_boxes for each of 2"),
        ([1, 2], {"input_points": POINT, "input_labels": LABEL}, "input_points for each of 2"),
        ([1, 1], {"input_boxes": [[[0, 0, 1, 1]] * 2]}, "each once"),
        ([], {"input_boxes": BOX}, "one or more object ids"),
        ([1, 2], {"input_points": [[[[3, 4]], None]], "input_labels": [[[1], None]]}, "for object 2"),
    ],
)
def test_what_says_nothing_clear_is_refused(
    processor: Sam2VideoProcessor, ids: Any, wrong: dict[str, Any], message: str
) -> None:
    session = processor.init_video_session(small.images(1))
    with pytest.raises(PromptError, match=message):
        processor.add_inputs_to_inference_session(session, 0, ids, **wrong)
    assert session.obj_ids == []
