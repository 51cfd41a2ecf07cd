from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.datasets.drawn import disc, grey, save

from samhq.datasets.masks import read_objects, write_mask
from samhq.errors import ImageError


def test_what_is_above_128_is_the_object(tmp_path: Path) -> None:
    levels = np.array([[0, 127, 128], [129, 200, 255]], np.uint8)
    path = save(tmp_path / "a.png", levels)
    assert read_objects(path).tolist() == [[[False, False, False], [True, True, True]]]


def test_every_form_of_the_same_mask(tmp_path: Path) -> None:
    mask = disc()
    colours = np.full((*mask.shape, 4), 90, np.uint8)
    colours[..., 3] = grey(mask)
    rgb = np.stack([grey(mask), grey(mask) // 3, grey(mask) * 0], -1)
    opaque = np.dstack([grey(mask)] * 3 + [np.full(mask.shape, 255, np.uint8)])
    forms = {
        "one bit": mask,
        "zero and one": mask.astype(np.uint8),
        "sixteen bits": mask.astype(np.uint16) * 65535,
        "cut-out": colours,
        "first channel": rgb,
        "opaque": opaque,
    }
    for name, values in forms.items():
        assert np.array_equal(read_objects(save(tmp_path / f"{name}.png", values)), mask[None]), name
    write_mask(tmp_path / "written.png", mask)
    assert np.array_equal(read_objects(tmp_path / "written.png"), mask[None])


def test_a_coloured_palette_has_an_object_for_each_entry(tmp_path: Path) -> None:
    labels = np.zeros((6, 8), np.uint8)
    labels[:2], labels[4:] = 3, 1
    picture = Image.fromarray(labels).convert("P")
    picture.putpalette([0, 0, 0, 200, 0, 0, 0, 200, 0, 0, 0, 200] + [0] * 756)
    picture.save(tmp_path / "a.png")
    assert np.array_equal(read_objects(tmp_path / "a.png"), [labels == 1, labels == 3])
    picture.putpalette([0, 0, 0, 255, 255, 255, 0, 0, 0, 255, 255, 255] + [0] * 756)
    picture.save(tmp_path / "grey.png")
    assert np.array_equal(read_objects(tmp_path / "grey.png"), [labels > 0])


def test_an_empty_mask_is_one_empty_object(tmp_path: Path) -> None:
    assert read_objects(save(tmp_path / "a.png", np.zeros((3, 4), np.uint8))).shape == (1, 3, 4)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(ImageError, match=r"a\.png"):
        read_objects(tmp_path / "a.png")
