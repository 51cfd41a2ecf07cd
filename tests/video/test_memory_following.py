"""Prompts in the video's pixels, and masks at its size, around SAM 2's tracker. The seam is in test_following."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from samhq.config import BOTTOM_RIGHT, TOP_LEFT
from samhq.errors import PromptError
from samhq.masks import rle
from samhq.results.prompt import Prompt
from samhq.video.encoded import EncodedFrame
from samhq.video.memory_following import MemoryFollowing
from samhq.video.tracker import ObjectTracker
from tests.video import small


def begun() -> tuple[MemoryFollowing, EncodedFrame]:
    following = MemoryFollowing(ObjectTracker(small.shared()))
    return following, following.encode(small.image(0), 0)


def test_a_box_is_its_corners_in_the_pixels_of_the_model() -> None:
    following, seen = begun()
    following.prompt(seen, 1, Prompt(points=[[30, 20]], labels=[0], box=small.BOX))
    clicks = following.tracker.objects[1].clicks[0]
    assert clicks.labels.tolist() == [TOP_LEFT, BOTTOM_RIGHT, 0]
    expected = np.array([[5, 12], [17, 24], [30, 20]]) * (64 / np.array([60, 40]))
    np.testing.assert_allclose(clicks.points, expected, rtol=1e-5)


def test_points_are_added_and_a_box_starts_over() -> None:
    following, seen = begun()
    counts = []
    for prompt in (Prompt(points=[[9, 18]]), Prompt(points=[[9, 20], [1, 1]], labels=[1, 0]), Prompt(box=small.BOX)):
        following.prompt(seen, 1, prompt)
        counts.append(len(following.tracker.objects[1].clicks[0].labels))
    assert counts == [1, 3, 2]


def test_a_mask_is_given_as_pixels_as_rle_or_as_logits() -> None:
    mask = np.zeros((40, 60), bool)
    mask[10:30, 15:45] = True
    logits = np.where(np.add.outer(np.zeros(16), np.arange(16)) < 8, 5.0, -5.0).astype(np.float32)
    given = []
    for one in (mask, rle.encode(mask), logits):
        following, seen = begun()
        following.prompt(seen, 1, Prompt(mask=one))
        given.append(following.tracker.objects[1].masks[0])
    assert torch.equal(given[0], given[1])
    assert given[0][32, 32] == 1
    assert given[0].mean() == pytest.approx(mask.mean(), abs=0.01)
    assert given[2].mean() == pytest.approx(0.5, abs=0.02)
    following, seen = begun()
    with pytest.raises(PromptError, match="bool"):
        following.prompt(seen, 1, Prompt(mask=mask[:9]))


def test_without_overlap_a_pixel_has_one_object() -> None:
    following, seen = begun()
    left = np.arange(60)[None].repeat(40, 0) < 40
    following.prompt(seen, 1, Prompt(mask=left))
    following.prompt(seen, 2, Prompt(mask=left[:, ::-1].copy()))
    answers = [following.objects[number].at(0) for number in (1, 2)]
    apart, _ = following.shown(seen, answers, overlap=False)
    both, scores = following.shown(seen, answers, overlap=True)
    assert both.all(0).any()
    assert not apart.all(0).any()
    assert (apart.any(0) == both.any(0)).all()
    assert (scores > 0.99).all()
