from __future__ import annotations

import contextlib
import io
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from samhq.errors import ConfigError, ImageError
from samhq.image.read import (
    ReadPicture,
    as_array,
    describe,
    file_name_of,
    read_copy,
    read_image,
    read_mask,
    stretch,
)
from samhq.image.sources import open_picture


def colours(height: int = 5, width: int = 7, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, channels), dtype=np.uint8)


def saved(picture: Image.Image, format: str = "PNG", **options) -> bytes:
    file = io.BytesIO()
    picture.save(file, format, **options)
    return file.getvalue()


def test_every_source_gives_the_same_pixels(tmp_path: Path):
    array = colours()
    picture = Image.fromarray(array)
    data = saved(picture)
    path = tmp_path / "it.png"
    path.write_bytes(data)
    tensor = torch.from_numpy(array)
    chw = tensor.permute(2, 0, 1)
    sources = [path, str(path), data, bytearray(data), memoryview(data), io.BytesIO(data), picture, array]
    sources += [array.transpose(2, 0, 1), tensor, chw, chw.float(), chw.float() / 255, chw.int(), array / 255]
    for source in sources:
        got = read_image(source)
        assert got.dtype == np.uint8
        assert got.flags["C_CONTIGUOUS"]
        np.testing.assert_array_equal(got, array)
    with path.open("rb") as file:
        np.testing.assert_array_equal(read_image(file), array)


class Stream(io.RawIOBase):
    """A file that cannot be rewound, as a download is."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def readable(self) -> bool:
        return True

    def readall(self) -> bytes:
        return self.content

    read = readall


def test_a_file_may_stand_anywhere_and_be_given_twice(tmp_path: Path):
    array = colours()
    at_end = io.BytesIO()
    Image.fromarray(array).save(at_end, "PNG")
    (tmp_path / "it.png").write_bytes(at_end.getvalue())
    with (tmp_path / "it.png").open("rb") as opened:
        opened.read(5)
        for file in (at_end, opened):
            for _ in range(2):
                np.testing.assert_array_equal(read_image(file), array)
                np.testing.assert_array_equal(open_picture(file).overview(99), array)
    np.testing.assert_array_equal(read_image(Stream(at_end.getvalue())), array)
    mask = io.BytesIO()
    Image.fromarray(array[..., 0] > 99).save(mask, "PNG")
    for _ in range(2):
        np.testing.assert_array_equal(read_mask(mask), array[..., 0] > 99)


def test_files_that_cannot_be_read_are_a_sentence(tmp_path: Path):
    (tmp_path / "it.png").write_bytes(saved(Image.fromarray(colours())))
    with (tmp_path / "it.png").open("rb") as closed:
        pass
    with (tmp_path / "new.png").open("wb") as unreadable:
        for file in (closed, unreadable):
            for read in (read_image, read_mask):
                with pytest.raises(ImageError, match="open for reading"):
                    read(file)


@pytest.mark.parametrize("name", ["a.png", "a.tif", None])
def test_an_empty_file_is_called_empty(tmp_path: Path, name: str | None):
    if name is not None:
        (tmp_path / name).touch()
    for source in [b"", io.BytesIO(), bytearray()] if name is None else [tmp_path / name, str(tmp_path / name)]:
        for read in (read_image, read_mask, open_picture):
            with pytest.raises(ImageError, match="which is empty"):
                read(source)


def test_bgr_belongs_to_arrays_only():
    array = colours()
    np.testing.assert_array_equal(read_image(array[..., ::-1], "BGR"), array)
    np.testing.assert_array_equal(read_image(saved(Image.fromarray(array)), "BGR"), array)
    with pytest.raises(ConfigError, match="'RGB' or 'BGR'"):
        read_image(array, "GBR")


def test_bgr_with_alpha_over_white():
    bgra = np.array([[[0, 0, 200, 255], [9, 9, 9, 0]]], np.uint8)
    assert read_image(bgra, "BGR").tolist() == [[[200, 0, 0], [255, 255, 255]]]


def test_ambiguous_shapes():
    cube = np.arange(3 * 4 * 3, dtype=np.uint8).reshape(3, 4, 3)
    np.testing.assert_array_equal(read_image(cube), cube)
    np.testing.assert_array_equal(read_image(torch.from_numpy(cube)), cube.transpose(1, 2, 0))


@pytest.mark.parametrize("shape", [(4, 6), (4, 6, 1), (1, 4, 6)])
def test_grey_is_repeated(shape):
    grey = colours(4, 6, 1)
    got = read_image(grey.reshape(shape))
    assert got.shape == (4, 6, 3)
    np.testing.assert_array_equal(got, np.repeat(grey, 3, 2))


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled_as_viewers_do(format):
    values = np.array([[0, 128, 129, 257, 65535, 32768]], np.uint16)
    expected = np.round(values / 257).astype(np.uint8)
    for source in (values, values.astype(np.int32), saved(Image.fromarray(values), format), Image.fromarray(values)):
        np.testing.assert_array_equal(read_image(source)[..., 0], expected)


def test_big_endian_sixteen_bits():
    values = np.array([[0, 257, 65535]], ">u2")
    assert read_image(values)[0, :, 1].tolist() == [0, 1, 255]


def test_wide_integers_of_eight_bits_stay():
    values = np.array([[0, 7, 255]], np.int64)
    assert read_image(values)[0, :, 0].tolist() == [0, 7, 255]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_floats_of_either_range(dtype):
    unit = torch.tensor([[0.0, 0.5, 1.0]], dtype=dtype)
    assert read_image(unit)[0, :, 0].tolist() == [0, 128, 255]
    assert read_image(unit * 200)[0, :, 0].tolist() == [0, 100, 200]


def test_overshoot_is_clipped():
    assert read_image(np.array([[-0.01, 0.5, 1.01]]))[0, :, 0].tolist() == [0, 128, 255]


def test_float_tiff():
    picture = Image.fromarray(np.array([[0.0, 1.0]], np.float32))
    assert read_image(saved(picture, "TIFF"))[0, :, 0].tolist() == [0, 255]


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "L", "RGB", "1", "CMYK", "YCbCr", "HSV", "PA"])
def test_modes_are_as_pillow_shows_them_on_white(mode):
    picture = Image.fromarray(colours(channels=4), "RGBA").convert("RGB").convert(mode if mode != "PA" else "P")
    if mode == "PA":
        picture = picture.convert("PA")
    paper = Image.new("RGBA", picture.size, "white")
    paper.alpha_composite(
        picture.convert("RGB").convert("RGBA") if mode in ("HSV", "YCbCr") else picture.convert("RGBA")
    )
    expected = np.asarray(paper.convert("RGB")).astype(int)
    assert np.abs(read_image(picture) - expected).max() <= 1


def test_alpha_lies_over_white():
    rgba = colours(channels=4)
    alpha = rgba[..., 3:] / 255
    expected = rgba[..., :3] * alpha + 255 * (1 - alpha)
    for source in (rgba, saved(Image.fromarray(rgba)), rgba / 255, torch.from_numpy(rgba).permute(2, 0, 1)):
        assert np.abs(read_image(source) - expected).max() <= 0.51


def test_transparent_palette_entry_is_white():
    picture = Image.fromarray(np.array([[0, 1]], np.uint8), "P")
    picture.putpalette([255, 0, 0, 0, 0, 255])
    assert read_image(saved(picture, transparency=0)).tolist() == [[[255, 255, 255], [0, 0, 255]]]
    assert read_image(saved(picture)).tolist() == [[[255, 0, 0], [0, 0, 255]]]


def test_one_transparent_colour_is_white():
    picture = Image.fromarray(np.array([[[1, 2, 3], [4, 5, 6]]], np.uint8))
    assert read_image(saved(picture, transparency=(1, 2, 3))).tolist() == [[[255, 255, 255], [4, 5, 6]]]


def test_bool():
    assert read_image(np.array([[True, False]]))[0, :, 0].tolist() == [255, 0]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_files_are_turned_upright(orientation, tmp_path):
    array = colours(4, 6)
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = saved(Image.fromarray(array), exif=exif)
    turned = {
        1: array,
        2: array[:, ::-1],
        3: array[::-1, ::-1],
        4: array[::-1],
        5: array.transpose(1, 0, 2),
        6: np.rot90(array, -1),
        7: array[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(array),
    }[orientation]
    np.testing.assert_array_equal(read_image(data), turned)
    np.testing.assert_array_equal(read_image(Image.open(io.BytesIO(data))), array)


def test_animation_gives_its_first_frame():
    frames = [Image.new("RGB", (4, 3), colour) for colour in ("red", "blue")]
    data = saved(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert (read_image(data) == (255, 0, 0)).all()


@pytest.mark.parametrize(
    "source",
    [
        np.zeros((0, 4, 3), np.uint8),
        np.zeros((4, 0), np.uint8),
        np.zeros(5, np.uint8),
        np.zeros((2, 4, 4, 3), np.uint8),
        np.zeros((5, 4, 2), np.uint8),
        np.zeros((5, 6, 7), np.uint8),
        np.full((2, 2), np.nan),
        np.array([[0, np.inf]]),
        np.array([[-1.0, 1.0]]),
        np.array([[0.0, 3000.0]]),
        np.array([[0.0, 2.64]]),
        np.array([[-2.1, 2.64]]),
        np.array([[-1, 5]]),
        np.array([[0, 70000]]),
        np.array([[1j, 0]]),
        np.array([["a"]]),
        [[1, 2], [3]],
        None,
        7,
        object(),
        b"",
        b"not a picture",
        io.StringIO("text"),
        Image.new("RGB", (0, 3)),
    ],
)
def test_unusable_sources_are_refused_in_three_parts(source):
    with pytest.raises(ImageError, match=r"(?s)Expected .* got .*\. [A-Z`]"):
        read_image(source)


def test_messages_name_the_file(tmp_path):
    with pytest.raises(ImageError, match=r"nowhere\.png.*does not exist"):
        read_image(tmp_path / "nowhere.png")
    with pytest.raises(ImageError, match="Name a file"):
        read_image(tmp_path)
    path = tmp_path / "half.png"
    data = saved(Image.fromarray(colours(50, 50)))
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(ImageError, match=r"half\.png.*cut off"):
        read_image(path)
    path.write_text("words")
    with pytest.raises(ImageError, match=r"half\.png.*which is none"):
        read_image(path)


def test_a_tiff_of_many_channels_says_how_to_choose_some(tmp_path: Path):
    path = tmp_path / "field.tif"
    path.write_bytes(b"II*\0 channels that Pillow knows nothing of")
    with pytest.raises(ImageError, match=r"field\.tif.*--bands 1,2,3.*samhq\.open_picture"):
        read_image(path)


def test_bombs_are_refused_and_large_pictures_are_not_warned_about(monkeypatch, recwarn):
    data = saved(Image.new("1", (100, 100)))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 6000)
    assert read_image(data).shape == (100, 100, 3)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 4000)
    with pytest.raises(ImageError, match="at most 8,000 pixels"):
        read_image(data)
    assert not recwarn


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_damaged_files_raise_nothing_else(data):
    array = colours(9, 11)
    format = data.draw(st.sampled_from(["PNG", "JPEG", "GIF", "TIFF", "WEBP", "BMP", "PPM", "TGA", "ICO"]))
    content = bytearray(saved(Image.fromarray(array), format))
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(0, len(content)))]
    for read in (read_image, read_mask):
        with contextlib.suppress(ImageError):
            assert read(bytes(content)).size


@pytest.mark.parametrize(
    "values",
    [
        np.array([[False, True]]),
        np.array([[0, 1]], np.uint8),
        np.array([[0, 255]], np.uint8),
        np.array([[127, 128]], np.uint8),
        np.array([[0, 1]], np.int64),
        np.array([[0, 65535]], np.uint16),
        np.array([[0.0, 1.0]]),
        np.array([[0.5, 0.6]], np.float32),
        np.array([[[0], [1]]], np.uint8),
        np.array([[[False, True]]]),
        torch.tensor([[[False, True]]]),
        torch.tensor([[0.0, 255.0]]),
    ],
)
def test_masks_of_numbers(values):
    got = read_mask(values)
    assert got.dtype == bool
    assert got.tolist() == [[False, True]]


@pytest.mark.parametrize("mode", ["1", "L", "RGB", "RGBA", "P", "LA"])
def test_masks_of_files(mode):
    mask = colours(20, 30, 1)[..., 0] > 100
    picture = Image.fromarray(mask).convert("L").convert(mode)
    np.testing.assert_array_equal(read_mask(saved(picture)), mask)
    np.testing.assert_array_equal(read_mask(picture), mask)


def test_mask_of_a_jpeg():
    mask = np.zeros((32, 32), bool)
    mask[8:24, 8:16] = True
    np.testing.assert_array_equal(read_mask(saved(Image.fromarray(mask).convert("RGB"), "JPEG")), mask)


def test_a_cut_out_is_its_alpha():
    rgba = colours(channels=4)
    rgba[..., 3] = np.where(rgba[..., 3] > 90, 255, 0)
    np.testing.assert_array_equal(read_mask(saved(Image.fromarray(rgba))), rgba[..., 3] > 0)


def test_a_colour_palette_is_a_label_map():
    picture = Image.fromarray(np.array([[0, 1, 2]], np.uint8), "P")
    picture.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0])
    assert read_mask(saved(picture)).tolist() == [[False, True, True]]


def test_files_of_zeros_and_ones():
    assert read_mask(saved(Image.fromarray(np.array([[0, 1]], np.uint8)))).tolist() == [[False, True]]


@pytest.mark.parametrize(
    "source",
    [
        np.array([[0, 1, 2]]),
        np.array([[0, 3000]], np.uint16),
        np.array([[-4.0, 3.0]]),
        np.array([[np.nan, 1]]),
        np.zeros((3, 4, 4), bool),
        np.zeros((0, 4), bool),
        Image.fromarray(colours()),
        Image.new("1", (0, 2)),
        Image.new("HSV", (2, 2), (9, 200, 200)),
        Image.new("LAB", (2, 2)),
    ],
)
def test_unclear_masks_are_refused(source):
    with pytest.raises(ImageError, match=r"(?s)Expected .* got .*\. [A-Z`]"):
        read_mask(source)


def test_stretch_makes_any_data_readable():
    scan = np.array([[np.nan, 1000.0, 3000.0]])
    assert stretch(scan, 0, 100).tolist() == [[0, 0, 255]]
    assert stretch(np.full((2, 2), 7, np.int16)).tolist() == [[0, 0], [0, 0]]
    ramp = stretch(np.arange(1000).reshape(20, 50))
    assert ramp[0, 0] == 0
    assert ramp[-1, -1] == 255
    with pytest.raises(ImageError, match="finite"):
        stretch([[np.nan]])


def test_arrays_are_not_copied():
    array = colours()
    assert np.shares_memory(read_image(array), array)
    assert not np.shares_memory(read_copy(array), array)
    assert np.array_equal(read_copy(array), array)
    assert np.shares_memory(as_array(torch.from_numpy(array)), array)


@pytest.mark.parametrize("make", [lambda values: values, lambda values: values[..., None].repeat(3, 2)])
def test_bytes_in_sixteen_bits_are_not_shown_black(make):
    dark = make(np.full((4, 5), 200, np.uint16))
    with pytest.raises(ImageError, match=r"up to 200 .* image\.astype\(np\.uint8\)"):
        read_image(dark)
    assert read_image(np.zeros((4, 5), np.uint16)).max() == 0


@pytest.mark.parametrize("form", ["an array", "PNG", "TIFF", "a coloured PNG", "a coloured TIFF"])
def test_twelve_bits_in_sixteen_are_not_shown_black(form, tmp_path):
    def source(value):
        dark = np.full((4, 5, 3), value, np.uint16)
        if form == "an array":
            return dark
        cv2 = pytest.importorskip("cv2")
        path = tmp_path / f"scan.{form[-4:].strip().lower()}"
        assert cv2.imwrite(str(path), dark if "coloured" in form else dark[..., 0])
        return path

    for most in (4095, 256 if "coloured" in form else 1):
        with pytest.raises(ImageError, match=r"almost black\. .*--stretch 2,98.*samhq\.as_rgb"):
            read_image(source(most))
    assert read_image(source(4096)).max() == 16
    assert read_image(source(0)).max() == 0


@pytest.mark.parametrize("values", [[[np.nan, 0.5]], [[-1000, 3000]], [[0.0, 3000.0]]])
def test_values_without_a_range_name_the_stretch(values):
    with pytest.raises(ImageError, match=r"--stretch 2,98.*samhq\.as_rgb"):
        read_image(np.array(values))


def test_a_picture_that_was_read_is_its_path_and_its_pixels(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.new("RGB", (4, 3)).save(path)
    pixels = np.full((3, 4, 3), 9, np.uint8)
    picture = ReadPicture(path, pixels)
    assert read_image(picture) is pixels
    assert (file_name_of(picture), describe(picture)) == (str(path), repr(str(path)))
    assert open_picture(picture).size_hw == (3, 4)
