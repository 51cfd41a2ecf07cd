"""The common form of data sets: pictures with the exact masks of their objects, read one at a time.

Knows nothing about networks, prompts or scores, nor about layouts on the disk.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from samhq.errors import ImageError
from samhq.shapes import Bool, UInt8
from samhq.storage import digest


class SizeMismatchError(ImageError):
    """A picture and its mask differ in size."""


class MissingFileError(ImageError):
    """A picture or its mask is missing."""


@dataclass(frozen=True, eq=False)
class Sample:
    """A picture and its K objects, all at the picture's own size; K may be 0.

    `name` is unique within its data set. `image` uint8 RGB [H,W,3], 0..255; `masks` bool [K,H,W], true on the object,
    possibly empty, possibly overlapping; `ids` are the source's own numbers, or counted from 1; `categories` are names,
    "" if the source has none; `crowd` bool [K] marks regions of many objects, which are neither used for training nor
    scored.

    Raises:
        ImageError: masks of another size than the picture, or another number of ids, categories or crowd flags.
    """

    name: str
    image: UInt8[np.ndarray, "H W 3"]
    masks: Bool[np.ndarray, "K H W"]
    ids: tuple[int, ...]
    categories: tuple[str, ...]
    crowd: Bool[np.ndarray, " K"]

    def __post_init__(self) -> None:
        counts = {len(self.masks), len(self.ids), len(self.categories), len(self.crowd)}
        if len(counts) != 1 or self.masks.shape[1:] != self.image.shape[:2]:
            raise ImageError(
                f"Expected masks, ids, categories and crowd flags of the same objects at the picture's size, got masks "
                f"{list(self.masks.shape)}, {len(self.ids)} ids, {len(self.categories)} categories and "
                f"{len(self.crowd)} flags for {self.name} {list(self.image.shape)}. Give one of each for every object."
            )

    @property
    def objects(self) -> list[int]:
        """The indices of masks that can be prompted: neither crowds nor empty."""
        return np.flatnonzero(~self.crowd & self.masks.any((1, 2))).tolist()


@runtime_checkable
class Pictures(Protocol):
    """Any source of samples. It knows its names from the start and reads a picture on request."""

    @property
    def name(self) -> str:
        """The name of the source in tables."""
        ...

    def __len__(self) -> int: ...

    def names(self) -> Sequence[str]:
        """The unique names of the samples, in order; does not read pictures."""
        ...

    def __getitem__(self, index: int) -> Sample:
        """The sample with this index, read from the disk.

        Raises:
            ImageError: a file is missing, damaged, or of another size than its mask; the message names it.
        """
        ...


@runtime_checkable
class Stamped(Protocol):
    """A source that can tell, without reading pixels, whether a sample may have changed."""

    def stamp(self, index: int) -> str | None:
        """A text that changes if the picture or its masks change; None if that is not known."""
        ...


@runtime_checkable
class FromFiles(Protocol):
    """A source that can tell, without reading pixels, whether a sample's files exist."""

    def lacks(self, index: int) -> Path | None:
        """The first missing file of a sample; None if all exist."""
        ...


@runtime_checkable
class FromSources(Protocol):
    """Pictures that know their origin and their file names."""

    def source(self, index: int) -> str:
        """The name of the origin of the picture with this index; "" if it is not known."""
        ...

    def file_name(self, index: int) -> str:
        """The file name of the picture with this index, with its suffix."""
        ...


def source_of(pictures: Pictures, index: int) -> str:
    """The name of a picture's origin; "" if its data set has none."""
    return pictures.source(index) if isinstance(pictures, FromSources) else ""


def picture_file_name_of(pictures: Pictures, index: int) -> str:
    """The file name of a picture; the sample's name if its data set has none."""
    return pictures.file_name(index) if isinstance(pictures, FromSources) else pictures.names()[index]


def lacking(pictures: Pictures, index: int) -> Path | None:
    """The missing file of a sample; None if none is missing, or its source has no files."""
    return pictures.lacks(index) if isinstance(pictures, FromFiles) else None


def stamp_of(pictures: Pictures, index: int) -> str | None:
    """The stamp of a sample; None if its source has none."""
    return pictures.stamp(index) if isinstance(pictures, Stamped) else None


def stamp_of_files(paths: Iterable[Path], values: Any = None) -> str:
    """A stamp of the sizes and times of files, and of JSON values; a missing file counts as one of size 0."""
    return digest.of_json([[_size_and_time(path) for path in paths], values])


def _size_and_time(path: Path) -> tuple[int, int]:
    try:
        stat = path.stat()
    except OSError:  # The code that reads it reports the error.
        return 0, 0
    return stat.st_size, stat.st_mtime_ns


def labelled(name: str, image: np.ndarray, masks: np.ndarray) -> Sample:
    """A sample of objects without ids and categories of their own.

    >>> labelled("a", np.zeros((2, 3, 3), np.uint8), np.ones((2, 2, 3), bool)).ids
    (1, 2)
    """
    count = len(masks)
    return Sample(name, image, masks, tuple(range(1, count + 1)), ("",) * count, np.zeros(count, bool))


def check_size(image_hw: tuple[int, ...], image: object, mask_hw: tuple[int, ...], mask: object) -> None:
    """Checks that a picture and a mask have the same size, (height, width).

    Raises:
        SizeMismatchError: they differ; the message names both, and their sizes.
    """
    if tuple(image_hw) == tuple(mask_hw):
        return
    turned = " Perhaps one was turned by its EXIF entry." if tuple(image_hw) == tuple(mask_hw)[::-1] else ""
    raise SizeMismatchError(
        f"Expected a picture and a mask of one size, got {image} of {image_hw[1]} x {image_hw[0]} and {mask} of "
        f"{mask_hw[1]} x {mask_hw[0]} (width x height).{turned} Save the mask at the picture's size."
    )
