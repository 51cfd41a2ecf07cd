"""Boxes of every frame to masks, with models that see pictures only."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from samhq.errors import ImageError, PromptError, SamHQWarning
from samhq.inference.segment import Segmenter
from samhq.model.sam import Sam
from samhq.video.boxes import BoxedObject, FrameBoxes, read_frame_boxes, segment_by_boxes
from samhq.video.frames import open_frames
from tests.video import small


def written(tmp_path: Path, text: Any) -> Path:
    path = tmp_path / "boxes.txt"
    path.write_text(text if isinstance(text, str) else json.dumps(text), encoding="utf-8")
    return path


def test_json_and_mot_say_the_same(tmp_path: Path) -> None:
    items = [{"frame": 0, "id": 7, "box": [4, 11, 16, 23]}, {"frame": 2, "id": 7, "box": [6, 11, 18, 23]}]
    mot = "1,7,4,11,13,13,1,-1,-1,-1\n\n3 7 6 11 13 13\n4,8,1,1,5,5,0\n"
    found = read_frame_boxes(written(tmp_path, items))
    assert found == read_frame_boxes(written(tmp_path, mot)) == read_frame_boxes(written(tmp_path, {"boxes": items}))
    assert found.by_frame[2] == [BoxedObject(7, (6, 11, 18, 23))]
    assert found.count == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "got none"),
        ("[]", "got none"),
        ("[1]", r"\[0\] as an object with frame, id, box, got 1"),
        ('[{"frame": 0, "id": 1, "box": [1, 2, 3]}]', r"\[0\]\.box as a list of 4"),
        ("[", "as JSON"),
        ('{"frames": 1}', "list of boxes"),
        ("1,2,3\n", "in line 1"),
        ("1,1,0,0,5,5\n0,1,0,0,5,5\n", "in line 2"),
        ("1,1,0,0,5,-5\n", "in line 1"),
        ("1,1,0,0,5,5\n1,1,9,9,5,5\n", "id 1 twice on frame 0"),
        ("1,-1,0,0,5,5\n", "numbers from 1 in .* got -1 in line 1"),
        ("1,0,0,0,5,5\n", "numbers from 1 in .* got 0 in line 1"),
        ('[{"frame": 0, "id": 0, "box": [1, 2, 3, 4]}]', r"\[0\]\.id as a whole number 1"),
    ],
)
def test_wrong_files_are_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(PromptError, match=message):
        read_frame_boxes(written(tmp_path, text))
    with pytest.raises(PromptError, match=r"none\.txt"):
        read_frame_boxes(tmp_path / "none.txt")


def test_masks_are_those_of_the_pictures_model(hq: Sam) -> None:
    segmenter = Segmenter(hq)
    boxes = FrameBoxes({1: [BoxedObject(5, (5, 12, 18, 24), "square"), BoxedObject(2, (30, 5, 50, 30))]})
    found = list(segment_by_boxes(segmenter, open_frames(small.images(3)), boxes))
    assert [one.ids for one in found] == [(), (5, 2), ()]
    assert found[1].labels == ("square", None)
    expected = segmenter.segment(small.image(1), boxes=[[5, 12, 18, 24], [30, 5, 50, 30]], multimask=False)
    assert (found[1].masks == expected.masks).all()
    assert np.allclose(found[1].scores, expected.scores)
    assert [one.index for one in segment_by_boxes(segmenter, open_frames(small.images(3)), boxes, start=2)] == [2]


def test_a_box_that_leaves_the_frame_is_cut_to_it(hq: Sam) -> None:
    segmenter = Segmenter(hq)
    leaving = FrameBoxes({1: [BoxedObject(5, (50, 12, 150, 30))]})
    with pytest.warns(SamHQWarning, match="^Frame 1: .*mostly outside"):
        _, found = segment_by_boxes(segmenter, open_frames(small.images(2)), leaving)
    size = small.image(1).shape[1]
    assert (found.masks == segmenter.segment(small.image(1), box=[50, 12, size, 30], multimask=False).masks).all()


def test_frames_and_boxes_must_fit(hq: Sam) -> None:
    segmenter, images = Segmenter(hq), small.images(3)
    far = FrameBoxes({1: [BoxedObject(5, (500, 12, 518, 24))]})
    with pytest.raises(PromptError, match="frame 1"):
        list(segment_by_boxes(segmenter, open_frames(images), far))
    with pytest.raises(PromptError, match="from 0 to 2"):
        list(segment_by_boxes(segmenter, open_frames(images), FrameBoxes({3: far.by_frame[1]})))
    broken: list[Any] = [images[0], np.zeros((0, 3), np.uint8), images[2]]
    lost: list[int] = []
    boxes = FrameBoxes({0: [BoxedObject(1, (5, 12, 18, 24))]})
    kept = [
        one.index
        for one in segment_by_boxes(segmenter, open_frames(broken), boxes, on_error=lambda i, _: lost.append(i))
    ]
    assert (kept, lost) == ([0, 2], [1])
    with pytest.raises(ImageError, match="frame 1"):
        list(segment_by_boxes(segmenter, open_frames(broken), boxes))
