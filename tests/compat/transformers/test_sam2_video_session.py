"""What a session knows of its video and its objects."""

from __future__ import annotations

import pytest
import torch
from tests.video import small

from samhq.compat.transformers.sam2_video_session import Sam2VideoInferenceSession
from samhq.errors import PromptError
from samhq.video.frames import FrameList
from samhq.video.tracker import Clicks

CLICKS = Clicks(torch.tensor([[12.0, 28.0]]), torch.tensor([1]))


def session(count: int = 4, cached: int = 1) -> Sam2VideoInferenceSession:
    return Sam2VideoInferenceSession(FrameList(small.images(count)), 64, cached=cached)


def test_ids_have_places() -> None:
    one = session()
    assert [one.obj_id_to_idx(number) for number in (7, 3, 7)] == [0, 1, 0]
    assert (one.obj_idx_to_id(1), one.get_obj_num(), one.obj_ids) == (3, 2, [7, 3])
    assert repr(one) == "Sam2VideoInferenceSession(4 frames, objects [7, 3])"
    with pytest.raises(PromptError, match="whole number"):
        one.obj_id_to_idx("cat")  # type: ignore[arg-type]


def test_sizes_are_those_of_the_video() -> None:
    one, stream = session(), Sam2VideoInferenceSession(side=64)
    assert (one.num_frames, one.video_height, one.video_width) == (4, 40, 60)
    assert (stream.num_frames, stream.video_height) == (None, None)
    assert [stream.add_new_frame(torch.zeros(3, 64, 64)), stream.add_new_frame(torch.ones(1, 3, 64, 64))] == [0, 1]
    assert stream.num_frames == 2
    assert stream.get_frame(1).shape == (3, 64, 64)
    assert stream.add_new_frame(torch.ones(3, 64, 64), 0) == 0
    assert stream.get_frame(0).max() == 1
    with pytest.raises(PromptError, match="got 2"):
        stream.get_frame(2)


def test_prompts_wait_for_the_model() -> None:
    one = session()
    one.add_clicks(1, 7, CLICKS, more=False)
    one.add_clicks(1, 7, CLICKS, more=True)
    one.add_clicks(3, 8, CLICKS, more=False)
    one.add_clicks(3, 8, CLICKS, more=False)
    tracker = one.ready(small.shared())
    assert [len(tracker.objects[7].clicks[1].labels), len(tracker.objects[8].clicks[3].labels)] == [2, 1]
    assert one.first_prompted() == 1
    one.add_mask(1, 7, torch.ones(64, 64))
    one.ready(small.shared())
    assert (list(tracker.objects[7].masks), list(tracker.objects[7].clicks)) == ([1], [])
    with pytest.raises(PromptError, match="got 4"):
        one.add_clicks(4, 9, CLICKS, more=False)
    assert one.obj_ids == [7, 8]


def test_points_that_join_a_waiting_mask_correct_it() -> None:
    """As if the model had been called between the two prompts."""
    mask, masks = torch.zeros(64, 64), []
    mask[20:40, 10:30] = 1
    for called_between in (False, True):
        one, model = session(), small.shared()
        one.add_mask(0, 7, mask)
        if called_between:
            one.ready(model)
        one.add_clicks(0, 7, CLICKS, more=True)
        remembered = one.ready(model).objects[7].at(0)
        assert remembered is not None
        masks.append(remembered.logits)
    assert torch.equal(*masks)
    one = session()
    one.add_mask(0, 7, mask)
    one.add_clicks(0, 7, CLICKS, more=False)
    alone = one.ready(small.shared()).objects[7].at(0)
    assert alone is not None
    assert not torch.equal(alone.logits, masks[0]), "without `more` the mask is dropped"


def test_features_of_the_last_used_frames_are_kept() -> None:
    one = session(cached=2)
    one.ready(small.shared())
    kept = [one.encoded(index) for index in (0, 1)]
    assert one.encoded(0) is kept[0]
    one.encoded(2)
    assert one.encoded(0) is kept[0]
    assert one.encoded(1) is not kept[1]


def test_a_reset_forgets_objects_and_keeps_frames() -> None:
    one = session()
    one.add_clicks(0, 7, CLICKS, more=False)
    one.ready(small.shared())
    one.reset_tracking_data()
    assert (one.obj_ids, one.num_frames) == ([], 4)
    other = small.model()
    one.add_clicks(0, 8, CLICKS, more=False)
    assert list(one.ready(other).objects) == [8]
    one.reset_inference_session()
    with pytest.raises(PromptError, match="prompts before tracking"):
        one.first_prompted()
