from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from samhq.masks import rle
from samhq.video.film import painted, write_film
from samhq.video.frames import open_frames
from tests.video import small


@pytest.mark.parametrize("size_hw", [(48, 64), (41, 63)])
def test_a_film_holds_its_pictures(tmp_path: Path, size_hw: tuple[int, int]) -> None:
    path = write_film(tmp_path / "film.mp4", iter(small.images(12, *size_hw)), Fraction(30000, 1001))
    film = open_frames(path)
    assert (len(film), film.size_hw) == (12, tuple(side + side % 2 for side in size_hw))
    assert abs(float(film.rate) - 29.97) < 0.01
    assert np.abs(film.read(7)[: size_hw[0], : size_hw[1]].astype(int) - small.image(7, *size_hw)).mean() < 14


def test_objects_are_painted_in_the_colour_of_their_number() -> None:
    mask = np.zeros((40, 60), bool)
    mask[10:30, 10:30] = True
    image = small.image(0)
    found = painted(image, [{"id": 2, "segmentation": rle.encode(mask)}], alpha=1.0)
    assert (found[20, 20] == (230, 159, 0)).all()
    assert (found[35] == image[35]).all()
    assert painted(image, []) is image
