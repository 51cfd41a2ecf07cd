"""Which memories a frame looks at, and which are forgotten."""

from __future__ import annotations

import pytest
import torch

from samhq.errors import ConfigError
from samhq.video.memory import ObjectMemory, Recalled, Remembered, TrackOptions, closest

PLAIN = TrackOptions()


def one(number: int) -> Remembered:
    """A memory that can be told by its numbers."""
    value = torch.full((1, 1), float(number))
    return Remembered(value[None, None], value, value, value[None, None])


def memory(prompted: list[int], tracked: list[int]) -> ObjectMemory:
    return ObjectMemory({n: one(n) for n in prompted}, {n: one(n) for n in tracked})


def frames(recalled: Recalled) -> tuple[list[int], list[int]]:
    """The frames of the maps, and of the pointers."""
    return [int(m.item()) for m in recalled.maps], [int(p.item()) for p in recalled.pointers]


def test_prompted_frames_come_first_then_tracked_ones_oldest_first() -> None:
    found = memory([0], list(range(1, 20))).recall(20, 7, 16, PLAIN, reverse=False)
    assert frames(found) == ([0, 14, 15, 16, 17, 18, 19], [0, *range(19, 4, -1)])
    assert found.ages == (0, 6, 5, 4, 3, 2, 1)
    assert found.distances == (20, *range(1, 16))


def test_backward_looks_at_later_frames() -> None:
    found = memory([9], [5, 6, 7, 8, 2]).recall(4, 7, 16, PLAIN, reverse=True)
    assert frames(found) == ([9, 8, 7, 6, 5], [9, 5, 6, 7, 8])
    assert found.distances == (5, 1, 2, 3, 4)


def test_a_prompt_to_come_gives_its_map_but_no_pointer() -> None:
    assert frames(memory([6], []).recall(2, 7, 16, PLAIN, reverse=False)) == ([6], [])


def test_the_numbers_of_maps_and_pointers_are_those_measured_in_the_original() -> None:
    """Two prompted frames of four count; (maps, pointers) at frames that are not prompted."""
    kept, options = memory([0, 3, 6, 9], []), TrackOptions(max_prompted=2)
    counts = []
    for frame in range(1, 13):
        if frame not in kept.prompted:
            found = kept.recall(frame, 7, 16, options, reverse=False)
            counts.append((len(found.maps), len(found.pointers)))
            kept.tracked[frame] = one(frame)
    assert counts == [(2, 1), (3, 2), (5, 4), (6, 5), (7, 7), (7, 8), (6, 10), (6, 11), (6, 12)]


def test_older_maps_may_be_taken_at_a_stride() -> None:
    kept = memory([0], list(range(1, 9)))
    found = kept.recall(9, 7, 16, TrackOptions(stride=2), reverse=False)
    assert frames(found)[0] == [0, 2, 4, 6, 8]
    assert frames(memory([9], list(range(1, 9))).recall(1, 7, 16, TrackOptions(stride=2), reverse=True))[0] == [
        9,
        8,
        6,
        4,
        2,
    ]


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_what_is_forgotten_is_never_looked_at(reverse: bool, stride: int) -> None:
    whole, short, options = memory([50], []), memory([50], []), TrackOptions(stride=stride)
    for frame in range(49, 0, -1) if reverse else range(51, 100):
        wanted = whole.recall(frame, 7, 16, options, reverse=reverse)
        found = short.recall(frame, 7, 16, options, reverse=reverse)
        assert frames(found) == frames(wanted)
        assert (found.ages, found.distances) == (wanted.ages, wanted.distances)
        for kept in (whole, short):
            kept.tracked[frame] = one(frame)
            kept.backward[frame] = reverse
        short.forget_far(frame, 7, 16, stride)
    assert len(short.tracked) <= max(15, 6 * stride) + 1
    assert sum(m.map is not None for m in short.tracked.values()) <= 6 * stride
    assert len(short.backward) <= 20


def test_the_nearest_prompted_frames_come_in_the_order_of_the_original() -> None:
    kept = {n: one(n) for n in (0, 4, 8, 12)}
    assert list(closest(kept, 6, 3)) == [4, 8, 0]
    assert list(closest(kept, 20, 2)) == [12, 8]
    assert list(closest(kept, 6, None)) == [0, 4, 8, 12]


def test_memories_near_a_prompt_can_be_forgotten() -> None:
    kept = memory([5], list(range(10)))
    kept.forget_near(5, 2)
    assert sorted(kept.tracked) == [0, 1, 2, 8, 9]


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    "wrong", [{"corrections": "lose"}, {"keep": "none"}, {"max_prompted": 1}, {"fill_holes": -1}, {"stride": 0}]
)
def test_wrong_options_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="Expected"):
        TrackOptions(**wrong)  # type: ignore[arg-type]
