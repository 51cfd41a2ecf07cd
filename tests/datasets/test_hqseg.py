"""The parts of HQSeg-44K are found by name, with the published numbers of pictures, in the published folders."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from samhq.datasets.hqseg import PARTS, is_root, open_hqseg, open_part, parts_of
from samhq.errors import ConfigError


def test_names_are_parts() -> None:
    assert sum(part.count for part in parts_of("train")) == 44320
    assert sum(part.count for part in parts_of("VAL")) == 1537
    assert parts_of("all") == PARTS
    assert [part.name for part in parts_of("coift")] == ["COIFT"]
    with pytest.raises(ConfigError, match="Did you mean 'COIFT'"):
        parts_of("COIFF")


def fill(root: Path, name: str, suffix: str = ".png") -> None:
    """A picture and its mask in the folders of a part."""
    (part,) = parts_of(name)
    images, masks = root / part.images, root / (part.masks or part.images)
    for folder in (images, masks):
        folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((4, 6, 3), np.uint8)).save(images / "a.jpg")
    mask = np.zeros((4, 6), np.uint8)
    mask[1:3, 2:5] = 255
    Image.fromarray(mask).save(masks / f"a{suffix}")


@pytest.mark.parametrize("name", ["COIFT", "DUTS-TE"])
def test_a_part_is_read_from_its_folders(tmp_path: Path, name: str) -> None:
    fill(tmp_path, name)
    pictures = open_part(parts_of(name)[0], tmp_path)
    assert len(pictures) == 1
    sample = pictures[0]
    assert sample.masks.shape == (1, 4, 6)
    assert sample.masks.sum() == 6


def test_several_parts_are_one_source(tmp_path: Path) -> None:
    for part in parts_of("val"):
        fill(tmp_path, part.name)
    pictures = open_hqseg("val", tmp_path)
    assert (pictures.name, len(pictures)) == ("HQSeg-44K val", 4)


def test_a_missing_folder_is_named_with_its_archive(tmp_path: Path) -> None:
    assert not is_root(tmp_path)
    fill(tmp_path, "COIFT")
    assert is_root(tmp_path)
    with pytest.raises(ConfigError, match=r"DIS5K-VD of HQSeg-44K.*DIS5K\.zip"):
        open_hqseg("val", tmp_path)
