"""Boxes of others are checked, and masks from them are those of prompts with the same boxes."""

from __future__ import annotations

import numpy as np
import pytest
from tests import tiny

from samhq.errors import ConfigError
from samhq.evaluation.boxes import check_box, from_xywh, masks_from_boxes
from samhq.inference.segment import Segmenter
from samhq.model.sam import Sam

PICTURE = np.random.default_rng(0).integers(0, 256, (40, 56, 3), dtype=np.uint8)


@pytest.mark.parametrize("box", [None, 3, "abcd", [1, 2, 3], [1, 2, 3, 4, 5], [1, 2, 3, "x"], [0, 0, 1, float("nan")]])
def test_a_box_is_four_finite_numbers(box: object) -> None:
    with pytest.raises(ConfigError, match=r"four numbers of pixels in the file"):
        check_box(box, "the file")


@pytest.mark.parametrize("box", [[0, 0, -1, 2], [0, 0, 2, -1]])
def test_a_size_is_not_negative(box: list[float]) -> None:
    with pytest.raises(ConfigError, match="negative"):
        from_xywh(box, "the file")


def test_far_numbers_are_refused() -> None:
    assert check_box([-5, 0.5, 1e8, 3], "the file") == (-5.0, 0.5, 1e8, 3.0)
    with pytest.raises(ConfigError):
        check_box([0, 0, 1e9, 1], "the file")


def test_masks_are_those_of_the_same_boxes_as_prompts() -> None:
    sam = tiny.shared(tiny.HQ)
    rng = np.random.default_rng(1)
    corners = np.sort(rng.uniform(0, 40, (20, 2, 2)), axis=1).reshape(20, 4)
    masks = masks_from_boxes(sam, PICTURE, corners.tolist(), "add")
    expected = Segmenter(sam).segment(PICTURE, boxes=corners, multimask=False, hq="add", refine=False).masks
    assert len(masks) == 20
    assert np.mean(np.stack(masks) != expected) < 1e-3


def test_no_boxes_give_no_masks_without_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Sam, "encode", lambda *_: pytest.fail("it was encoded"))
    assert masks_from_boxes(tiny.shared(tiny.PLAIN), PICTURE, [], "off") == []
