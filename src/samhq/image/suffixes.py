"""What picture files are called. Knows nothing about what is in them, and imports nothing that does."""

from __future__ import annotations

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
