"""Only raster formats with their own pixels are opened, and whatever a decoder raises is an ImageError."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import EpsImagePlugin, Image

from samhq.datasets.masks import read_objects
from samhq.errors import ImageError
from samhq.evaluation.suites.davis import read_labels
from samhq.image.files import ADDED_FORMATS, FORMATS, decoded, open_file, shown_size_hw
from samhq.image.raster_source import RasterSource
from samhq.image.read import describe, read_image, read_mask
from samhq.image.sources import open_picture

READERS: list[Callable[[Any], Any]] = [read_image, read_mask, open_picture, read_objects, read_labels]


def picture() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8))


def saved(path: Path, format: str, mode: str = "RGB", **options: Any) -> Path:
    with path.open("wb") as stream:
        picture().convert(mode).save(stream, format, **options)
    return path


@contextmanager
def at_most(seconds: int) -> Iterator[None]:
    """A block that is given up after some seconds, so that a test of waiting cannot wait."""

    def give_up(*_: object) -> None:
        raise TimeoutError("waits for ever")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("read", READERS, ids=lambda read: read.__name__)
def test_no_file_starts_a_program(read: Callable[[Any], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[object] = []
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *args: started.append(args) or picture().im)
    path = saved(tmp_path / "photo.png", "EPS")
    with Image.open(path) as opened:
        assert opened.format == "EPS"  # Pillow looks at the content, not at the name
    with pytest.raises(ImageError, match=r"photo\.png.*which is none"):
        read(path)
    assert not started


@pytest.mark.parametrize(
    ("format", "mode"),
    [("IM", "RGB"), ("MSP", "1"), ("SPIDER", "F"), ("XBM", "1"), ("DDS", "RGB"), ("ICNS", "RGB"), ("BLP", "P")],
)
def test_formats_that_are_not_on_the_list_are_refused(
    format: str, mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.init()
    monkeypatch.setattr(Image, "EXTENSION", dict(Image.EXTENSION))  # writing SPIDER takes over the file's ending
    path = saved(tmp_path / "photo.png", format, mode)
    for source in (path, path.read_bytes(), io.BytesIO(path.read_bytes())):
        for read in (read_image, read_mask):
            with pytest.raises(ImageError, match="which is none"):
                read(source)


@pytest.mark.parametrize("format", FORMATS)
def test_formats_on_the_list_are_read_whatever_their_name(format: str, tmp_path: Path) -> None:
    if format not in (Image.init(), Image.SAVE)[1]:
        pytest.skip(f"this Pillow does not write {format}")
    path = saved(tmp_path / "photo.dat", format)
    with Image.open(path) as opened:
        np.testing.assert_array_equal(read_image(path), np.asarray(opened.convert("RGB")))


def test_a_picture_of_two_views_is_a_jpeg(tmp_path: Path) -> None:
    path = saved(tmp_path / "phone.jpg", "MPO", save_all=True, append_images=[picture()])
    with Image.open(path) as opened:
        assert opened.format == "MPO"
    assert read_image(path).shape == (20, 30, 3)


def test_formats_that_a_package_adds_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL.PngImagePlugin import PngImageFile

    opener = (lambda stream, _: PngImageFile(io.BytesIO(stream.read()[4:]))), (lambda start: start.startswith(b"heif"))
    content = b"heif" + saved(tmp_path / "photo.png", "PNG").read_bytes()
    with pytest.raises(ImageError, match="which is none"):
        read_image(content)
    monkeypatch.setitem(Image.OPEN, ADDED_FORMATS[0], opener)
    np.testing.assert_array_equal(read_image(content), np.asarray(picture()))


def test_gdal_opens_no_lists_of_other_files(tmp_path: Path) -> None:
    pytest.importorskip("rasterio")
    saved(tmp_path / "a.tif", "TIFF")
    text = (
        '<VRTDataset rasterXSize="30" rasterYSize="20"><VRTRasterBand dataType="Byte" band="1"><SimpleSource>'
        '<SourceFilename relativeToVRT="1">a.tif</SourceFilename><SourceBand>1</SourceBand></SimpleSource>'
        "</VRTRasterBand></VRTDataset>"
    )
    for name in ("b.tif", "b.jp2", "b.png"):
        (tmp_path / name).write_text(text)
        with pytest.raises(ImageError, match=name):
            RasterSource(tmp_path / name)
        with pytest.raises(ImageError, match=name):
            open_picture(tmp_path / name, bands=(1,), percentiles=(0, 100))
    (tmp_path / "b.vrt").write_text(text)  # called what it is, it is read
    with RasterSource(tmp_path / "b.vrt") as source:
        assert source.size_hw == (20, 30)


@pytest.mark.parametrize("error", [RuntimeError, ZeroDivisionError, AssertionError, LookupError, MemoryError])
def test_whatever_a_decoder_raises_is_an_image_error(
    error: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from PIL import PngImagePlugin

    def broken(*_: object) -> None:
        raise error("odd")

    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load_prepare", broken)
    for read in READERS:
        with pytest.raises(ImageError, match=r"photo\.png"):
            read(saved(tmp_path / "photo.png", "PNG", "P"))


def test_a_damaged_avif_is_an_image_error(tmp_path: Path) -> None:
    if "AVIF" not in (Image.init(), Image.SAVE)[1]:
        pytest.skip("this Pillow knows no AVIF")
    whole = saved(tmp_path / "photo.avif", "AVIF").read_bytes()
    raw = 0
    for start in range(0, len(whole) - 8, 5):
        content = whole[:start] + bytes(8) + whole[start + 8 :]
        try:
            Image.open(io.BytesIO(content)).load()
        except (OSError, SyntaxError):  # what Pillow says that it raises
            pass
        except RuntimeError:
            raw += 1
        with contextlib.suppress(ImageError):
            read_image(content)
    assert raw


@pytest.mark.parametrize("read", READERS, ids=lambda read: read.__name__)
def test_a_named_pipe_is_refused_at_once(read: Callable[[Any], Any], tmp_path: Path) -> None:
    for name in ("pipe", "pipe.tif", "pipe.png"):
        os.mkfifo(tmp_path / name)
        with at_most(5), pytest.raises(ImageError, match=f"{name}.*a pipe or a device"):
            read(tmp_path / name)


def test_devices_are_refused() -> None:
    for name in ("/dev/zero", "/dev/null", "/dev/urandom"):
        with at_most(5), pytest.raises(ImageError, match="a pipe or a device"):
            read_image(name)


def test_a_pipe_that_a_program_has_opened_is_read(tmp_path: Path) -> None:
    content = saved(tmp_path / "photo.png", "PNG").read_bytes()
    ours, theirs = os.pipe()
    try:
        os.write(theirs, content)
        os.close(theirs)
        np.testing.assert_array_equal(read_image(f"/dev/fd/{ours}"), np.asarray(picture()))
    finally:
        os.close(ours)


def test_a_picture_that_is_not_there_is_one_error() -> None:
    with pytest.raises(ImageError, match="does not exist") as caught:
        read_image("nowhere.png")
    assert caught.value.__suppress_context__
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("turned", [1, 3, 6, 8])
def test_the_shown_size_is_that_of_the_pixels(turned: int, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = turned
    path = saved(tmp_path / "photo.jpg", "JPEG", exif=exif.tobytes())
    assert shown_size_hw(path, "it") == (decoded(path, "it").height, decoded(path, "it").width)


def test_warnings_of_pillow_are_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.new("RGB", (4, 4)).save(path)
    before = list(warnings.filters)
    with open_file(path, "a picture"), warnings.catch_warnings(record=True) as caught:
        warnings.warn_explicit("of Pillow", UserWarning, "file", 1, module="PIL.Image")
        warnings.warn_explicit("of others", UserWarning, "file", 1, module="PILLOWS")
    assert [str(warning.message) for warning in caught] == ["of others"]
    assert warnings.filters == before


@pytest.mark.parametrize(
    ("name", "content", "advice"),
    [
        ("IM0001", bytes(128) + b"DICM" + bytes(50), "It is DICOM: read it with pydicom"),
        ("slice.dcm", b"no preamble", "pydicom"),
        ("brain.nii.gz", b"gz", "It is NIfTI: read it with nibabel"),
        ("ct.mha", b"ObjectType = Image", "SimpleITK"),
        ("volume.npy", b"NUMPY", r"numpy\.load"),
        ("clip.MP4", b"ftyp", "samhq track"),
        ("other.xyz", b"other", "Convert it to PNG first"),
    ],
)
def test_a_file_of_another_program_says_what_reads_it(tmp_path: Path, name: str, content: bytes, advice: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ImageError, match=advice), open_file(tmp_path / name, repr(str(tmp_path / name))):
        pass


def test_dicom_in_memory_is_known_too() -> None:
    with pytest.raises(ImageError, match="pydicom"), open_file(io.BytesIO(bytes(128) + b"DICM"), "132 bytes"):
        pass


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("s3://bucket/cat.jpg", "samhq batch"),
        ("data:image/png;base64,iVBORw0KGgo=", "b64decode"),
        ("A" * 200_000, r"b64decode\(text\)"),
        ("data:image/png;base64," + "A" * 200_000, "b64decode"),
        ("zero\0character.jpg", "no path"),
        ("C:/pictures/cat.jpg", "Check the name"),
    ],
    ids=["address", "data", "long", "long-data", "zero", "drive"],
)
def test_a_text_that_is_no_path_gives_a_short_message(text: str, said: str) -> None:
    with pytest.raises(ImageError, match=said) as caught:
        decoded(text, describe(text))
    assert len(str(caught.value)) < 600
