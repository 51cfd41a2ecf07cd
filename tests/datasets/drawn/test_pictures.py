"""Drawn scenes are a source of pictures like any other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from samhq.datasets.drawn.pictures import (
    FEWEST_PIXELS,
    MOST_OBJECTS,
    SOLID,
    THIN,
    learnt_scenes,
    open_drawn,
    unseen_scenes,
)
from samhq.datasets.open import open_dataset
from samhq.datasets.sample import Pictures
from samhq.errors import ConfigError


def test_a_sample_is_its_scene() -> None:
    pictures = learnt_scenes(3, 96)
    assert isinstance(pictures, Pictures)
    sample, scene = pictures[2], pictures.scene(2)
    assert (sample.name, len(pictures), list(pictures.names())[2]) == ("scene-000002", 3, "scene-000002")
    assert np.array_equal(sample.image, scene.image)
    assert np.array_equal(sample.masks, scene.masks)
    assert sample.ids == tuple(range(1, len(scene.masks) + 1))
    assert [category == THIN for category in sample.categories] == scene.thin.tolist()
    with pytest.raises(IndexError):
        pictures[3]


def test_scenes_to_measure_on_hold_few_and_visible_objects() -> None:
    pictures = unseen_scenes(12, 96)
    samples = [pictures[index] for index in range(len(pictures))]
    assert min(int(mask.sum()) for sample in samples for mask in sample.masks) >= FEWEST_PIXELS
    assert min(len(sample.masks) for sample in samples) >= 1
    assert max(len(sample.masks) for sample in samples) == MOST_OBJECTS
    assert {category for sample in samples for category in sample.categories} == {SOLID, THIN}


def test_no_two_sets_share_a_scene() -> None:
    sets = [learnt_scenes(3, 64), learnt_scenes(3, 64, number=1), unseen_scenes(3, 64)]
    images = [{pictures[index].image.tobytes() for index in range(3)} for pictures in sets]
    assert len(set.union(*images)) == 9


def test_thin_sets_are_thinner() -> None:
    shares = [
        np.mean([c == THIN for index in range(12) for c in learnt_scenes(12, 96, thin=thin)[index].categories])
        for thin in (False, True)
    ]
    assert shares[1] > shares[0] + 0.15


def test_a_stamp_depends_on_all_that_the_picture_depends_on() -> None:
    some: list[Any] = [learnt_scenes(2, 96), learnt_scenes(2, 64), learnt_scenes(2, 96, thin=True),
                       learnt_scenes(2, 96, number=1), unseen_scenes(2, 96)]  # fmt: skip
    stamps = [pictures.stamp(0) for pictures in some] + [some[0].stamp(1)]
    assert len(set(stamps)) == len(stamps)
    assert learnt_scenes(5, 96).stamp(0) == stamps[0]


@pytest.mark.parametrize(
    ("source", "count", "side"), [("scenes:3", 3, 512), ("scenes:2:thin", 2, 512), ("scenes:2@64", 2, 64)]
)
def test_scenes_are_opened_by_name(source: str, count: int, side: int) -> None:
    pictures = open_dataset(source)
    assert len(pictures) == count
    assert pictures == unseen_scenes(count, side, thin="thin" in source)
    assert open_drawn(source, number=3) == learnt_scenes(count, side, thin="thin" in source, number=3)


def test_the_callers_side_counts_unless_the_source_has_one() -> None:
    assert open_drawn("scenes:2", side=64).config.side == 64
    assert open_drawn("scenes:2:thin@96", side=64).config.side == 96


@pytest.mark.parametrize(
    "source", ["scenes:", "scenes:x", "scenes:0", "scenes:3:thick", "scenes:-1", "scenes:3@", "scenes:3@8", "scene:3"]
)
def test_other_forms_are_refused(source: str) -> None:
    with pytest.raises(ConfigError):
        open_drawn(source, side=64)
