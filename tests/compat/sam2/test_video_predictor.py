"""SAM 2's calls: arguments, shapes, orders and refusals. Its numbers are in tests/golden/test_sam2_video.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tests import tiny
from tests.video import small

from samhq.checkpoint.save import save_model
from samhq.compat.sam2.state import InferenceState
from samhq.compat.sam2.video_predictor import SAM2HQVideoPredictor, SAM2VideoPredictor
from samhq.errors import ConfigError, PromptError
from samhq.model.sam import Sam

CLICK: dict[str, Any] = {"points": [[11, 18]], "labels": [1]}


@pytest.fixture
def predictor() -> SAM2VideoPredictor:
    return SAM2VideoPredictor(small.shared())


@pytest.fixture
def state(predictor: SAM2VideoPredictor) -> InferenceState:
    return predictor.init_state(small.images(6))


def indices(predictor: SAM2VideoPredictor, state: InferenceState, **how: Any) -> list[int]:
    return [index for index, _, _ in predictor.propagate_in_video(state, **how)]


def test_a_folder_of_pictures_is_a_video(predictor: SAM2VideoPredictor, tmp_path: Path) -> None:
    for t in range(3):
        Image.fromarray(small.image(t)).save(tmp_path / f"{t}.jpg")
    state = predictor.init_state(str(tmp_path), offload_video_to_cpu=True, async_loading_frames=True)
    assert (state["num_frames"], state["video_height"], state["video_width"]) == (3, 40, 60)
    assert state["obj_ids"] == []
    assert "obj_ids" in state
    assert state.get("obj_id_to_idx") == {}
    assert state.get("unknown", 3) == 3
    with pytest.raises(KeyError):
        state["unknown"]


def test_prompts_give_ids_and_logits_at_the_videos_size(predictor: SAM2VideoPredictor, state: InferenceState) -> None:
    frame, ids, logits = predictor.add_new_points_or_box(state, 2, 7, **CLICK)
    assert (frame, ids, logits.shape, logits.dtype) == (2, [7], (1, 1, 40, 60), torch.float32)
    frame, ids, logits = predictor.add_new_mask(state, 0, 3, np.zeros((40, 60), bool))
    assert (frame, ids, logits.shape) == (0, [7, 3], (2, 1, 40, 60))
    assert logits[0].max() < -1023
    assert (state["obj_id_to_idx"], state["obj_idx_to_id"]) == ({7: 0, 3: 1}, {0: 7, 1: 3})


def test_coordinates_may_be_parts_of_the_frame(predictor: SAM2VideoPredictor) -> None:
    found = []
    for points, normalize in ([[12.0, 20.0]], True), ([[12 / 60, 0.5]], False):
        state = predictor.init_state(small.images(1))
        given = {"points": points, "labels": [1], "normalize_coords": normalize}
        found.append(predictor.add_new_points_or_box(state, 0, 1, **given)[2])
    assert torch.allclose(*found, atol=1e-4)


def test_the_older_name_works(predictor: SAM2VideoPredictor, state: InferenceState) -> None:
    assert predictor.add_new_points(state, 0, 1, **CLICK)[1] == [1]


def test_passes_begin_and_end_as_the_originals(predictor: SAM2VideoPredictor, state: InferenceState) -> None:
    predictor.add_new_points_or_box(state, 2, 1, **CLICK)
    predictor.add_new_points_or_box(state, 4, 1, **CLICK)
    assert indices(predictor, state) == [2, 3, 4, 5]
    assert indices(predictor, state, max_frame_num_to_track=2) == [2, 3, 4]
    assert indices(predictor, state, reverse=True) == [2, 1, 0]
    assert indices(predictor, state, start_frame_idx=5, max_frame_num_to_track=1, reverse=True) == [5, 4]
    assert indices(predictor, state, start_frame_idx=0, reverse=True) == []


def test_numbers_that_are_no_bool_mask_the_object(predictor: SAM2VideoPredictor) -> None:
    mask = np.zeros((40, 60))
    mask[10:30, 10:40] = 1
    found = []
    for given in mask > 0, (mask * 255).astype(np.uint8), torch.from_numpy(mask):
        state = predictor.init_state(small.images(1))
        found.append(predictor.add_new_mask(state, 0, 1, given)[2] > 0)
    assert all(torch.equal(found[0], one) for one in found)
    assert abs(int(found[0].sum()) - 600) < 60
    state = predictor.init_state(small.images(1))
    assert not (predictor.add_new_mask(state, 0, 1, torch.from_numpy(mask * 0.4))[2] > 0).any()


def test_removing_an_object_gives_the_others(predictor: SAM2VideoPredictor, state: InferenceState) -> None:
    for number in (1, 2):
        predictor.add_new_points_or_box(state, number, number, **CLICK)
    ids, frames = predictor.remove_object(state, 1)
    assert ids == [2]
    assert [(index, logits.shape) for index, logits in frames] == [(1, (1, 1, 40, 60))]
    assert predictor.remove_object(state, 9) == ([2], [])
    with pytest.raises(RuntimeError, match="id of an object, got 9"):
        predictor.remove_object(state, 9, strict=True)
    assert predictor.remove_object(state, 2) == ([], [])


def test_a_reset_forgets_all_objects(predictor: SAM2VideoPredictor, state: InferenceState) -> None:
    predictor.add_new_points_or_box(state, 0, 1, **CLICK)
    predictor.reset_state(state)
    assert state["obj_ids"] == []
    with pytest.raises(RuntimeError, match="prompts before tracking"):
        indices(predictor, state)


def test_an_object_without_prompts_stops_the_pass(predictor: SAM2VideoPredictor, state: InferenceState) -> None:
    predictor.add_new_points_or_box(state, 0, 1, **CLICK)
    cleared = predictor.clear_all_prompts_in_frame(state, 0, 1)
    assert cleared is not None
    assert cleared[2].max() < -1023
    assert predictor.clear_all_prompts_in_frame(state, 0, 1, need_output=False) is None
    with pytest.raises(RuntimeError, match="got none for object 1"):
        indices(predictor, state)
    with pytest.raises(PromptError, match="got 5"):
        predictor.clear_all_prompts_in_frame(state, 0, 5)


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"points": [[1, 1]]},
        {"box": [1, 2, 3, 4], "clear_old_points": False},
        {"box": [[1, 2, 3, 4], [1, 2, 3, 4]]},
        {"points": [[1, 1], [2, 2]], "labels": [1]},
        {"points": [[1, 1]], "labels": [7]},
        {"points": [[1, float("nan")]], "labels": [1]},
        {"points": [], "labels": []},
        {"points": "here", "labels": [1]},
        {"points": [[1, 1, 1]], "labels": [1]},
    ],
)
def test_wrong_prompts_are_refused(predictor: SAM2VideoPredictor, state: InferenceState, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="Expected"):
        predictor.add_new_points_or_box(state, 0, 1, **wrong)
    assert state["obj_ids"] == []
    with pytest.raises(ValueError, match="from 0 to 5"):
        predictor.add_new_points_or_box(state, 6, 1, **CLICK)
    with pytest.raises(ValueError, match=r"got 1\.5"):
        predictor.add_new_points_or_box(state, 1.5, 1, **CLICK)  # type: ignore[arg-type]
    for mask in (np.zeros((1, 40, 60)), np.zeros((0, 60)), np.full((40, 60), np.nan)):
        with pytest.raises(ValueError, match="mask"):
            predictor.add_new_mask(state, 0, 1, mask)
    assert state["obj_ids"] == []


def test_a_pass_from_a_frame_that_does_not_exist_is_refused(
    predictor: SAM2VideoPredictor, state: InferenceState
) -> None:
    predictor.add_new_points_or_box(state, 0, 1, **CLICK)
    for start in (-1, 6):
        with pytest.raises(PromptError, match="from 0 to 5"):
            indices(predictor, state, start_frame_idx=start)


def test_tensors_of_any_type_are_prompts(predictor: SAM2VideoPredictor, state: InferenceState) -> None:
    points = torch.tensor([[[11.0, 18.0]]], requires_grad=True, dtype=torch.float16)
    _, _, given = predictor.add_new_points_or_box(state, 0, 1, points=points, labels=torch.tensor([[1]]))
    _, _, listed = predictor.add_new_points_or_box(predictor.init_state(small.images(6)), 0, 1, **CLICK)
    assert torch.equal(given, listed)


def test_it_moves_and_is_asked_as_a_module(predictor: SAM2VideoPredictor) -> None:
    assert predictor.to("cpu").eval() is predictor
    assert len(list(predictor.parameters())) == len(list(small.shared().parameters()))


def test_attributes_may_change_between_calls(predictor: SAM2VideoPredictor, state: InferenceState) -> None:
    for number in (1, 2):
        predictor.add_new_points_or_box(state, 0, number, **CLICK)
    predictor.non_overlap_masks = True
    for _, _, logits in predictor.propagate_in_video(state):
        assert (logits > 0).sum(0).max() <= 1
    predictor.clear_non_cond_mem_around_input = True
    predictor.add_new_points_or_box(state, 3, 1, points=[[40, 30]], labels=[0])
    predictor.propagate_in_video_preflight(state)
    assert not state.tracker.object(1).memory.tracked
    assert state.tracker.object(2).memory.tracked


def test_hq_sam2s_predictor_follows_objects_together() -> None:
    """A frame on which one object is prompted is a prompted frame for all; others count as absent there."""
    predictor = SAM2HQVideoPredictor(small.shared())
    state = predictor.init_state(small.images(6))
    predictor.add_new_points_or_box(state, 0, 1, **CLICK)
    predictor.add_new_points_or_box(state, 3, 2, **CLICK)
    found = {index: logits for index, _, logits in predictor.propagate_in_video(state)}
    assert (found[0][1].max(), found[3][0].max()) < (-1023, -1023)
    assert all(list(one.memory.prompted) == [0, 3] for one in state.tracker.objects.values())
    after = predictor.add_new_points_or_box(state, 5, 1, points=[[40, 30]], labels=[0])[2]
    again = {index: logits for index, _, logits in predictor.propagate_in_video(state)}
    assert torch.equal(again[5][0], after[0])
    with pytest.raises(RuntimeError, match=r"objects \[1, 2\] after tracking began, got 3"):
        predictor.add_new_points_or_box(state, 0, 3, **CLICK)
    with pytest.raises(RuntimeError, match="reset_state"):
        predictor.add_new_mask(state, 0, 3, np.zeros((40, 60), bool))
    predictor.reset_state(state)
    assert predictor.add_new_points_or_box(state, 0, 3, **CLICK)[1] == [3]


def test_a_corrected_frame_stays_when_memories_around_it_are_deleted() -> None:
    """HQ-SAM 2's rules keep its mask; the original deletes it with its neighbours, and then fails."""
    predictor = SAM2HQVideoPredictor(small.shared(), clear_non_cond_mem_around_input=True)
    state = predictor.init_state(small.images(6))
    predictor.add_new_points_or_box(state, 0, 1, **CLICK)
    assert len(indices(predictor, state)) == 6
    corrected = predictor.add_new_points_or_box(state, 3, 1, points=[[40, 30]], labels=[0])[2]
    predictor.propagate_in_video_preflight(state)
    assert list(state.tracker.object(1).memory.tracked) == [3]
    again = {index: logits for index, _, logits in predictor.propagate_in_video(state)}
    assert torch.equal(again[3], corrected)


def test_only_models_with_memory_are_taken(hq: Sam, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="follows objects"):
        SAM2VideoPredictor(hq)
    save_model(tiny.shared(tiny.HQ), tmp_path / "hq.safetensors")
    with pytest.raises(ConfigError, match="follows objects"):
        SAM2VideoPredictor.from_pretrained(str(tmp_path / "hq.safetensors"), device="cpu")


def test_weights_are_loaded_by_their_file(tmp_path: Path) -> None:
    save_model(small.shared(), tmp_path / "small.safetensors")
    found = SAM2VideoPredictor.from_pretrained(str(tmp_path / "small.safetensors"), device="cpu", keep="window")
    assert found.keep == "window"
    for key, value in small.shared().state_dict().items():
        assert torch.equal(found.model.state_dict()[key], value)
