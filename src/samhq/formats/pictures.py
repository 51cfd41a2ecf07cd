"""The pictures of other tools' files: copied beside their labels for tools that look there; and their sizes."""

from __future__ import annotations

import shutil
from pathlib import Path

from samhq.errors import ImageError
from samhq.image.sources import size_of_file
from samhq.image.write import write_picture
from samhq.results.picture import Picture
from samhq.storage.atomic import whole_file

MOST_PIXELS = 1 << 27  #: of a picture whose masks are read from another tool's file


def checked_size_of(height: float, width: float, place: str) -> tuple[int, int]:
    """Height and width, as stated in a file.

    Raises:
        ImageError: more pixels than the limit, so that a few bytes cannot take all memory.
    """
    if height * width > MOST_PIXELS:
        raise ImageError(
            f"Expected a picture of at most {MOST_PIXELS:,} pixels in {place}, got {height:g} x {width:g} (height x "
            "width). Check the file."
        )
    return int(height), int(width)


def copy_picture(picture: Picture, folder: Path) -> list[Path]:
    """The picture's file in the folder, named for its stem: a known `source` copied, an `image` in memory as PNG.

    Without either nothing is written.

    Raises:
        ImageError: the file is not a picture of the masks' size: a record may name any file.
    """
    if picture.source is not None:
        _check_source(picture.source, picture.size_hw)
        path = folder / f"{picture.stem}{picture.source.suffix.lower()}"
        with whole_file(path) as part:
            shutil.copyfile(picture.source, part)
        return [path]
    return [] if picture.image is None else [write_picture(folder / f"{picture.stem}.png", picture.image)]


def _check_source(source: Path, size_hw: tuple[int, int]) -> None:
    file_hw = size_of_file(source)
    if file_hw != tuple(size_hw):
        raise ImageError(
            f"Expected the picture of the masks, {size_hw[1]} wide and {size_hw[0]} high, got {source}, which is "
            f"{file_hw[1]} x {file_hw[0]}. Check file_name in the record."
        )
