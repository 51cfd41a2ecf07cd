"""Composed pictures: a pure function of seed and index, exact masks, and every part can be left out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from samhq.datasets.sample import Sample, labelled
from samhq.errors import ConfigError
from samhq.training.compose.composed import ComposedPictures, Composition
from samhq.training.kinds import parse_kinds

KINDS = parse_kinds("box:2,point,points,mask")


class Discs:
    """Bright discs on a dark ground, one or two a picture."""

    name = "discs"

    def __len__(self) -> int:
        return 5

    def names(self) -> list[str]:
        return [str(i) for i in range(5)]

    def __getitem__(self, index: int) -> Sample:
        rows, columns = np.mgrid[:80, :100]
        masks = np.stack([(columns - x) ** 2 + (rows - 40) ** 2 < 15**2 for x in (25, 70)][: 1 + index % 2])
        image = np.where(masks.any(0)[..., None], [220, 180, 60], [40, 40, 50]).astype(np.uint8)
        return labelled(str(index), image, masks)


class Nothing(Discs):
    """Pictures without objects."""

    def __getitem__(self, index: int) -> Sample:
        return labelled(str(index), np.full((40, 40, 3), 60, np.uint8), np.zeros((0, 40, 40), bool))


@pytest.fixture
def folders(tmp_path: Path) -> tuple[list[Path], list[Path]]:
    rgba = np.zeros((40, 40, 4), np.uint8)
    rgba[5:35, 10:30] = (40, 220, 90, 255)
    Image.fromarray(rgba).save(tmp_path / "cut.png")
    Image.fromarray(np.full((50, 70, 3), 150, np.uint8)).save(tmp_path / "ground.jpg")
    return [tmp_path / "cut.png"], [tmp_path / "ground.jpg"]


def test_a_question_follows_from_seed_and_index(folders) -> None:
    cutouts, backgrounds = folders
    how = Composition(64, cutouts, backgrounds)
    first, again = (ComposedPictures(Discs(), how, 3, KINDS, seed=1) for _ in range(2))
    for index in (0, 7, 3):
        one, other = first(index), again(index)
        assert np.array_equal(one.image, other.image)
        assert np.array_equal(one.targets, other.targets)
    assert not np.array_equal(first(0).image, ComposedPictures(Discs(), how, 3, KINDS, seed=2)(0).image)


def test_shapes_are_those_of_training(folders) -> None:
    cutouts, backgrounds = folders
    pictures = ComposedPictures(Discs(), Composition(64, cutouts, backgrounds), 4, KINDS)
    for index in range(12):
        asked = pictures(index)
        assert asked.image.shape == (64, 64, 3)
        assert asked.image.dtype == np.uint8
        assert asked.targets.shape == (4, 64, 64)
        assert len(asked.prompts) == 4
        assert all((target >= 128).sum() >= 24 for target in asked.targets)


def test_with_everything_left_out_the_objects_are_those_annotated() -> None:
    how = Composition(64, close=0, pasted=0, thin=0, parts=0, empty=0)
    bright = 0
    for index in range(15):
        asked = ComposedPictures(Discs(), how, 2, KINDS)(index)
        for target in asked.targets:
            inside, outside = target >= 250, target < 5
            bright += asked.image[inside].astype(float).mean() > asked.image[outside].astype(float).mean() + 20
    assert bright >= 27


@pytest.mark.parametrize("part", ["thin", "cutout", "part"])
def test_every_part_can_be_asked_for(folders, part: str) -> None:
    cutouts, backgrounds = folders
    shares = {"thin": {"thin": 1.0}, "cutout": {"pasted": 1.0}, "part": {"parts": 1.0}}[part]
    none = {"close": 0.0, "pasted": 0.0, "thin": 0.0, "parts": 0.0, "empty": 0.0}
    how = Composition(96, cutouts, backgrounds, **(none | shares))
    pictures = ComposedPictures(Discs(), how, 2, KINDS)
    kinds = {layer.kind for seed in range(12) for layer in pictures.compose(np.random.default_rng(seed)).layers}
    assert kinds - {"object"} <= {part}
    if part != "part":  # whether a drawn disc counts as a distinct region is the detector's choice
        assert part in kinds


def test_pictures_without_objects_are_given_up() -> None:
    how = Composition(48, close=0, pasted=0, thin=0, parts=0, empty=0)
    with pytest.raises(ConfigError, match="without one"):
        ComposedPictures(Nothing(), how, 2, KINDS)(0)
