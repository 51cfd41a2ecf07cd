"""The suffixes of picture files. Knows nothing about their content, and imports nothing that does."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

#: Lower-case suffixes that mark pictures in folders. Lossless formats come first: if there are several files, a mask is
#: more likely one of these. A file that is named directly is tried whatever its suffix.
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
    """Whether a file in a folder counts as a picture: by its suffix, and not hidden, as macOS's extra files are."""
    return path.suffix.lower() in suffixes and not path.name.startswith(".") and path.is_file()


def picture_files(folder: Path, suffixes: Collection[str] = SUFFIXES) -> list[Path]:
    """The pictures directly in a folder, sorted by name; none if there is no such folder."""
    return sorted(path for path in folder.glob("*") if is_picture_file(path, suffixes))
