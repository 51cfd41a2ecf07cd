import numpy as np
import pytest
import torch

from samhq.text.pixels import groups, prepared
from tests.text import tiny_detectors as tiny


def test_pictures_of_a_size_go_together_up_to_a_number() -> None:
    sizes = [(4, 4), (4, 8), (4, 4), (4, 4), (4, 8)]
    pixels = [torch.zeros(1, 3, *size) for size in sizes]
    assert groups(pixels, 2) == [[0, 2], [3], [1, 4]]
    assert groups([], 2) == []


@pytest.mark.parametrize("hw", [(3, 40), (40, 3), (1, 1), (50, 3), (60, 80)])
def test_any_shape_of_picture_is_read_as_rows_and_columns(hw: tuple[int, int]) -> None:
    """Where a side is 3 or 1, guessing which axis is colour would go wrong."""
    image = np.zeros((*hw, 3), np.uint8)
    image[..., 0] = 255
    values = prepared(tiny.owl_processor(), image)
    assert values.shape == (1, 3, 32, 32)
    assert values[0, 0, 0, 0] > values[0, 1, 0, 0]


def test_another_size_is_taken() -> None:
    assert prepared(
        tiny.picture_processor(), tiny.picture(60, 80), {"shortest_edge": 30, "longest_edge": 60}
    ).shape == (1, 3, 30, 40)
