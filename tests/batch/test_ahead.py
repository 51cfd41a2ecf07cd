"""Pictures that are searched together give what each gives alone, and one bad picture does not harm the others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from samhq.batch import ahead
from samhq.batch.ahead import EachAfterSearch, PictureSearch
from samhq.batch.job import Item, Outcome
from samhq.batch.reading import PictureReader
from samhq.batch.settings import AS_IT_IS, BandSettings
from samhq.errors import ImageError, PromptError
from samhq.text.search import Search
from tests.text import tiny_detectors as tiny_text


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    pictures = [tmp_path / f"{number}.png" for number in range(4)]
    for number, path in enumerate(pictures):
        Image.fromarray(tiny_text.blobs({"red": (10, 10, 30, 20 + number)})).save(path)
    return pictures


class Counting(tiny_text.ColourDetector):
    identity = {"weights": "1"}  # noqa: RUF012


def searching(detector: Any, kept: Path | None = None, bands: BandSettings = AS_IT_IS) -> PictureSearch:
    return PictureSearch(Search.of("red", detector=detector), PictureReader(bands), kept)


def test_announced_pictures_are_searched_in_one_call(paths: list[Path]) -> None:
    together, alone = Counting(), Counting()
    announced, single = searching(together), searching(alone)
    announced.announce(paths)
    for path in paths:
        found, expected = announced(path), single(path)
        assert np.array_equal(found.detections.boxes, expected.detections.boxes)
        assert found.size_hw == expected.size_hw == (64, 96)
        assert found.seconds > 0
    assert [count for count, _ in together.calls] == [4]
    assert [count for count, _ in alone.calls] == [1] * 4
    announced(paths[0])
    assert [count for count, _ in together.calls] == [4, 1], "a second search of a picture is a search"


def test_a_picture_that_cannot_be_read_fails_alone(paths: list[Path]) -> None:
    paths[1].write_bytes(b"no picture")
    detector = Counting()
    announced = searching(detector)
    announced.announce(paths)
    with pytest.raises(ImageError, match=r"1\.png"):
        announced(paths[1])
    assert [announced(path).detections.boxes[0, 3] for path in (paths[0], *paths[2:])] == [20, 22, 23]
    assert [count for count, _ in detector.calls] == [3]


class OneAtATime(Counting):
    """Has too little memory for two pictures, and refuses one with a bottom of 22."""

    def detect(self, images: Sequence[np.ndarray], classes: Sequence[str]) -> list[dict[str, Any]]:
        if len(images) > 1:
            self.calls.append((len(images), tuple(classes)))
            raise MemoryError("out of memory")
        found = super().detect(images, classes)
        if found[0]["boxes"][0][3] == 22:
            raise PromptError("Expected another picture.")
        return found


def test_a_search_that_fails_for_several_pictures_is_done_for_each(paths: list[Path]) -> None:
    detector = OneAtATime()
    announced = searching(detector)
    announced.announce(paths)
    assert announced(paths[1]).detections.boxes[0, 3] == 21
    with pytest.raises(PromptError, match="another picture"):
        announced(paths[2])
    assert [count for count, _ in detector.calls] == [4, 1, 1]


def test_large_pictures_are_not_held_together(paths: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "_MOST_PIXELS", 2 * 64 * 96)
    detector = Counting()
    announced = searching(detector)
    announced.announce(paths)
    assert [announced(path).detections.boxes[0, 3] for path in paths] == [20, 21, 22, 23]
    assert [count for count, _ in detector.calls] == [2, 1, 1]


def test_kept_detections_are_not_searched_again(paths: list[Path], tmp_path: Path) -> None:
    detector = Counting()
    searching(detector, tmp_path / "kept")(paths[2])
    announced = searching(detector, tmp_path / "kept")
    announced.announce(paths)
    assert [announced(path).detections.boxes[0, 3] for path in paths] == [20, 21, 22, 23]
    assert [count for count, _ in detector.calls] == [1, 3]


def test_a_job_prepares_by_announcing(paths: list[Path]) -> None:
    detector = Counting()
    search = searching(detector)
    each = EachAfterSearch(
        lambda item: Outcome(summary=str(search(item.path).detections.boxes[0, 3])), search.pictures, search
    )
    items = [Item(path, path.stem) for path in paths]
    each.prepare(items)
    assert [each(item).summary for item in items] == ["20.0", "21.0", "22.0", "23.0"]
    assert len(detector.calls) == 1
