"""The seeds of one use of drawn scenes never reach those of another."""

from __future__ import annotations

from itertools import pairwise

from samhq.datasets.drawn.seeds import UNSEEN, made_seed, run_seed, set_seed

MANY = 1 << 26  #: runs, sets and data sets


def test_uses_of_scenes_have_their_own_seeds() -> None:
    last_picture, last_attempt = (1 << 28) - 1, 14
    ranges = [
        (run_seed(0, 0), run_seed(MANY - 1, last_picture, last_attempt)),
        (set_seed(0), set_seed(MANY) - 1),
        (made_seed(0), made_seed(MANY) - 1),
        (UNSEEN, UNSEEN + MANY),
    ]
    assert ranges == sorted(ranges)
    assert all(end < start for (_, end), (start, _) in pairwise(ranges))


def test_each_picture_and_attempt_has_its_own_scene() -> None:
    seeds = [run_seed(run, index, attempt) for run in range(3) for index in range(3) for attempt in range(3)]
    assert len(set(seeds)) == len(seeds)
