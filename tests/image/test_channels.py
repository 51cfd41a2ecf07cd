"""Channels of files, bytes and arrays are shown as `as_rgb` shows them, and values that cannot be used are refused."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from samhq.errors import ConfigError, ImageError
from samhq.image.bands import as_rgb
from samhq.image.channels import AS_SHOWN, Channels
from samhq.image.read import read_image


def twelve_bits(size_hw: tuple[int, int] = (30, 50)) -> np.ndarray:
    return np.random.default_rng(0).integers(100, 4000, size_hw).astype(np.uint16)


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_files_bytes_and_arrays_are_shown_alike(form: str, tmp_path: Path) -> None:
    pytest.importorskip("rasterio")
    values, content = twelve_bits(), io.BytesIO()
    Image.fromarray(values).save(content, form)
    path = tmp_path / f"a.{form.lower()}"
    path.write_bytes(content.getvalue())
    channels = Channels(stretch=(2, 98))
    expected = as_rgb(values, None, (2, 98))
    for source in (path, str(path), content.getvalue(), values, Image.open(path)):
        np.testing.assert_array_equal(channels.read(source), expected)
    np.testing.assert_array_equal(channels.picture(path), expected)
    assert channels.size_hw(content.getvalue()) == (30, 50)
    with pytest.raises(ImageError, match="--stretch 2,98"):
        AS_SHOWN.read(path)


def test_bands_of_a_file_that_pillow_does_not_read(tmp_path: Path) -> None:
    rasterio = pytest.importorskip("rasterio")
    raw = np.random.default_rng(1).integers(0, 9000, (5, 20, 30)).astype(np.uint16)
    path = tmp_path / "five.tif"
    with rasterio.open(path, "w", driver="GTiff", height=20, width=30, count=5, dtype="uint16") as file:
        file.write(raw)
    channels = Channels((5, 3, 1), (0, 100))
    np.testing.assert_array_equal(channels.read(path.read_bytes()), as_rgb(raw, (5, 3, 1), (0, 100)))
    assert channels.size_hw(path.read_bytes()) == (20, 30)
    with pytest.raises(ImageError):
        AS_SHOWN.size_hw(path.read_bytes())


def test_a_turned_picture_is_upright(tmp_path: Path) -> None:
    content, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.random.default_rng(2).integers(0, 99, (8, 20, 3), np.uint8)).save(content, "PNG", exif=exif)
    channels = Channels(stretch=(0, 100))
    assert channels.read(content.getvalue()).shape == (20, 8, 3)
    assert channels.size_hw(content.getvalue()) == (20, 8)


def test_without_values_pictures_are_as_a_viewer_shows_them(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(np.full((3, 4, 3), 7, np.uint8)).save(path)
    assert np.array_equal(AS_SHOWN.read(path), read_image(path))
    assert AS_SHOWN.picture(path) is path
    assert AS_SHOWN.options() == {}
    assert Channels((4, 3, 2), (2, 98)).options() == {"bands": (4, 3, 2), "stretch": (2, 98)}


@pytest.mark.parametrize(
    "values",
    [
        {"bands": (1, 2)},
        {"bands": (0,)},
        {"bands": ()},
        {"stretch": (98, 2)},
        {"stretch": (2, 2)},
        {"stretch": (-1, 50)},
        {"stretch": (0, 101)},
        {"stretch": (float("nan"), 50)},
    ],
)
def test_values_that_cannot_be_used(values: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(values)) + "|band|percentiles"):
        Channels(**values)


@pytest.mark.parametrize("content", [b"", b"no picture", b"II*\0" + bytes(20)])
def test_bytes_that_are_no_picture(content: bytes) -> None:
    pytest.importorskip("rasterio")
    with pytest.raises(ImageError, match="Expected a picture"):
        Channels(stretch=(2, 98)).read(content)
