from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from samhq.datasets.sample import Pictures, Sample, check_size, labelled, stamp_of, stamp_of_files
from samhq.datasets.views import Chosen, Joined, spread
from samhq.errors import ConfigError, ImageError


class Numbers:
    """Pictures whose first pixel is their number."""

    def __init__(self, name: str, count: int) -> None:
        self.name, self.count = name, count

    def __len__(self) -> int:
        return self.count

    def names(self) -> list[str]:
        return [str(number) for number in range(self.count)]

    def __getitem__(self, index: int) -> Sample:
        return labelled(str(index), np.full((1, 1, 3), index, np.uint8), np.ones((1, 1, 1), bool))


def test_objects_are_what_can_be_asked_for() -> None:
    masks = np.ones((3, 2, 2), bool)
    masks[1] = False
    sample = Sample("a", np.zeros((2, 2, 3), np.uint8), masks, (1, 2, 3), ("",) * 3, np.array([False, False, True]))
    assert sample.objects == [0]


def test_masks_of_another_size_are_refused() -> None:
    with pytest.raises(ImageError, match=r"\[1, 2, 3\].*\[2, 2, 3\]"):
        labelled("a", np.zeros((2, 2, 3), np.uint8), np.ones((1, 2, 3), bool))


def test_a_size_mismatch_names_both_files() -> None:
    with pytest.raises(ImageError, match=r"a\.jpg of 20 x 10 and a\.png of 10 x 20.*EXIF"):
        check_size((10, 20), "a.jpg", (20, 10), "a.png")


def test_a_limit_is_spread_over_the_source() -> None:
    source = Numbers("n", 10)
    assert isinstance(source, Pictures)
    few = spread(source, 4)
    assert isinstance(few, Chosen)
    assert few.names() == ["0", "2", "5", "7"]
    assert [few[i].name for i in range(4)] == list(few.names())
    assert spread(source, None) is spread(source, 10) is source
    with pytest.raises(ConfigError, match="at least one"):
        spread(source, 0)


def test_several_sources_are_one() -> None:
    joined = Joined("all", [Numbers("a", 2), Numbers("empty", 0), Numbers("b", 1)])
    assert isinstance(joined, Pictures)
    assert len(joined) == 3
    assert joined.names() == ["a/0", "a/1", "b/0"] == [joined[i].name for i in range(3)]
    assert joined[-1].name == "b/0"
    with pytest.raises(IndexError):
        joined[3]
    assert len(Joined("none", [])) == 0


class Stamps(Numbers):
    """Pictures that say when they changed."""

    def stamp(self, index: int) -> str:
        return f"{self.name}{index}"


def test_parts_and_sums_of_sources_have_their_stamps() -> None:
    joined = Joined("all", [Stamps("a", 2), Numbers("b", 2), Stamps("c", 2)])
    assert [stamp_of(joined, index) for index in range(6)] == ["a0", "a1", None, None, "c0", "c1"]
    assert [stamp_of(Chosen(joined, [5, 2, 1]), index) for index in range(3)] == ["c1", None, "a1"]


def test_a_stamp_follows_files_and_values(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_text("one")
    first = stamp_of_files([file])
    assert stamp_of_files([file]) == first
    assert len({first, stamp_of_files([file], values=1), stamp_of_files([file, file]), stamp_of_files([])}) == 4
    time = file.stat().st_mtime_ns
    os.utime(file, ns=(time, time + 1_000_000))
    assert stamp_of_files([file]) != first
    os.utime(file, ns=(time, time))
    assert stamp_of_files([file]) == first
    file.write_text("longer")
    os.utime(file, ns=(time, time))
    assert stamp_of_files([file]) != first
    file.unlink()
    assert stamp_of_files([file]) not in (first, stamp_of_files([]))
