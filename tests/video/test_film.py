from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from samhq.masks import rle
from samhq.video.container import Container
from samhq.video.film import painted, write_film, write_timed_film
from samhq.video.frames import open_frames
from tests.video import small


@pytest.mark.parametrize("size_hw", [(48, 64), (41, 63)])
def test_a_film_holds_its_pictures(tmp_path: Path, size_hw: tuple[int, int]) -> None:
    path = write_film(tmp_path / "film.mp4", iter(small.images(12, *size_hw)), Fraction(30000, 1001))
    film = open_frames(path)
    assert (len(film), film.size_hw) == (12, tuple(side + side % 2 for side in size_hw))
    assert abs(float(film.rate) - 29.97) < 0.01
    assert np.abs(film.read(7)[: size_hw[0], : size_hw[1]].astype(int) - small.image(7, *size_hw)).mean() < 14


def test_a_film_says_how_its_colours_are_stored(tmp_path: Path) -> None:
    """Players guess if it does not, differently for small and for large films."""
    import av

    colour = np.full((48, 64, 3), (230, 60, 40), np.uint8)
    path = write_film(tmp_path / "film.mp4", [colour] * 3, 10)
    with av.open(str(path)) as film:
        frame = next(film.decode(video=0))
    assert (int(frame.colorspace), int(frame.color_range)) == (1, 1)  # BT.709, limited
    assert np.abs(frame.to_ndarray(format="rgb24").astype(int) - colour).max() <= 4


def test_objects_are_painted_in_the_colour_of_their_number() -> None:
    mask = np.zeros((40, 60), bool)
    mask[10:30, 10:30] = True
    image = small.image(0)
    found = painted(image, [{"id": 2, "segmentation": rle.encode(mask)}], alpha=1.0)
    assert (found[20, 20] == (230, 159, 0)).all()
    assert (found[35] == image[35]).all()
    assert painted(image, []) is image


def test_a_film_keeps_the_times_of_frames_that_are_not_evenly_spaced(tmp_path: Path) -> None:
    times = [Fraction(n, 10) for n in (0, 1, 2, 9, 10, 11, 30, 31)]
    timed = zip(times, small.images(8, 48, 64), strict=True)
    film = open_frames(write_timed_film(tmp_path / "film.mp4", timed, 10, evenly_spaced=False))
    assert (len(film), film.evenly_spaced) == (8, False)
    assert [film.time(index) for index in range(8)] == times
    again = ((film.time(index), image) for index, image in film.frames())
    copy = open_frames(write_timed_film(tmp_path / "copy.mp4", again, film.rate, evenly_spaced=film.evenly_spaced))
    assert [copy.time(index) for index in range(8)] == times


def test_a_frame_that_is_left_out_moves_no_other(tmp_path: Path) -> None:
    timed = [(Fraction(number, 10), image) for number, image in enumerate(small.images(8, 48, 64)) if number != 3]
    film = open_frames(write_timed_film(tmp_path / "film.mp4", timed, 10))
    container = Container(str(tmp_path / "film.mp4"), "film")
    assert [container.time(index) for index in range(len(film))] == [seconds for seconds, _ in timed]
    assert open_frames(write_film(tmp_path / "even.mp4", small.images(8, 48, 64), 10)).evenly_spaced
