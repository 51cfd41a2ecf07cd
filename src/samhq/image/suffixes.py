"""What picture files are called. Knows nothing about what is in them, and imports nothing that does."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

#: Endings in lower case of files in folders that count as pictures: first those that keep every pixel, in which a mask
#: is more likely meant where there are several. A file that is named itself is tried whatever its ending.
SUFFIXES = (
    ".png",
    ".bmp",
    ".tif",
    ".tiff",
    ".tga",
    ".pbm",
    ".pgm",
    ".ppm",
    ".webp",
    ".gif",
    ".jp2",
    ".avif",
    ".jpg",
    ".jpeg",
    ".jfif",
)


def is_picture_file(path: Path, suffixes: Collection[str] = SUFFIXES) -> bool:
    """Whether a file in a folder counts as a picture: by its ending, and not hidden as those that macOS writes are."""
    return path.suffix.lower() in suffixes and not path.name.startswith(".") and path.is_file()


def picture_files(folder: Path, suffixes: Collection[str] = SUFFIXES) -> list[Path]:
    """The pictures that lie in a folder itself, in order of their names; none where there is no such folder."""
    return sorted(path for path in folder.glob("*") if is_picture_file(path, suffixes))
