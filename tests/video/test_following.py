"""The seam between a tracker of a video and the ways to follow objects. The rest is in test_stream.py."""

from __future__ import annotations

import numpy as np
import pytest

from samhq.inference.segment import Segmenter
from samhq.results.prompt import Prompt
from samhq.video.following import Following
from samhq.video.matching_tracker import MatchingFollowing
from samhq.video.memory_following import MemoryFollowing
from samhq.video.tracker import ObjectTracker
from tests import tiny
from tests.video import small

WAYS = {
    "memory": lambda: MemoryFollowing(ObjectTracker(small.shared())),
    "matching": lambda: MatchingFollowing(Segmenter(tiny.shared(tiny.HQ))),
}


@pytest.mark.parametrize("way", list(WAYS))
def test_both_ways_fit_the_seam(way: str) -> None:
    following = WAYS[way]()
    assert isinstance(following, Following)
    seen = following.encode(small.image(0), 0)
    following.prompt(seen, 3, Prompt(box=small.BOX))
    following.remember()
    assert list(following.objects) == [3]
    assert list(following.objects[3].prompts_in_memory) == [0]
    answers = following.follow(seen)
    masks, scores = following.shown(seen, [answers[3], None], overlap=True)
    assert masks.shape == (2, 40, 60)
    assert not masks[1].any()
    assert scores.dtype == np.float32
    assert scores[1] == 0
    assert following.follow(following.encode(small.image(1), 1), only=[]) == {}
    saved = following.saved()
    other = WAYS[way]()
    other.restore(saved)
    again, _ = other.shown(seen, [other.follow(seen)[3]], overlap=False)
    assert (again[0] == masks[0]).all()
    following.remove(3)
    assert not following.objects
    empty, none = following.shown(seen, [], overlap=True)
    assert empty.shape == (0, 40, 60)
    assert none.shape == (0,)
