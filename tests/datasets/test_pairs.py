from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.datasets.layouts import disc, grey, pair, photo, save

from samhq.cli.pictures import find_pictures
from samhq.datasets.hqseg import PARTS, is_root, open_hqseg
from samhq.datasets.open import open_dataset
from samhq.datasets.pairs import PairFolder
from samhq.datasets.sample import Pictures
from samhq.errors import ConfigError, ImageError
from samhq.image.suffixes import SUFFIXES


@pytest.mark.parametrize(("images", "masks"), [("images", "masks"), ("im", "gt"), ("", "")])
def test_every_layout_gives_the_same(tmp_path: Path, images: str, masks: str) -> None:
    for stem in ("b", "a", "deep/a"):
        pair(tmp_path / images, tmp_path / masks, stem, disc())
    save(tmp_path / images / ".hidden.jpg", photo())
    pictures = open_dataset(tmp_path)
    assert isinstance(pictures, Pictures)
    assert pictures.name == tmp_path.name
    assert sorted(pictures.names()) == ["a", "b", "deep/a"]
    sample = pictures[list(pictures.names()).index("deep/a")]
    assert np.array_equal(sample.masks, disc()[None])
    assert (sample.ids, sample.categories, sample.crowd.tolist()) == ((1,), ("",), [False])
    assert sample.image.shape == (*disc().shape, 3)


def test_grey_and_transparent_pictures_are_rgb(tmp_path: Path) -> None:
    save(tmp_path / "images" / "grey.png", photo()[..., 0])
    save(tmp_path / "images" / "alpha.png", np.dstack([photo(), photo()[..., 0]]))
    for stem in ("grey", "alpha"):
        save(tmp_path / "masks" / f"{stem}.png", grey(disc()))
    pictures = open_dataset(tmp_path)
    assert [pictures[i].image.shape for i in range(2)] == [(40, 56, 3)] * 2


def test_pictures_of_one_stem_keep_their_ending(tmp_path: Path) -> None:
    for suffix in ("jpg", "png"):
        save(tmp_path / "images" / f"a.{suffix}", photo())
    save(tmp_path / "masks" / "a.png", grey(disc()))
    assert list(open_dataset(tmp_path).names()) == ["a", "a.png"]


@pytest.mark.parametrize("suffix", [one for one in SUFFIXES if one != ".avif"])
def test_what_the_command_line_takes_for_a_picture_is_one_here_too(tmp_path: Path, suffix: str) -> None:
    assert find_pictures([str(save(tmp_path / "images" / f"a{suffix}", photo()).parent)])
    save(tmp_path / "masks" / f"a{suffix}", grey(disc()))
    sample = open_dataset(tmp_path)[0]
    assert sample.image.shape == (*disc().shape, 3)
    assert (sample.masks[0] == disc()).mean() > 0.95


def test_of_several_masks_the_one_that_kept_every_pixel_counts(tmp_path: Path) -> None:
    save(tmp_path / "images" / "a.jpg", photo())
    for suffix in ("jpg", "png", "tga"):
        save(tmp_path / "masks" / f"a.{suffix}", grey(disc() if suffix == "png" else ~disc()))
    assert np.array_equal(open_dataset(tmp_path)[0].masks[0], disc())


def test_what_does_not_fit_is_named(tmp_path: Path) -> None:
    pair(tmp_path, tmp_path, "a", disc())
    save(tmp_path / "a.png", grey(disc(30, 56)))
    pair(tmp_path, tmp_path, "b", disc())
    (tmp_path / "b.png").unlink()
    save(tmp_path / "stray.png", grey(disc()))
    pictures = open_dataset(tmp_path)
    assert isinstance(pictures, PairFolder)
    assert pictures.strays == [tmp_path / "stray.png"]
    with pytest.raises(ImageError, match=r"a\.jpg of 56 x 40 and .*a\.png of 56 x 30"):
        pictures[0]
    with pytest.raises(ImageError, match=r"mask of .*b\.jpg"):
        pictures[1]


def test_what_is_no_data_set_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        open_dataset(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="got no pictures"):
        open_dataset(tmp_path)
    save(tmp_path / "a.jpg", photo())
    with pytest.raises(ConfigError, match="1 picture without a mask of the same name"):
        open_dataset(tmp_path)
    with pytest.raises(ConfigError, match="images= with a file of labels"):
        open_dataset(tmp_path, images=tmp_path)


def test_hqseg_by_name(tmp_path: Path) -> None:
    for part in PARTS:
        images = tmp_path / part.images
        pair(images, images if part.masks is None else tmp_path / part.masks, "x#1", disc())
    assert is_root(tmp_path)
    assert not is_root(tmp_path / "DIS5K")
    one = open_dataset(f"hqseg44k:dis5k-vd@{tmp_path}")
    assert (one.name, list(one.names())) == ("DIS5K-VD", ["x#1"])
    assert list(open_hqseg("val", tmp_path).names())[1] == "COIFT/x#1"
    everything = open_dataset(f"hqseg44k:all@{tmp_path}")
    assert len(everything) == 11
    assert {everything[i].masks.shape for i in range(11)} == {(1, 40, 56)}


def test_hqseg_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"Did you mean 'COIFT'"):
        open_dataset(f"hqseg44k:COIF@{tmp_path}")
    with pytest.raises(ConfigError, match=r"COIFT.*thin_object_detection\.zip"):
        open_dataset(f"hqseg44k:COIFT@{tmp_path}")
    with pytest.raises(ConfigError, match="Add the folder"):
        open_dataset("hqseg44k:COIFT")


def test_the_folder_above_a_data_set_is_told_from_it(tmp_path: Path) -> None:
    for part in ("train", "val"):
        pair(tmp_path / part / "images", tmp_path / part / "masks", "a", disc())
    with pytest.raises(ConfigError, match=r"Name .*train, which has this form"):
        open_dataset(tmp_path)
