from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.datasets.layouts import disc, grey, save

from samhq.datasets.masks import read_objects
from samhq.errors import ImageError
from samhq.image.write import write_mask


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
        "sixteen bits of 0 and 1": mask.astype(np.uint16),
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


@pytest.mark.parametrize("highest", [2, 7, 128])
def test_a_grey_label_map_is_refused(tmp_path: Path, highest: int) -> None:
    """It was an empty mask, so training went on without its objects."""
    labels = np.zeros((6, 8), np.uint8)
    labels[:2], labels[4:] = highest, 1
    with pytest.raises(ImageError, match=f"values up to {highest} in .*label map"):
        read_objects(save(tmp_path / "a.png", labels))


def test_an_empty_mask_may_have_the_noise_of_a_jpeg(tmp_path: Path) -> None:
    path = save(tmp_path / "a.jpg", np.full((16, 16), 3, np.uint8))
    assert not read_objects(path).any()


def voc() -> np.ndarray:
    """VOC's palette, its bits dealt out to the channels as its development kit does."""
    palette = np.zeros((256, 3), np.uint8)
    for entry in range(256):
        for bit in range(8):
            palette[entry, bit % 3] |= (entry >> bit & 1) << (7 - bit // 3)
    return palette


def painted(path: Path, labels: np.ndarray, palette: np.ndarray, **more: Any) -> Path:
    picture = Image.fromarray(labels).convert("P")
    picture.putpalette(palette.tobytes())
    picture.save(path, **more)
    return path


def test_a_grey_entry_of_a_coloured_palette_is_an_object(tmp_path: Path) -> None:
    palette, labels = voc(), np.zeros((6, 8), np.uint8)
    assert palette[[1, 7, 255]].tolist() == [[128, 0, 0], [128, 128, 128], [224, 224, 192]]
    labels[1:5, 1:7], labels[2:4, 2:6] = 255, 7
    alone = np.where(labels == 7, labels, 0).astype(np.uint8)
    assert np.array_equal(read_objects(painted(tmp_path / "alone.png", alone, palette)), [labels == 7])
    assert np.array_equal(read_objects(painted(tmp_path / "ring.png", labels, palette)), [labels == 7]), "255 is void"
    only = np.where(labels == 255, labels, 0).astype(np.uint8)
    assert np.array_equal(read_objects(painted(tmp_path / "only.png", only, palette)), [labels == 255])
    palette[255] = 10, 20, 200
    found = read_objects(painted(tmp_path / "other.png", labels, palette))
    assert np.array_equal(found, [labels == 7, labels == 255]), "in another palette it is an object"


def test_black_and_white_of_a_coloured_palette_is_a_mask(tmp_path: Path) -> None:
    """As in palettes for the web that begin with white."""
    palette = np.zeros((256, 3), np.uint8)
    palette[0], palette[1] = 255, (255, 204, 0)
    labels = np.where(disc(), 0, 215).astype(np.uint8)
    assert np.array_equal(read_objects(painted(tmp_path / "a.png", labels, palette)), disc()[None])


@pytest.mark.parametrize("transparency", [0, bytes([0, 128, 128, 128])])
def test_a_transparent_background_does_not_merge_the_objects(tmp_path: Path, transparency: Any) -> None:
    labels = np.zeros((6, 8), np.uint8)
    labels[:2], labels[4:] = 3, 1
    path = painted(tmp_path / "a.png", labels, voc(), transparency=transparency)
    assert np.array_equal(read_objects(path), [labels == 1, labels == 3])


@pytest.mark.parametrize("most", [2, 200, 1000, 30000])
def test_a_label_map_of_sixteen_bits_is_refused(tmp_path: Path, most: int) -> None:
    path = save(tmp_path / "a.png", disc().astype(np.uint16) * np.uint16(most))
    with pytest.raises(ImageError, match=rf"up to {most} in .*a\.png, which looks like a label map"):
        read_objects(path)


def test_an_empty_mask_is_one_empty_object(tmp_path: Path) -> None:
    for kind in (np.uint8, np.uint16):
        found = read_objects(save(tmp_path / "a.png", np.zeros((3, 4), kind)))
        assert (found.shape, found.any()) == ((1, 3, 4), False)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(ImageError, match=r"a\.png"):
        read_objects(tmp_path / "a.png")
