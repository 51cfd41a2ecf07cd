"""Pixels come back from picture files, and a failed write leaves the old file."""

from __future__ import annotations

import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from samhq.image.write import MaskWindow, mask_png, write_mask, write_masks, write_overlay, write_picture


@pytest.mark.usefixtures("unchecked")
def test_a_failed_write_leaves_what_was_there(tmp_path: Path) -> None:
    path = write_picture(tmp_path / "a.png", np.zeros((2, 2), np.uint8))
    before = path.read_bytes()
    with pytest.raises(TypeError):
        write_picture(path, np.zeros((2, 2), np.complex64))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 3), (4, 5, 4)])
def test_a_png_holds_the_pixels(tmp_path: Path, shape: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    with Image.open(write_picture(tmp_path / "new" / "a.png", pixels)) as png:
        assert np.array_equal(np.asarray(png), pixels)


def test_a_mask_is_white_on_black(tmp_path: Path) -> None:
    mask = np.eye(3, dtype=bool)
    with Image.open(write_mask(tmp_path / "a.png", mask)) as png:
        assert png.mode == "L"
        assert np.array_equal(np.asarray(png), np.where(mask, 255, 0))


@pytest.mark.parametrize("most", [7, 1 << 30])
@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (123, 257)])
def test_a_mask_comes_back_from_its_png(
    tmp_path: Path, shape: tuple[int, int], most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("samhq.image.write._MOST_IN_CHUNK", most)
    random = np.random.default_rng(0)
    large = np.zeros((2 * shape[0], 2 * shape[1]), bool)
    for mask in (random.random(shape) > 0.5, np.ones(shape, bool), np.zeros(shape, bool), large[::2, ::2]):
        path = write_mask(tmp_path / "new" / "a.png", mask)
        with Image.open(path) as png:
            png.verify()  # The checksums of all chunks.
        with Image.open(path) as png:
            assert np.array_equal(np.asarray(png), np.where(mask, 255, 0))


@pytest.mark.parametrize("zeros", [3, 100, 1 << 22])
@pytest.mark.parametrize(("corner_xy", "hw"), [((0, 0), (5, 7)), ((3, 2), (1, 1)), ((6, 4), (3, 4)), ((0, 0), (0, 0))])
def test_a_mask_in_a_window_is_the_whole_mask(
    tmp_path: Path, corner_xy: tuple[int, int], hw: tuple[int, int], zeros: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("samhq.image.write._ZEROS", zeros)
    (x, y), (h, w) = corner_xy, hw
    whole = np.zeros((7, 11), bool)
    whole[y : y + h, x : x + w] = np.random.default_rng(1).random(hw) > 0.3
    path = write_mask(tmp_path / "a.png", MaskWindow(whole[y : y + h, x : x + w], corner_xy, (7, 11)))
    with Image.open(path) as png:
        png.verify()
    with Image.open(path) as png:
        assert np.array_equal(np.asarray(png), np.where(whole, 255, 0))


def test_a_small_object_of_a_huge_picture_takes_no_memory_and_no_time() -> None:
    mask_png(MaskWindow(np.ones((9, 9), bool), (5, 5), (50_000, 60_000)))  # The zeros of a part are kept.
    tracemalloc.start()
    began = time.process_time()
    content = mask_png(MaskWindow(np.ones((9, 9), bool), (40_000, 30_000), (50_000, 60_000)))
    seconds, (_, peak) = time.process_time() - began, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(content) < 50_000 * 60_000 / 900
    assert peak < 30e6, "3 GB of pixels are never in memory"
    assert seconds < 2


@pytest.mark.parametrize(("width", "suffix"), [(65_500, ".jpg"), (65_501, ".png"), (70_000, ".png")])
def test_an_overlay_that_no_jpeg_holds_is_a_png(tmp_path: Path, width: int, suffix: str) -> None:
    path = write_overlay(tmp_path, "cat", np.zeros((1, width, 3), np.uint8))
    assert path.name == f"cat_overlay{suffix}"
    with Image.open(path) as picture:
        assert picture.size == (width, 1)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif", ".bmp"])
def test_a_picture_that_does_not_fit_on_the_disk_is_not_there(tmp_path: Path, suffix: str) -> None:
    resource = pytest.importorskip("resource")
    pixels = np.random.default_rng(0).integers(0, 256, (90, 90, 3), np.uint8)
    size = write_picture(tmp_path / f"whole{suffix}", pixels).stat().st_size
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size - 5, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            write_picture(tmp_path / f"part{suffix}", pixels)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [path.name for path in tmp_path.iterdir()] == [f"whole{suffix}"]


def test_masks_are_written_in_order_and_made_where_they_are_written(tmp_path: Path) -> None:
    masks = np.random.default_rng(0).random((9, 20, 30)) > 0.5
    made: list[int] = []

    def mask(number: int) -> np.ndarray:
        made.append(number)
        return masks[number]

    paths = write_masks([tmp_path / f"{number}.png" for number in range(9)], mask)
    assert sorted(made) == list(range(9))
    for path, expected in zip(paths, masks, strict=True):
        with Image.open(path) as png:
            assert np.array_equal(np.asarray(png), expected * 255)
    assert write_masks([], mask) == []


def test_the_error_of_one_of_several_masks_is_raised(tmp_path: Path) -> None:
    (tmp_path / "1.png").mkdir()
    with pytest.raises(OSError, match=r"1\.png"):
        write_masks([tmp_path / f"{number}.png" for number in range(3)], lambda _: np.ones((2, 2), np.bool_))
