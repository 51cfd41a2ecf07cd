"""The result of one picture, from first and second looks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch

from samhq.image.frame import Frame
from samhq.inference.first_look import Coarse
from samhq.inference.opened import Opened
from samhq.inference.picture_task import PictureTask
from samhq.inference.second_look import Refiner
from samhq.masks.regions import Piece
from samhq.results.native import Refined
from samhq.results.prompt import Prompt
from samhq.types import ImageEmbedding, LowRes

FRAME = Frame.fit((64, 64), 64)
PROMPTS = (Prompt(box=[8, 8, 24, 24]), Prompt(points=[[40, 40]]), Prompt(box=[0, 0, 60, 60]))


class Scripted(Refiner):
    """Knows the first object by its box; the third one after a first look. `seen` keeps what it was asked."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def by_boxes(self, prompts: Sequence[Prompt]) -> list[Refined | None]:
        self.seen.append(("boxes", len(prompts)))
        return [Refined(Piece.of(np.ones((4, 4), bool), 10, 10), 0.9), None, None]

    def after_first(self, prompts: Sequence[Prompt], first: Sequence[Coarse]) -> list[Refined | None]:
        self.seen.append(("first", [prompt.box is not None for prompt in prompts], len(first)))
        return [None] * (len(prompts) - 1) + [Refined(Piece.of(np.ones((2, 2), bool), 50, 50), 0.8)]


def never() -> ImageEmbedding:
    raise AssertionError("the picture is encoded")


def task(refiner: Scripted | None, *, boxes_only: bool = True) -> PictureTask:
    picture = Opened(np.zeros((64, 64, 3), np.uint8), FRAME, never, "a.png")
    return PictureTask(picture, PROMPTS, refiner, boxes_only)


def low() -> LowRes:
    """All of the picture is on the objects."""
    return LowRes(torch.full((3, 1, 16, 16), 5.0), torch.tensor([[0.1], [0.2], [0.3]]))


@pytest.mark.parametrize("boxes_only", [True, False])
def test_second_looks_replace_first_ones(boxes_only: bool) -> None:
    refiner = Scripted()
    job = task(refiner, boxes_only=boxes_only)
    assert job.first_wanted == [False, True, True]
    result = job.result(low(), "tiny")
    assert refiner.seen == [("boxes", 3), ("first", [True] if boxes_only else [False, True], 2 - boxes_only)]
    assert result.masks.sum(axis=(1, 2)).tolist() == [16, 64 * 64, 4]
    assert result.masks[0, 10:14, 10:14].all()
    assert result.scores.tolist() == pytest.approx([0.9, 0.2, 0.8])
    assert (result.model, result.file_name) == ("tiny", "a.png")


def test_without_a_refiner_first_masks_stay() -> None:
    job = task(None)
    assert job.first_wanted == [True] * 3
    result = job.result(low(), "tiny")
    assert result.masks.all()
    assert result.scores.tolist() == pytest.approx([0.1, 0.2, 0.3])
