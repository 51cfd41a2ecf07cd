from __future__ import annotations

import numpy as np
import pytest

from samhq.errors import ConfigError
from samhq.image.draw import colour
from samhq.video.result import FrameMasks, id_map

IMAGE = np.full((8, 10, 3), 100, np.uint8)
LARGE, SMALL = np.ones((8, 10), bool), np.zeros((8, 10), bool)
SMALL[2:5, 3:6] = True


def frame(*objects: tuple[int, np.ndarray]) -> FrameMasks:
    ids, masks = zip(*objects, strict=True)
    return FrameMasks(4, IMAGE, ids, np.stack(masks), np.ones(len(ids), np.float32), (None,) * len(ids))


def test_smaller_objects_lie_over_larger_ones_in_label_maps() -> None:
    values = frame((7, SMALL), (300, LARGE)).label_map()
    assert values.dtype == np.uint16
    assert (values == np.where(SMALL, 7, 300)).all()
    assert id_map([], np.zeros((0, 2, 3), bool)).tolist() == [[0, 0, 0], [0, 0, 0]]


@pytest.mark.parametrize("number", [0, -3, 2**70])
def test_a_label_map_has_numbers_from_1(number: int) -> None:
    with pytest.raises(ConfigError, match=f"from 1 in label maps, got {number}"):
        id_map([5, number], np.zeros((2, 2, 3), bool))


def test_an_object_keeps_its_colour() -> None:
    alone, both = frame((2, SMALL)).overlay(1.0), frame((9, LARGE), (2, SMALL)).overlay(1.0)
    assert alone[3, 4].tolist() == both[3, 4].tolist() == list(colour(1))
    assert both[7, 0].tolist() != alone[7, 0].tolist()


def test_a_mask_is_found_by_its_object() -> None:
    found = frame((2, SMALL), (9, LARGE))
    assert found.mask(9).all()
    assert not found.mask(1).any()
    assert (repr(found), len(found)) == ("FrameMasks(4, 8x10, objects [2, 9])", 2)
