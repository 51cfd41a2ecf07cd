from __future__ import annotations

import numpy as np

from samhq.training.config import TrainConfig
from samhq.training.drawn import EndlessScenes
from samhq.training.kinds import parse_kinds
from samhq.training.sources import training_pictures, validation_pictures


def test_endless_scenes_are_functions_of_their_number_with_targets_at_low_resolution():
    draw = EndlessScenes(3, 64, 4, parse_kinds("box,point"), fine=2)
    one, two = draw(9), draw(9)
    assert np.array_equal(one.image, two.image)
    assert np.array_equal(one.targets, two.targets)
    assert one.targets.shape == (4, 32, 32)
    assert len(one.prompts) == 4
    assert not np.array_equal(one.image, draw(10).image)


def test_training_and_validation_scenes_are_different_ones():
    config = TrainConfig(data="scenes:3", validation="scenes:3")
    train, val = training_pictures(config, 64), validation_pictures(config, 64)
    assert len(train) == len(val) == 3
    assert {train[i].image.tobytes() for i in range(3)}.isdisjoint({val[i].image.tobytes() for i in range(3)})
    assert np.array_equal(train[1].image, training_pictures(config, 64)[1].image)
