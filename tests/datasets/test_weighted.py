"""Weights by source, and a split that does not move."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from samhq.datasets.sample import Sample, labelled
from samhq.datasets.views import Chosen, Joined
from samhq.datasets.weighted import chances, is_held_out, parse_source_weights, split
from samhq.errors import ConfigError


class Few:
    """Pictures of three sources."""

    name = "few"

    def __init__(self, sources: list[str], first: int = 0) -> None:
        self.sources, self.first = sources, first

    def __len__(self) -> int:
        return len(self.sources)

    def names(self) -> list[str]:
        return [f"{self.first + i}" for i in range(len(self))]

    def source(self, index: int) -> str:
        return self.sources[index]

    def file_name(self, index: int) -> str:
        return f"{self.first + index}.png"

    def __getitem__(self, index: int) -> Sample:
        return labelled(str(index), np.zeros((4, 4, 3), np.uint8), np.ones((1, 4, 4), bool))


def test_a_source_is_named_by_part_of_its_name() -> None:
    pictures = Few(["COCO 2017 train", "Oxford pets", "other"])
    assert chances(pictures, (("coco", 4.0), ("pets", 1.0))).tolist() == pytest.approx([4 / 6, 1 / 6, 1 / 6])


def test_the_longest_name_decides() -> None:
    pictures = Few(["COCO 2017 train", "COCO 2017 val"])
    assert chances(pictures, (("coco", 3.0), ("coco 2017 val", 1.0))).tolist() == pytest.approx([0.75, 0.25])


def test_chosen_pictures_keep_their_sources() -> None:
    pictures = Chosen(Few(["a", "b", "c"]), [2, 0])
    assert chances(pictures, (("a", 3.0),)).tolist() == pytest.approx([0.25, 0.75])


def test_an_unknown_source_is_named() -> None:
    with pytest.raises(ConfigError, match=r"'dogs'.*cats"):
        chances(Few(["cats"]), (("dogs", 1.0),))


def test_weights_of_nothing_are_refused() -> None:
    with pytest.raises(ConfigError, match="above 0"):
        chances(Few(["cats"]), (("cats", 0.0),))


@pytest.mark.parametrize("text", ["coco", "coco:x", ":3", "coco:-1", "coco:nan", "coco:inf"])
def test_a_wrong_weight_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="SOURCE:NUMBER"):
        parse_source_weights(text)


@given(st.text(min_size=1, max_size=20), st.integers(0, 100))
def test_more_percent_never_take_a_picture_back(name: str, percent: int) -> None:
    assert not is_held_out(name, 0)
    assert is_held_out(name, 100)
    if is_held_out(name, percent):
        assert is_held_out(name, min(100, percent + 1))


def test_a_split_leaves_nothing_out_and_does_not_move() -> None:
    pictures = Few(["a"] * 200)
    learn, validate = split(pictures, 20)
    assert sorted([*learn.names(), *validate.names()], key=int) == pictures.names()
    assert 20 < len(validate) < 60
    assert set(split(Few(["a"] * 300), 20)[1].names()) >= set(validate.names())


@pytest.mark.parametrize("percent", [1, 10, 50, 99])
def test_few_pictures_are_on_both_sides(percent: int) -> None:
    """With 10 % of 22 pictures none was left for validation, and the run was refused."""
    for count, first in product(range(2, 60), (0, 1000, 5000)):
        learn, validate = split(Few(["a"] * count, first), percent)
        assert len(learn) + len(validate) == count
        assert min(len(learn), len(validate)) >= 1
        assert len(validate) >= min(count - 1, count * percent // 200)
        held = [name for name in validate.names() if is_held_out(f"{name}.png", percent)]
        by_hash = [name for name in [*learn.names(), *validate.names()] if is_held_out(f"{name}.png", percent)]
        assert len(held) == min(len(by_hash), count - 1), "those of the hash come first"


def test_no_share_holds_nothing_out() -> None:
    assert len(split(Few(["a"] * 5), 0)[1]) == 0
    assert len(split(Few(["a"]), 10)[0]) + len(split(Few(["a"]), 10)[1]) == 1


def test_the_file_name_decides_where_there_is_one() -> None:
    held = split(Few(["a"] * 100), 20)[1].names()
    assert held == [str(i) for i in range(100) if is_held_out(f"{i}.png", 20)]


def test_a_picture_is_held_out_whatever_part_of_a_data_set_it_is_met_in() -> None:
    """With missing pictures left out, or joined to another set, no picture changes sides."""
    whole = Few(["a"] * 100)
    held = set(split(whole, 20)[1].names())
    part = split(Chosen(whole, range(0, 100, 3)), 20)[1]
    assert set(part.names()) == {name for name in held if int(name) % 3 == 0}
    joined = split(Joined("both", [whole, Few(["b"] * 10)]), 20)[1]
    assert {name for name in joined.names() if int(name.split("/")[1]) >= 10} == {
        f"few/{name}" for name in held if int(name) >= 10
    }


def test_joined_pictures_keep_their_sources() -> None:
    joined = Joined("both", [Few(["a"]), Few(["b"])])
    assert chances(joined, (("a", 3.0),)).tolist() == pytest.approx([0.75, 0.25])
