from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from samhq.errors import PromptError
from samhq.image.write import write_mask
from samhq.masks import rle
from samhq.results.prompt import Prompt
from samhq.video.prompts import VideoPrompt, check_once, naming_prompt, points_last, read_video_prompts

MASK = np.eye(6, dtype=bool)


def written(tmp_path: Path, value: Any) -> Path:
    path = tmp_path / "prompts.json"
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


def test_prompts_are_read_with_their_objects_and_frames(tmp_path: Path) -> None:
    write_mask(tmp_path / "mask.png", MASK)
    items = [
        {"object": 3, "frame": 0, "box": [1, 2, 3, 4], "label": "cat"},
        {"object": 3, "frame": 9, "points": [[5, 6]], "labels": [0]},
        {"object": 4, "mask": "mask.png"},
        {"object": 5, "mask": rle.encode(MASK)},
    ]
    for value in (items, {"prompts": items}):
        found = read_video_prompts(written(tmp_path, value))
        assert [(p.object, p.frame, p.label) for p in found] == [
            (3, 0, "cat"),
            (3, 9, None),
            (4, 0, None),
            (5, 0, None),
        ]
        assert found[0].prompt.box == [1, 2, 3, 4]
        assert (found[1].prompt.points, found[1].prompt.labels) == ([[5, 6]], [0])
        assert (found[2].prompt.mask == MASK).all()
        assert (rle.decode(found[3].prompt.mask) == MASK).all()


def test_without_numbers_each_prompt_is_an_object(tmp_path: Path) -> None:
    found = read_video_prompts(written(tmp_path, [{"box": [1, 2, 3, 4]}, {"box": [1, 2, 3, 4]}]))
    assert [p.object for p in found] == [1, 2]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "list of prompts"),
        ({"prompts": 3}, "list of prompts"),
        ([{"object": 1, "bbox": [1, 2, 3, 4]}], "Did you mean 'box'"),
        ([{"object": 0, "box": [1, 2, 3, 4]}], r"\[0\]\.object as a whole number 1"),
        ([{"object": True, "box": [1, 2, 3, 4]}], r"\[0\]\.object"),
        ([{"frame": -1, "box": [1, 2, 3, 4]}], r"\[0\]\.frame as a whole number 0"),
        ([{"object": 2}], "points, a box or a mask for object 2"),
        ([{"object": 2, "mask": 3}], "a mask as RLE with size and counts"),
        ([{"object": 1, "box": [1, 2, 3, 4]}, {"object": 1, "box": [1, 2, 3, 4]}], "one box for object 1 on frame 0"),
        (
            [
                {"object": 1, "box": [1, 2, 3, 4], "label": "cat"},
                {"object": 1, "frame": 2, "points": [[1, 1]], "label": "dog"},
            ],
            "one label for object 1, got 'cat' and 'dog'",
        ),
    ],
)
def test_wrong_files_are_refused_with_their_name(tmp_path: Path, value: Any, message: str) -> None:
    with pytest.raises(PromptError, match=message) as raised:
        read_video_prompts(written(tmp_path, value))
    assert "prompts.json" in str(raised.value)


def test_files_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PromptError, match=r"none\.json"):
        read_video_prompts(tmp_path / "none.json")
    (tmp_path / "text.json").write_text("{", encoding="utf-8")
    with pytest.raises(PromptError, match="as JSON"):
        read_video_prompts(tmp_path / "text.json")


def test_errors_are_named_by_object_and_frame() -> None:
    with pytest.raises(PromptError, match="Object 2 on frame 7: wrong"), naming_prompt(VideoPrompt(2, 7, Prompt()), 7):
        raise PromptError("wrong")


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("number", ["cat", 1.5, True, None])
def test_objects_have_whole_numbers(number: Any) -> None:
    with pytest.raises(PromptError, match="whole number"):
        check_once([VideoPrompt(number, 0, Prompt(box=[1, 2, 3, 4]))])


def test_only_prompts_of_videos_are_taken() -> None:
    with pytest.raises(PromptError, match="got a Prompt"):
        check_once([Prompt(box=[1, 2, 3, 4])])  # type: ignore[list-item]


def test_masks_and_boxes_come_before_points_of_the_same_object_and_frame() -> None:
    points, box, mask = Prompt(points=[[1, 1]]), Prompt(box=[1, 2, 3, 4]), Prompt(mask=MASK)
    given = [
        VideoPrompt(1, 0, points),
        VideoPrompt(2, 0, points),
        VideoPrompt(1, 3, box),
        VideoPrompt(1, None, box),
        VideoPrompt(2, 0, mask),
        VideoPrompt(2, 0, box),
    ]
    assert points_last(given) == [given[3], given[0], given[4], given[5], given[1], given[2]]
