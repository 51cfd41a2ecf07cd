from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.training.worlds import Held

from samhq.errors import ConfigError
from samhq.training.augment import Augmentation
from samhq.training.config import TrainConfig
from samhq.training.data import batches, collate
from samhq.training.labelled import LabelledPictures, PromptDrawing, order
from samhq.types import IGNORED

DRAWING = PromptDrawing(3, {"tight_box": 0.5, "clicks": 0.5}, clicks=10)
HOW = Augmentation(64, scale=(0.8, 1.2))


def test_an_epoch_sees_each_picture_once_and_the_next_in_another_order():
    assert sorted(order(0, 3, 50).tolist()) == list(range(50))
    assert order(0, 3, 50).tolist() != order(0, 4, 50).tolist()


def test_a_question_is_a_function_of_its_number():
    draw, other = (LabelledPictures(Held(), HOW, DRAWING, seed=7) for _ in range(2))
    draw(3)
    one, two = draw(11), other(11)
    assert np.array_equal(one.image, two.image)
    assert np.array_equal(one.targets, two.targets)
    assert [p.points.tolist() for p in one.prompts] == [p.points.tolist() for p in two.prompts]
    assert not np.array_equal(one.targets, LabelledPictures(Held(), HOW, DRAWING, seed=8)(11).targets)


def test_batches_do_not_depend_on_workers_or_on_where_a_run_began():
    draw = LabelledPictures(Held(), HOW, DRAWING, seed=1)
    first = batches(draw, 64, 2, workers=0)
    next(first)
    second, same = next(batches(draw, 64, 2, first=2, workers=1)), next(first)
    assert torch.equal(same.pixels, second.pixels)
    assert torch.equal(same.targets, second.targets)
    assert torch.equal(same.prompts.points, second.prompts.points)


def test_two_processes_share_the_pictures_of_one():
    draw = LabelledPictures(Held(), HOW, DRAWING, seed=1)
    alone = batches(draw, 64, 2)
    shared = [batches(draw, 64, 2, share=(rank, 2)) for rank in (0, 1)]
    for _ in range(2):
        for stream in shared:
            assert torch.equal(next(alone).pixels, next(stream).pixels)


def test_different_objects_come_first_and_targets_belong_to_their_prompts():
    asked = LabelledPictures(Held(empty=None), HOW, replace(DRAWING, prompts=2), seed=0)(0)
    assert not np.array_equal(asked.targets[0], asked.targets[1])
    for prompt, target in zip(asked.prompts, asked.targets, strict=True):
        x, y = prompt.points.astype(int).T
        assert (target[y, x] >= 128).all()


def test_a_picture_without_objects_gives_way_and_many_of_them_end_the_run():
    draw = LabelledPictures(Held(3, empty=1), HOW, DRAWING)
    assert all(len(draw(index).prompts) == 3 for index in range(12))
    with pytest.raises(ConfigError, match="without one"):
        LabelledPictures(Held(1, empty=0), HOW, DRAWING)(0)


def test_copies_are_few_fixed_views_that_take_turns():
    draw = LabelledPictures(Held(4, empty=None), HOW, DRAWING, copies=2)
    seen = Counter(draw(index).image.tobytes() for index in range(4 * 6))
    assert len(seen) == 8
    assert set(seen.values()) == {3}
    assert len({LabelledPictures(Held(4, empty=None), HOW, DRAWING)(i).image.tobytes() for i in range(24)}) > 16


def test_the_published_sampling_drops_clicks_for_a_batch_in_which_one_object_is_too_small():
    drawing = PromptDrawing(1, {"tight_box": 0.001, "clicks": 0.999}, clicks=10, published=True)
    mask = np.zeros((2, 64, 64), np.uint8)
    mask[0, 2, 3:6], mask[1, 10:40, 10:40] = 255, 255
    rng, image = np.random.default_rng(0), np.zeros((64, 64, 3), np.uint8)
    small, large = (drawing.draw(image, mask[i : i + 1], rng) for i in (0, 1))
    whole = collate([large, large], 64).prompts
    assert (whole.labels == 1).all()
    assert whole.boxes.isnan().all()
    dropped = collate([small, large], 64).prompts
    assert (dropped.labels == IGNORED).all()
    assert dropped.boxes.isfinite().all()
    fair = replace(drawing, published=False)
    kept = collate([fair.draw(image, mask[i : i + 1], rng) for i in (0, 1)], 64).prompts
    assert (kept.labels == 1).sum(1).tolist() == [3, 10]


def test_a_configuration_says_how_prompts_are_asked():
    drawing = PromptDrawing.of(TrainConfig(mode="hq", preset="paper"))
    assert drawing == PromptDrawing(1, {"tight_box": 1 / 3, "clicks": 1 / 3, "noise_mask_255": 1 / 3}, 10, True)
