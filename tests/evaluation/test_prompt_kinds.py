from __future__ import annotations

import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from samhq.errors import ConfigError
from samhq.evaluation.prompt_kinds import PromptKind, draw_points, make_prompts, object_rng, parse_prompt_kinds
from samhq.image.boxes import boxes_from_masks
from samhq.types import BACKGROUND, FOREGROUND, IGNORED


def test_words() -> None:
    assert parse_prompt_kinds("box, point ,1p") == [PromptKind(box=True), PromptKind(inside=1)]
    assert [str(ask) for ask in parse_prompt_kinds(["curve"])] == ["1p", "3p", "5p", "5p+5n", "10p", "10p+5n"]
    assert parse_prompt_kinds("box+2p+1n") == [PromptKind(True, 2, 1)]
    assert [ask.ambiguous for ask in parse_prompt_kinds("1p,2p,1p+1n,box,box+1p")] == [True] + [False] * 4


@pytest.mark.parametrize("word", ["boxes", "", "p", "5n", "0p", "5p5n", "box5p", "+5p", "5p+", "65p", "1p+65n", "05p"])
def test_other_words_are_refused(word: str) -> None:
    with pytest.raises(ConfigError, match="Expected prompts"):
        parse_prompt_kinds([word])


Masks = arrays(bool, (9, 12), elements=st.booleans()).filter(np.any)


@given(Masks, st.integers(0, 12), st.integers(0, 12))
def test_points_lie_where_their_label_says(mask: np.ndarray, inside: int, outside: int) -> None:
    points, labels = draw_points(mask, inside, outside, np.random.default_rng(0))
    values = mask[points[:, 1].astype(int), points[:, 0].astype(int)]
    assert [FOREGROUND if value else BACKGROUND for value in values] == labels
    assert len({tuple(point) for point in points.tolist()}) == len(points), "all are different"
    assert labels.count(FOREGROUND) == min(inside, mask.sum())
    assert labels.count(BACKGROUND) <= outside
    x0, y0, x1, y1 = boxes_from_masks(mask)
    near = points[np.array(labels, int) == BACKGROUND]
    assert ((near >= [x0 - 3, y0 - 3]) & (near <= [x1 + 3, y1 + 3])).all()


@given(Masks, st.integers(0, 9))
def test_fewer_points_are_the_first_of_more(mask: np.ndarray, seed: int) -> None:
    def drawn(inside: int, outside: int) -> list[list[float]]:
        points, labels = draw_points(mask, inside, outside, object_rng(seed, "a", 1))
        return [[*xy, label] for xy, label in zip(points.tolist(), labels, strict=True)]

    many, few = drawn(10, 5), drawn(3, 5)
    on = [row for row in many if row[2] == FOREGROUND]
    assert few == on[:3] + [row for row in many if row[2] == BACKGROUND]


def test_points_are_the_objects_own() -> None:
    mask = np.ones((40, 40), bool)
    keys = [(0, "a", 1), (0, "a", 2), (0, "b", 1), (1, "a", 1)]
    assert len({tuple(draw_points(mask, 2, 0, object_rng(*key))[0].ravel()) for key in keys}) == 4


def test_every_number_and_name_has_points() -> None:
    """COCO's files have ids below 0, folders names that are no UTF-8; what is legal keeps its points."""
    mask = np.ones((40, 40), bool)
    keys = [("a", 1), ("a", -1), ("caf\udce9", 1), ("\ud83d", 1)]
    assert len({tuple(draw_points(mask, 2, 0, object_rng(0, *key))[0].ravel()) for key in keys}) == 4
    known = np.random.default_rng((3, zlib.crc32("é".encode()), 7))
    assert object_rng(3, "é", 7).random() == known.random()


def test_a_full_box_has_no_points_beside_it() -> None:
    points, labels = draw_points(np.ones((4, 4), bool), 1, 3, np.random.default_rng(0))
    assert (points.shape, labels) == ((1, 2), [FOREGROUND])


def test_prompts_are_in_model_pixels_and_short_rows_are_filled() -> None:
    masks = np.zeros((2, 10, 20), bool)
    masks[0, 2:4, 3:7], masks[1, 5, 5] = True, True
    rngs = [object_rng(0, "a", 1), object_rng(0, "a", 2)]
    prompts = make_prompts(PromptKind(True, 4, 0), masks, rngs, (2.0, 3.0))
    assert prompts.boxes is not None
    assert prompts.labels is not None
    assert prompts.points is not None
    assert prompts.boxes.tolist() == [[6, 6, 12, 9], [10, 15, 10, 15]]
    assert prompts.labels.tolist() == [[1, 1, 1, 1], [1, IGNORED, IGNORED, IGNORED]]
    assert prompts.points[1, 0].tolist() == [10, 15]
    assert prompts.image_index.tolist() == [0, 0]
    alone = make_prompts(PromptKind(True), masks, rngs)
    assert (alone.points, alone.masks) == (None, None)
