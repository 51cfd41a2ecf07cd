"""Parts of a data set."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from samhq.datasets.coco import open_coco_pictures
from samhq.datasets.open import open_dataset
from samhq.datasets.sample import Pictures
from samhq.datasets.views import Chosen, Joined, present
from samhq.errors import ConfigError


def save(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((6, 8), 255, np.uint8)).save(path)


@pytest.fixture
def coco(tmp_path: Path) -> Path:
    """Three pictures of which the second is not there; the last was written on Windows."""
    names = ["a.png", "b.png", "in\\c.png"]
    save(tmp_path / "a.png")
    save(tmp_path / "in" / "c.png")
    images = [{"id": str(number), "file_name": name} for number, name in enumerate(names)]
    squares = [{"id": 1, "image_id": 0, "segmentation": [[1, 1, 5, 1, 5, 4]]}]
    path = tmp_path / "data.json"
    path.write_text(json.dumps({"images": images, "annotations": squares}))
    return path


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    for name in ("images/a.jpg", "images/b.jpg", "masks/a.png"):
        save(tmp_path / "pairs" / name)
    return tmp_path / "pairs"


@pytest.mark.parametrize("kind", ["coco", "pairs", "chosen", "joined"])
def test_missing_pictures_can_be_left_out(kind: str, coco: Path, pairs: Path) -> None:
    sources: dict[str, Pictures] = {"coco": open_coco_pictures(coco), "pairs": open_dataset(pairs)}
    sources |= {"chosen": Chosen(sources["coco"], [1, 2]), "joined": Joined("all", list(sources.values()))}
    found, missing = present(sources[kind])
    assert len(found) + len(missing) == len(sources[kind])
    assert {path.name for path in missing} == {"coco": {"b.png"}, "pairs": {"b.png"}, "chosen": {"b.png"},
                                               "joined": {"b.png"}}[kind]  # fmt: skip
    assert [found[index].name for index in range(len(found))] == list(found.names())


def test_a_line_says_how_many_are_left_out(coco: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert list(open_dataset(str(coco), images=str(coco.parent), skip_missing=True).names()) == ["a", "in/c"]
    assert "1 of 3 pictures left out, such as " in capsys.readouterr().err
    assert len(open_dataset(coco)) == 3


def test_backslashes_and_ids_of_text_are_read_as_they_are_meant(coco: Path) -> None:
    pictures = open_coco_pictures(coco)
    assert pictures[2].image.shape == (6, 8, 3)
    assert len(pictures[0].masks) == 1, "image_id 0 is the picture with the id '0'"


def test_two_pictures_of_one_id_are_refused(tmp_path: Path) -> None:
    images = [{"id": number, "file_name": "a.png"} for number in ("7", 7.0)]
    (tmp_path / "data.json").write_text(json.dumps({"images": images, "annotations": []}))
    with pytest.raises(ConfigError, match=r"different ids of 'images' .* got 7 twice"):
        open_coco_pictures(tmp_path / "data.json")


def test_nothing_there_is_an_error(coco: Path) -> None:
    for name in ("a.png", "in/c.png"):
        (coco.parent / name).unlink()
    with pytest.raises(ConfigError, match="at least one picture"):
        present(open_coco_pictures(coco, coco.parent))
