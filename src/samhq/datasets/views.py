"""Parts of a data set, and several data sets as one. Reads no files."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate
from pathlib import Path

from samhq.datasets.sample import Pictures, Sample, lacking, picture_file_name_of, source_of, stamp_of
from samhq.errors import ConfigError


class Chosen:
    """Some of a source's pictures, in the order of `places`."""

    def __init__(self, pictures: Pictures, places: Sequence[int]) -> None:
        self.pictures, self.places, self.name = pictures, list(places), pictures.name

    def __len__(self) -> int:
        return len(self.places)

    def names(self) -> Sequence[str]:
        """The chosen names."""
        names = self.pictures.names()
        return [names[place] for place in self.places]

    def stamp(self, index: int) -> str | None:
        """The source's stamp."""
        return stamp_of(self.pictures, self.places[index])

    def lacks(self, index: int) -> Path | None:
        """The missing file, from the source."""
        return lacking(self.pictures, self.places[index])

    def source(self, index: int) -> str:
        """The name of the origin, from the source."""
        return source_of(self.pictures, self.places[index])

    def file_name(self, index: int) -> str:
        """The file name, from the source."""
        return picture_file_name_of(self.pictures, self.places[index])

    def __getitem__(self, index: int) -> Sample:
        return self.pictures[self.places[index]]


class Joined:
    """Several sources one after the other; names begin with their source's."""

    def __init__(self, name: str, parts: Sequence[Pictures]) -> None:
        self.name, self.parts = name, list(parts)
        self.ends = list(accumulate(map(len, self.parts)))

    def __len__(self) -> int:
        return self.ends[-1] if self.ends else 0

    def names(self) -> Sequence[str]:
        """All names, such as DIS5K-VD/1#Accessories."""
        return [f"{part.name}/{name}" for part in self.parts for name in part.names()]

    def stamp(self, index: int) -> str | None:
        """The stamp, from its source."""
        return stamp_of(*self._at(index))

    def lacks(self, index: int) -> Path | None:
        """The missing file, from its source."""
        return lacking(*self._at(index))

    def source(self, index: int) -> str:
        """The name of the origin, from its source."""
        return source_of(*self._at(index))

    def file_name(self, index: int) -> str:
        """The file name, from its source."""
        return picture_file_name_of(*self._at(index))

    def __getitem__(self, index: int) -> Sample:
        part, place = self._at(index)
        sample = part[place]
        return replace(sample, name=f"{part.name}/{sample.name}")

    def _at(self, index: int) -> tuple[Pictures, int]:
        index = range(len(self))[index]
        part = bisect_right(self.ends, index)
        return self.parts[part], index - (self.ends[part - 1] if part else 0)


def spread(pictures: Pictures, count: int | None) -> Pictures:
    """Up to `count` pictures, evenly spread over the source and always the same; None means all.

    Raises:
        ConfigError: a count below 1.
    """
    if count is not None and count < 1:
        raise ConfigError(f"Expected a limit of at least one picture, got {count}. Leave it out for all of them.")
    if count is None or count >= len(pictures):
        return pictures
    return Chosen(pictures, [index * len(pictures) // count for index in range(count)])


def present(pictures: Pictures) -> tuple[Pictures, list[Path]]:
    """The pictures whose files exist, and the missing files of the others.

    Raises:
        ConfigError: all of them lack a file.
    """
    lacked = [lacking(pictures, index) for index in range(len(pictures))]
    missing = [path for path in lacked if path is not None]
    if not missing:
        return pictures, []
    if len(missing) == len(pictures):
        raise ConfigError(
            f"Expected at least one picture of {pictures.name}, got none of their files, not even {missing[0]}. "
            "Check the folder of the pictures."
        )
    return Chosen(pictures, [index for index, path in enumerate(lacked) if path is None]), missing
