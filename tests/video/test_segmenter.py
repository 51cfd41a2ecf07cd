"""Whole videos in one call, and memory that does not grow."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from samhq.checkpoint.save import save_model
from samhq.errors import ConfigError, PromptError
from samhq.results.prompt import Prompt
from samhq.video.prompts import VideoPrompt
from samhq.video.segmenter import VideoSegmenter, load_video_model
from tests import tiny
from tests.video import small

PROMPTS = [VideoPrompt(1, 0, Prompt(box=small.BOX), "square"), VideoPrompt(2, 3, Prompt(points=[[40, 30]]))]


@pytest.fixture(scope="module")
def segmenter() -> VideoSegmenter:
    return VideoSegmenter(small.shared())


def test_objects_are_followed_from_their_first_prompt_on(segmenter: VideoSegmenter) -> None:
    found = list(segmenter.track(small.images(6), PROMPTS))
    assert [(m.index, m.ids) for m in found] == [(t, (1,) if t < 3 else (1, 2)) for t in range(6)]
    assert found[4].labels == ("square", None)
    assert found[0].masks.shape == (1, 40, 60)


def test_both_directions_give_every_object_on_every_frame(segmenter: VideoSegmenter) -> None:
    seen: dict[int, set[int]] = {}
    for masks in segmenter.track(small.images(6), PROMPTS, direction="both"):
        assert not seen.setdefault(masks.index, set()) & set(masks.ids)
        seen[masks.index] |= set(masks.ids)
    assert seen == {t: {1, 2} for t in range(6)}


def test_backward_begins_at_the_last_prompt(segmenter: VideoSegmenter) -> None:
    found = list(segmenter.track(small.images(6), PROMPTS, direction="backward"))
    assert [(m.index, m.ids) for m in found] == [(3, (2,)), (2, (2,)), (1, (2,)), (0, (2, 1))]


def test_the_order_of_an_objects_prompts_on_a_frame_does_not_matter(segmenter: VideoSegmenter) -> None:
    """A box starts over, so points before it would be lost."""
    box, points = VideoPrompt(1, 0, Prompt(box=small.BOX)), VideoPrompt(1, 0, Prompt(points=[[40, 30]], labels=[1]))
    one, other = (
        [m.scores for m in segmenter.track(small.images(3), given)] for given in ([box, points], [points, box])
    )
    assert np.array_equal(one, other)
    assert not np.array_equal(one, [m.scores for m in segmenter.track(small.images(3), [box])])


@pytest.mark.usefixtures("unchecked")
def test_wrong_calls_are_refused(segmenter: VideoSegmenter) -> None:
    twice = [*PROMPTS, VideoPrompt(1, 0, Prompt(box=[1, 1, 9, 9]))]
    wrong: list[tuple[Any, dict[str, Any], Any, str]] = [
        ([], {}, PromptError, "at least one prompt"),
        (twice, {}, PromptError, "one box for object 1 on frame 0, got two"),
        (PROMPTS, {"direction": "forwards"}, ConfigError, "Did you mean 'forward'"),
        (PROMPTS, {"keep": "some"}, ConfigError, "keep"),
        (PROMPTS, {"hq": "only"}, ConfigError, "HQ"),
        ([VideoPrompt(1, 6, PROMPTS[0].prompt)], {}, PromptError, "from 0 to 5"),
        ([VideoPrompt(1, 1.5, PROMPTS[0].prompt)], {}, PromptError, r"got 1\.5"),  # type: ignore[arg-type]
        ([VideoPrompt("cat", 0, PROMPTS[0].prompt)], {}, PromptError, "whole number"),  # type: ignore[arg-type]
    ]
    for prompts, options, error, message in wrong:
        with pytest.raises(error, match=message):
            list(segmenter.track(small.images(6), prompts, **options))


def test_arguments_of_other_libraries_get_advice(segmenter: VideoSegmenter) -> None:
    box = VideoPrompt(1, 0, Prompt(box=small.BOX))
    for wrong, message in (
        ({"fill_hole_area": 8}, "fill_holes="),
        ({"overlaps": False}, "'overlap'"),
        ({"reverse": True}, "backward"),
    ):
        with pytest.raises(ConfigError, match=message):
            next(segmenter.track(small.images(2), [box], **wrong))
    with pytest.raises(ConfigError, match="Write box="):
        segmenter.tracker().prompt(1, bbox=small.BOX)  # type: ignore[call-arg]
    with pytest.raises(ConfigError, match=r"argument of VideoPrompt, got box=\. Write prompt=samhq\.Prompt\(box="):
        VideoPrompt(1, 0, box=small.BOX)  # type: ignore[call-arg]


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("prompts", "message"),
    [
        (VideoPrompt(1, 0, Prompt(box=small.BOX)), r"a list of video prompts, got one"),
        ([VideoPrompt(1, 0, small.BOX)], "Expected a Prompt for object 1 on frame 0, got a list"),  # type: ignore[arg-type]
        ([Prompt(box=small.BOX)], "got a Prompt"),
    ],
)
def test_prompts_of_other_forms_are_refused(segmenter: VideoSegmenter, prompts: Any, message: str) -> None:
    with pytest.raises(PromptError, match=message):
        next(segmenter.track(small.images(2), prompts))


def test_it_says_what_it_is(segmenter: VideoSegmenter) -> None:
    assert repr(segmenter) == "VideoSegmenter(small_video, cpu, torch.float32, memory torch.bfloat16)"


def camera(count: int) -> Iterator[np.ndarray]:
    """Frames that are made when they are needed, as those of a video of 480 lines."""
    for t in range(count):
        yield small.image(t, 48, 64)


def held(state: Any) -> int:
    """Bytes of all tensors in nested containers, storages counted once."""
    found: dict[int, int] = {}

    def visit(value: Any) -> None:
        if isinstance(value, torch.Tensor):
            found[value.untyped_storage().data_ptr()] = value.untyped_storage().nbytes()
        elif isinstance(value, dict):
            visit(list(value.values()))
        elif isinstance(value, (list, tuple)):
            for one in value:
                visit(one)

    visit(state)
    return sum(found.values())


def test_what_is_remembered_does_not_grow(segmenter: VideoSegmenter) -> None:
    following = segmenter.tracker()
    following.prompt(1, box=small.BOX)
    following.prompt(2, points=[[40, 30]])
    sizes = {m.index: held(following.state.saved()) for m in following.track(camera(90))}
    assert sizes[20] > sizes[5]
    assert sizes[89] == sizes[20]


@pytest.mark.slow
def test_memory_of_a_process_stays_flat_over_2000_frames(segmenter: VideoSegmenter) -> None:
    import psutil

    process = psutil.Process(os.getpid())
    following = segmenter.tracker()
    following.prompt(1, box=small.BOX)
    used = {}
    for masks in following.track(camera(2000)):
        if masks.index % 100 == 99:
            gc.collect()
            used[masks.index] = process.memory_info().rss
    assert used[1999] - used[299] < 8 << 20  # keeping 1,700 frames would take 120 MB, their masks alone 40 MB


def test_a_model_for_pictures_follows_by_matching_and_has_no_options_of_memory() -> None:
    segmenter = VideoSegmenter(tiny.shared(tiny.HQ))
    found = list(segmenter.track(small.images(3), [VideoPrompt(1, 0, Prompt(box=small.BOX))]))
    assert [frame.masks.shape for frame in found] == [(1, 40, 60)] * 3
    with pytest.raises(ConfigError, match=r"tiny_hq has no memory.*fill_holes=3"):
        segmenter.tracker(fill_holes=3)


def test_a_model_is_loaded_by_its_file(tmp_path: Path) -> None:
    save_model(small.shared(), tmp_path / "small.safetensors")
    loaded = load_video_model(tmp_path / "small.safetensors", device="cpu", memory_dtype="float32")
    assert loaded.memory_dtype == torch.float32
    expected = list(VideoSegmenter(small.shared(), memory_dtype="float32").track(small.images(3), PROMPTS[:1]))
    found = list(loaded.track(small.images(3), PROMPTS[:1]))
    assert all((a.masks == b.masks).all() for a, b in zip(found, expected, strict=True))
