"""How many frames a follower promises, and what it refuses. The rest is in test_job.py, which runs them."""

from __future__ import annotations

import pytest

from samhq.errors import PromptError
from samhq.results.prompt import Prompt
from samhq.video.followers import PromptFollower
from samhq.video.frames import open_frames
from samhq.video.prompts import VideoPrompt
from samhq.video.segmenter import Direction, VideoSegmenter
from tests.video import small


@pytest.mark.parametrize("direction", ["forward", "backward", "both"])
def test_the_promised_number_of_frames_comes(direction: Direction) -> None:
    prompts = [VideoPrompt(1, 2, Prompt(box=small.BOX)), VideoPrompt(2, 4, Prompt(points=[[40, 30]]))]
    follower = PromptFollower(VideoSegmenter(small.shared()), open_frames(small.images(7)), prompts, direction)
    found = [frame.index for frame in follower.frames(None, lambda *_: None)]
    assert len(found) == follower.total()
    assert follower.position()["frame"] == found[-1]


def test_prompts_on_frames_that_do_not_exist_are_refused_at_once() -> None:
    with pytest.raises(PromptError, match="from 0 to 2"):
        PromptFollower(
            VideoSegmenter(small.shared()), open_frames(small.images(3)), [VideoPrompt(1, 3, Prompt(box=small.BOX))]
        )


def test_a_label_of_a_later_prompt_names_the_object_from_the_first_frame_on() -> None:
    prompts = [
        VideoPrompt(1, 0, Prompt(box=small.BOX)),
        VideoPrompt(1, 3, Prompt(points=[[40, 30]]), "square"),
    ]
    follower = PromptFollower(VideoSegmenter(small.shared()), open_frames(small.images(6)), prompts)
    labels = []
    for frame in follower.frames(None, lambda *_: None):
        labels += frame.labels
        if frame.index == 4:
            position = follower.position()
            break
    again = PromptFollower(VideoSegmenter(small.shared()), open_frames(small.images(6)), prompts)
    labels += [name for frame in again.frames(position, lambda *_: None) for name in frame.labels]
    assert labels == ["square"] * 6
