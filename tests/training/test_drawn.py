from __future__ import annotations

import numpy as np
import pytest

from samhq.errors import ConfigError
from samhq.training.config import TrainConfig, parse_kinds
from samhq.training.drawn import DrawnPictures, EndlessScenes, open_drawn
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


def test_thin_sets_are_thinner():
    shares = [
        np.concatenate([DrawnPictures(12, 96, thin=thin).scene(i).thin for i in range(12)]).mean()
        for thin in (False, True)
    ]
    assert shares[1] > shares[0] + 0.15


@pytest.mark.parametrize("source", ["scenes:", "scenes:x", "scenes:3:thick", "scenes:-1", "scene:3"])
def test_other_forms_are_refused(source):
    with pytest.raises(ConfigError):
        open_drawn(source, 64)


def test_a_stamp_is_of_the_picture_that_is_drawn():
    stamps = [DrawnPictures(2, 96).stamp(0), DrawnPictures(2, 96).stamp(1), DrawnPictures(2, 64).stamp(0),
              DrawnPictures(2, 96, thin=True).stamp(0), DrawnPictures(2, 96, seed=1).stamp(0)]  # fmt: skip
    assert len(set(stamps)) == len(stamps)
    assert DrawnPictures(5, 96).stamp(0) == stamps[0]
