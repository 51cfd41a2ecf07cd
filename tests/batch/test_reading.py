"""Pictures that are read ahead are those of a plain call, in bounded number, and never those of an older file."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from samhq.batch import reading
from samhq.batch.job import Item, Outcome
from samhq.batch.reading import EachReadAhead, PictureReader
from samhq.batch.settings import BandSettings
from samhq.errors import ImageError
from samhq.image.frame import Frame
from samhq.image.network_inputs import PictureWithInputs, with_inputs
from samhq.image.read import ReadPicture, read_image
from samhq.image.transform import SquareForm, to_square


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    pictures = [tmp_path / f"{number}.png" for number in range(6)]
    for number, path in enumerate(pictures):
        Image.fromarray(np.full((10, 20, 3), number, np.uint8)).save(path)
    return pictures


@pytest.fixture
def reader() -> Iterator[PictureReader]:
    pictures = PictureReader()
    yield pictures
    pictures.close()


def early(reader: PictureReader, paths: list[Path]) -> list[int]:
    """The numbers of the pictures that were read before."""
    return [number for number, path in enumerate(paths) if isinstance(reader(path), ReadPicture)]


def reading_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("samhq-read")]


def test_the_next_pictures_are_read_before_their_calls(reader: PictureReader, paths: list[Path]) -> None:
    reader.read_ahead(paths[:4])
    assert early(reader, paths) == [1, 2, 3]
    for number, path in enumerate(paths):
        assert os.fspath(reader(path)) == str(path)
        assert np.array_equal(read_image(reader(path)), np.full((10, 20, 3), number, np.uint8))
    reader.read_ahead(paths[3:])
    assert early(reader, paths) == [3, 4, 5], "the others are dropped"


def test_pixels_are_bounded(reader: PictureReader, paths: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_MOST_PIXELS", 2 * 200)
    monkeypatch.setattr(reading, "_MOST_OF_ONE", 2500)
    Image.new("RGB", (50, 50)).save(paths[3])
    Image.new("RGB", (50, 51)).save(paths[5])
    reader.read_ahead(paths)
    assert early(reader, paths) == [1, 2]
    reader.read_ahead(paths[1:])
    assert early(reader, paths) == [1, 2], "a large one is not read beside others, and nothing before it"
    reader.read_ahead(paths[2:])
    assert early(reader, paths) == [2, 3], "but alone"
    reader.read_ahead(paths[3:])
    assert early(reader, paths) == [3, 4]
    reader.read_ahead(paths[4:])
    assert early(reader, paths) == [4], "one that is too large is read in its turn"


def test_one_picture_starts_no_thread(reader: PictureReader, paths: list[Path]) -> None:
    reader.read_ahead(paths[:1])
    assert early(reader, paths) == []
    assert not reading_threads()
    reader.read_ahead(paths[:2])
    assert reading_threads()
    reader.close()
    assert not reading_threads()


def test_a_file_that_changes_meanwhile_is_read_again(reader: PictureReader, paths: list[Path]) -> None:
    reader.read_ahead(paths[:2])
    assert early(reader, paths[:2]) == [1]
    Image.new("RGB", (7, 7)).save(paths[1])
    os.utime(paths[1], (5, 5))
    assert reader(paths[1]) == paths[1]


def test_a_broken_picture_fails_in_its_turn(reader: PictureReader, paths: list[Path]) -> None:
    content = paths[1].read_bytes()
    paths[1].write_bytes(content[: len(content) // 2])
    paths[2].write_bytes(b"no picture")
    paths[3].unlink()
    reader.read_ahead(paths)
    assert early(reader, paths) == [4, 5]
    for path in paths[1:4]:
        with pytest.raises(ImageError, match=path.name):
            read_image(reader(path))


def test_what_is_not_wanted_is_not_read(paths: list[Path]) -> None:
    reader = PictureReader(wanted=lambda path: path != paths[2])
    reader.read_ahead(paths)
    assert early(reader, paths) == [1, 3, 4, 5]
    reader.close()


def test_a_pipe_is_left_to_its_call(reader: PictureReader, paths: list[Path], tmp_path: Path) -> None:
    end, other = os.pipe()
    os.write(other, paths[1].read_bytes())
    os.close(other)
    pipe = Path(f"/dev/fd/{end}")
    try:
        reader.read_ahead([paths[0], pipe, paths[2]])
        assert reader(pipe) == pipe
        assert early(reader, [paths[2]]) == [0]
        assert read_image(reader(pipe)).shape == (10, 20, 3)
    finally:
        os.close(end)


def test_the_input_of_the_network_is_made_beforehand(reader: PictureReader, paths: list[Path]) -> None:
    reader.prepare = partial(with_inputs, form=SquareForm(16))
    reader.read_ahead(paths[:2])
    picture = reader(paths[1])
    assert isinstance(picture, PictureWithInputs)
    assert np.array_equal(picture.inputs.square, to_square(picture.pixels, SquareForm(16))[0])
    assert picture.inputs.frame == Frame.fit((10, 20), 16)


class Halved(BandSettings):
    def picture(self, path: Path) -> Any:
        return read_image(path)[::2]


def test_pixels_of_other_settings_stay_pixels(paths: list[Path]) -> None:
    reader = PictureReader(Halved())
    reader.read_ahead(paths)
    assert [reader(path).shape for path in paths[:2]] == [(5, 20, 3)] * 2
    reader.close()


def test_a_function_of_a_picture_passes_its_items_on(reader: PictureReader, paths: list[Path]) -> None:
    each = EachReadAhead(lambda item: Outcome(summary=type(reader(item.path)).__name__), reader)
    items = [Item(path, path.stem) for path in paths]
    each.read_ahead(items[:2])
    assert [each(item).summary for item in items[:3]] == [
        type(paths[0]).__name__,
        "ReadPicture",
        type(paths[0]).__name__,
    ]
    each.close()
    assert not reading_threads()
