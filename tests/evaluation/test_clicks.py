from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from samhq.evaluation.clicks import click_through, next_click, noc, reached
from samhq.types import BACKGROUND, FOREGROUND, IGNORED

Masks = arrays(bool, (8, 10), elements=st.booleans())


def depth(error: np.ndarray, y: int, x: int) -> float:
    """How far a pixel is from the nearest that is no error, or outside the picture."""
    padded = np.pad(error, 1)
    right = np.argwhere(~padded) - 1
    return float(np.sqrt(((right - [y, x]) ** 2).sum(1)).min())


@given(Masks, Masks)
def test_a_click_is_in_the_middle_of_the_largest_error(pred: np.ndarray, true: np.ndarray) -> None:
    click = next_click(pred, true)
    if (pred == true).all():
        assert click is None
        return
    assert click is not None
    x, y, label = click
    assert (label == FOREGROUND) == true[y, x] != pred[y, x]
    deepest = max(depth(error, r, c) for error in (true & ~pred, pred & ~true) for r, c in np.argwhere(error))
    assert depth((true & ~pred) if true[y, x] else (pred & ~true), y, x) == deepest


def test_the_missed_part_comes_first_and_no_place_twice() -> None:
    pred, true = np.zeros((2, 1, 9), bool)
    true[0, 1], pred[0, 7] = True, True
    assert next_click(pred, true) == (1, 0, FOREGROUND)
    assert next_click(pred, true, [(1, 0)]) == (7, 0, BACKGROUND)
    assert next_click(pred, true, [(1, 0), (7, 0)]) is None


def test_counting() -> None:
    assert noc([0.1, 0.9, 0.2], 0.9) == 2
    assert noc([0.1, 0.2], 0.9, limit=2) == 2
    assert not reached([0.1, 0.2], 0.9)
    assert not reached([], 0.9)


def test_the_conversation() -> None:
    """The first object is found at once, the second half and half, the third never."""
    true = np.zeros((3, 8, 16), bool)
    true[0, 1:4, 1:4] = true[1, 4:8, 4:12] = true[2, :, 14:] = True
    answers = iter([(0, [true[0], true[1] & (np.arange(16) < 8), true[2] & False]), (1, [true[1], true[2] & False])])
    answers = iter([*answers, *[(1, [true[2] & False])] * 18])
    asked = []

    def answer(prompts, candidates):
        asked.append((prompts, candidates))
        number, masks = next(answers)
        assert candidates == ("single" if number else "best")
        return torch.full((len(masks), 1, 4, 4), float(len(asked))), np.stack(masks)

    ious, masks = click_through(answer, true, (2.0, 3.0))
    assert np.array_equal(masks, np.stack([true[0], true[1], true[2] & False]))
    assert ious == [[1.0] * 20, [0.5] + [1.0] * 19, [0.0] * 20]
    first, second, third = (prompts for prompts, _ in asked[:3])
    assert first.masks is None
    assert first.points[:, 0].tolist() == [[4, 6], [10, 15], [28, 0]]
    assert second.masks.flatten().unique().tolist() == [1], "the last logits come back"
    assert (len(second), len(third)) == (2, 1)
    assert second.labels.tolist() == [[1, 1], [1, 1]]
    assert third.masks.flatten().unique().tolist() == [2]
    assert third.points[0].tolist()[:2] == second.points[1].tolist()


def test_the_first_click_takes_the_mask_that_is_asked_for() -> None:
    asked = []

    def answer(prompts, candidates):
        asked.append(candidates)
        return torch.zeros(1, 1, 4, 4), np.zeros((1, 8, 8), bool)

    click_through(answer, np.ones((1, 8, 8), bool), (1.0, 1.0), count=3, first="single")
    assert asked == ["single"] * 3


def test_it_ends_where_nothing_is_left_to_click() -> None:
    true = np.zeros((1, 3, 3), bool)
    true[0, 1, 1] = True
    calls = 0

    def answer(prompts, candidates):
        nonlocal calls
        calls += 1
        assert (prompts.labels != IGNORED).all()
        return torch.zeros(1, 1, 4, 4), np.zeros((1, 3, 3), bool)

    ious, _ = click_through(answer, true, (1.0, 1.0))
    assert (calls, ious) == (1, [[0.0] * 20])
