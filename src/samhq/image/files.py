"""Opens and writes picture files with Pillow: allowed formats, kinds of files, and error messages.

All of the library's picture files pass through here. Knows nothing of arrays, masks or the use of pixels.
"""

from __future__ import annotations

import errno
import io
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps, UnidentifiedImageError

from samhq.errors import ImageError, SamHQError
from samhq.image.ignored_warnings import IgnoredWarnings
from samhq.storage.atomic import write_bytes

#: Raster formats that are read. Pillow detects the format from the content, whatever the name. Other formats are
#: refused: some start another program (EPS), read other files, or are so rare that nobody looks for their bugs.
FORMATS = (
    *("PNG", "JPEG", "TIFF", "WEBP", "GIF", "BMP", "DIB", "JPEG2000", "AVIF", "PPM", "TGA"),
    *("ICO", "PCX", "QOI", "SGI"),
)
#: Formats that plugins add to Pillow, if the program has registered them (pillow-heif, pillow-jxl-plugin).
ADDED_FORMATS = ("HEIF", "JXL")

#: Key in `Image.info` of a picture whose file has 16 bits a channel, of which Pillow keeps the upper 8 in RGB.
WIDE = "sixteen bits"
#: Pillow refuses pictures at twice the size at which it warns. Only the refusal counts here.
_QUIET = IgnoredWarnings(module=r"PIL(\.|$)")
_OPEN_ALREADY = ("/dev/fd/", "/proc/self/fd/", "/dev/stdin")  #: Pipes with these names have a writer: `<(command)`.


@contextmanager
def open_file(file: Any, name: str) -> Iterator[Image.Image]:
    """A picture file with its header read and its pixels not read. Errors in the block are translated, too.

    `file` is a path or a binary file object; `name` is its name in messages.

    Raises:
        ImageError: it does not exist, has no end (a pipe or device), is no picture of a known format, is damaged, or is
            larger than Pillow's limit.
    """
    if isinstance(file, (str, os.PathLike)):
        check_has_end(file, name)
    try:
        with _QUIET, Image.open(file, formats=_formats()) as opened:
            yield opened
    except SamHQError:
        raise
    except FileNotFoundError:
        raise ImageError(
            f"Expected the path of a picture, got {name}, which does not exist. {_where_it_may_be(file)}."
        ) from None
    except (IsADirectoryError, PermissionError) as error:
        raise ImageError(
            f"Expected the path of a readable picture, got {name}: {error.strerror}. Name a file."
        ) from None
    except Image.DecompressionBombError as error:
        raise ImageError(
            f"Expected a picture of at most {2 * (Image.MAX_IMAGE_PIXELS or 0):,} pixels, got {name}: {error} If you "
            "trust it, save it as a tiled TIFF, which samhq.open_picture and samhq everything --tile 1024 read by "
            "window, or raise PIL.Image.MAX_IMAGE_PIXELS."
        ) from error
    except UnidentifiedImageError:
        if is_empty(file):
            raise ImageError(f"Expected a picture, got {name}, which is empty. Fetch or save it again.") from None
        raise ImageError(
            f"Expected a picture that Pillow can read (JPEG, PNG, TIFF, WebP, ...), got {name}, which is none. "
            f"{_advice(file, name)}."
        ) from None
    except MemoryError as error:
        raise ImageError(
            f"Expected a picture that fits into memory, got {name}, which does not. Make it smaller first."
        ) from error
    except Exception as error:
        if _is_no_path(file, error):
            raise ImageError(
                f"Expected the path of a picture, got the text {name}, which is no path. If it is base64, give "
                "base64.b64decode(text), for a data: address of the part behind its comma."
            ) from None
        raise ImageError(
            f"Expected a whole picture, got {name}, which is damaged or cut off ({error}). Fetch or save it again."
        ) from error


def _where_it_may_be(file: Any) -> str:
    """Advice for a path that does not exist: addresses that only some commands read, base64, or a wrong name."""
    path = os.fsdecode(file) if isinstance(file, (str, os.PathLike)) else ""
    if path.startswith("data:"):
        return "Give the bytes: base64.b64decode of the part behind the comma"
    if re.match(r"\w+:/", path) and not re.match(r"\w:", path):
        return "Download it first; of a store such as s3:// only samhq batch reads pictures"
    return "Check the name"


def _is_no_path(file: Any, error: Exception) -> bool:
    """Whether opening this file failed because the name is longer than the system's paths, or has a zero character."""
    too_long = isinstance(error, OSError) and error.errno in (errno.ENAMETOOLONG, errno.EINVAL)
    return isinstance(file, (str, os.PathLike)) and (too_long or "\0" in os.fspath(file))


def suffix_of(data: bytes) -> str:
    """The suffix of the format of a picture's bytes, such as ".jpg"; ".png" if the format is not known."""
    try:
        with open_file(io.BytesIO(data), "a picture") as opened:
            known = (opened.format or "").lower()
    except ImageError:  # The code that reads the picture reports the error.
        return ".png"
    return {"jpeg": ".jpg", "tiff": ".tif", "jpeg2000": ".jp2"}.get(known, f".{known}" if known else ".png")


def decoded(file: Any, name: str) -> Image.Image:
    """The first frame of a picture file, upright, with its pixels.

    Raises:
        ImageError: as `open_file`.
    """
    with open_file(file, name) as opened:
        if ";16" in str(getattr(opened, "tile", "")):
            opened.info[WIDE] = True
        opened.load()
        ImageOps.exif_transpose(opened, in_place=True)
        return opened


def shown_size_hw(file: Any, name: str) -> tuple[int, int]:
    """Height and width that `decoded` would give, read from the file's header.

    Raises:
        ImageError: as `open_file`.
    """
    with open_file(file, name) as opened:
        width, height = opened.size
        turned = opened.getexif().get(0x0112, 1) in (5, 6, 7, 8)
        return (width, height) if turned else (height, width)


def _formats() -> list[str]:
    """The formats among these that the installed Pillow reads."""
    if not set(FORMATS) <= set(Image.OPEN):
        Image.init()
    return [name for name in (*FORMATS, *ADDED_FORMATS) if name in Image.OPEN]


def save_picture(picture: Image.Image, path: str | os.PathLike[str], **options: Any) -> Path:
    """Writes a picture in the format of the path's suffix, atomically; returns the path.

    Pillow's encoders do not notice a full disk at the last bytes, so they write into memory first. `options` are
    Pillow's options for that format.

    Raises:
        ImageError: no format has this suffix, or the format cannot hold the picture's mode or size.
        OSError: the file cannot be written in full.
    """
    target, content = Path(path), io.BytesIO()
    Image.init()
    format = Image.EXTENSION.get(target.suffix.lower())
    if format not in Image.SAVE:
        raise ImageError(f"Expected a picture's suffix such as .png or .jpg, got {target.name}. Give it one.")
    try:
        picture.save(content, format, **options)
    except (OSError, ValueError) as error:
        raise ImageError(
            f"Expected a picture that {format} can hold, got {picture.mode} {picture.width} x {picture.height} for "
            f"{target.name} ({error}). Write PNG."
        ) from error
    return write_bytes(target, content.getbuffer())


def check_has_end(path: str | os.PathLike[str], name: str) -> None:
    """Refuses a path that would be read for ever: a named pipe, a terminal, a device.

    Raises:
        ImageError: it is one of these.
    """
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return  # Other problems are found when the file is opened.
    if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
        return
    if stat.S_ISFIFO(mode) and os.fspath(path).startswith(_OPEN_ALREADY):
        return
    raise ImageError(
        f"Expected the path of a picture file, got {name}, which is a pipe or a device. Save its content to a file."
    )


def is_empty(file: Any) -> bool:
    """Whether a path or an open file holds no bytes at all."""
    try:
        if isinstance(file, (str, os.PathLike)):
            return os.path.getsize(file) == 0
        return bool(file.seek(0, os.SEEK_END) == 0)
    except (OSError, ValueError):
        return False


#: What to do with files of scanners, by their suffixes.
_SCANS = {
    (".dcm", ".dicom"): "It is DICOM: read it with pydicom, and give a slice, samhq.as_rgb(pydicom.dcmread(path)."
    "pixel_array), of several frames pixel_array[0]; docs/guides/scans.md shows windows and whole series",
    (".nii", ".nii.gz"): "It is NIfTI: read it with nibabel, and give a slice, samhq.as_rgb(volume[:, :, 40].T); "
    "docs/guides/scans.md shows windows and whole series",
    (".nrrd", ".nhdr", ".mha", ".mhd"): "Read it with SimpleITK, and give a slice, samhq.as_rgb(volume[40])",
}
#: What to do with files of other programs.
_ADVICE = {
    (".tif", ".tiff"): "If it has other channels than a photograph, choose them with --bands 1,2,3 --stretch 2,98, in "
    "Python with samhq.open_picture(path, bands=(1, 2, 3), percentiles=(2, 98))",
    (".npy", ".npz"): "It holds arrays: in Python give numpy.load(path), or a slice of it",
    (".mp4", ".mov", ".avi", ".mkv", ".webm"): "It is a video: use samhq track, in Python samhq.load_video_model()",
}


def _advice(file: Any, name: str) -> str:
    """Advice for a file that Pillow does not know, by its name, and for DICOM by its content."""
    advice = [text for suffixes, text in _ADVICE.items() if name.strip("'").lower().endswith(suffixes)]
    convert = "Convert it to PNG first (HEIC, raw and vector files need another program)"
    return advice_for_scan(file, name) or "".join(advice) or convert


def advice_for_scan(file: Any, name: str) -> str:
    """What to do with a scan (DICOM, NIfTI, NRRD, MetaImage), which samhq does not read; empty for other files.

    `file` is a path or an open file. DICOM is known by its content, too.
    """
    suffix = ".dcm" if _is_dicom(file) else name.strip("'").lower()
    return next((text for suffixes, text in _SCANS.items() if suffix.endswith(suffixes)), "")


def _is_dicom(file: Any) -> bool:
    """Whether a path or an open file has DICOM's mark behind its preamble of 128 bytes."""
    try:
        if isinstance(file, (str, os.PathLike)):
            with open(file, "rb") as opened:
                return opened.read(132)[128:] == b"DICM"
        file.seek(0)
        return bytes(file.read(132)[128:]) == b"DICM"
    except (OSError, ValueError):
        return False
