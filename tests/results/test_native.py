"""Objects found by window are saved as those of a picture that is held whole."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.results.test_segmentation import result

from samhq.image.picture_source import ArraySource
from samhq.image.read import read_image, read_mask
from samhq.masks.regions import Piece
from samhq.results.native import Refined, save_native
from samhq.results.segmentation import Segmentation


@pytest.fixture
def whole() -> Segmentation:
    """One object with pixels, and one without."""
    return result()


def saved(whole: Segmentation, folder: Path) -> list[Path]:
    found = [Refined(Piece.of(mask), float(score)) for mask, score in zip(whole.masks, whole.scores, strict=True)]
    about = {"model": "test", "file_name": "a.jpg"}
    return save_native(
        found, ArraySource(whole.image), whole.prompts, folder, "cat", overlay=True, cutouts=True, **about
    )


def test_the_files_are_those_of_a_segmentation(whole: Segmentation, tmp_path: Path) -> None:
    written = saved(whole, tmp_path / "native")
    expected = whole.save(tmp_path / "whole", "cat", cutouts=True, file_name="a.jpg")
    assert [path.name for path in written] == [path.name for path in expected]
    for one, other in zip(written, expected, strict=True):
        if one.name.startswith("cat_mask"):
            assert np.array_equal(read_mask(one), read_mask(other))
        elif one.suffix == ".jpg":
            assert np.array_equal(read_image(one), read_image(other))


def test_the_record_is_that_of_a_segmentation(whole: Segmentation, tmp_path: Path) -> None:
    saved(whole, tmp_path / "native")
    whole.save(tmp_path / "whole", "cat", cutouts=True, file_name="a.jpg")
    one, other = (json.loads((tmp_path / name / "cat.json").read_text()) for name in ("native", "whole"))
    assert {key: value for key, value in one.items() if key != "files"} == {
        key: value for key, value in other.items() if key != "files"
    }
    assert one["files"].keys() == other["files"].keys()


def test_a_cutout_is_cut_to_its_object_and_an_empty_one_is_one_pixel(whole: Segmentation, tmp_path: Path) -> None:
    saved(whole, tmp_path)
    with Image.open(tmp_path / "cat_cutout_0.png") as png:
        assert np.array_equal(np.asarray(png), whole.cutout(0))
    with Image.open(tmp_path / "cat_cutout_1.png") as png:
        assert np.asarray(png).tolist() == [[[0, 0, 0, 0]]]
