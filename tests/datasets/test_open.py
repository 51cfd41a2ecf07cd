"""A data set is opened by its name, or a sentence says what was expected."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.datasets.layouts import annotation, coco, disc, pair

from samhq.datasets.open import hqseg_source, open_dataset
from samhq.errors import ConfigError


def test_a_coco_file_and_a_folder(tmp_path: Path) -> None:
    assert len(open_dataset(coco(tmp_path / "val.json", {"a.png": (40, 56)}, [annotation(1, 1, disc())]))) == 1
    for name in ("x", "y", "z"):
        pair(tmp_path / "pairs" / "images", tmp_path / "pairs" / "masks", name, disc())
    assert len(open_dataset(tmp_path / "pairs")) == 3
    assert len(open_dataset(tmp_path / "pairs", limit=2)) == 2


def test_drawn_scenes() -> None:
    assert open_dataset("scenes:4:thin@64", limit=2).names() == ["scene-000000", "scene-000002"]


@pytest.mark.parametrize("source", ["nowhere", "hqseg44k:DIS5K-VD", "scenes:", "scenes:x"])
def test_other_names_are_refused(source: str) -> None:
    with pytest.raises(ConfigError, match="Expected"):
        open_dataset(source)


@pytest.mark.parametrize("source", ["scenes:2", "hqseg44k:DIS5K-VD@data", "."])
def test_images_belong_to_a_coco_file(source: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"images="):
        open_dataset(source, images=tmp_path)


def test_a_limit_below_one_is_refused() -> None:
    with pytest.raises(ConfigError, match="at least one picture"):
        open_dataset("scenes:2", limit=0)


def test_a_part_of_hqseg_has_a_folder() -> None:
    assert hqseg_source("hqseg44k:val@some/data") == ("val", Path("some/data"))
    with pytest.raises(ConfigError, match="Add the folder"):
        hqseg_source("hqseg44k:val@")
