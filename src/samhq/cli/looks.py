"""Flags for how a model sees a picture: its channels, tiles, and a second look at full resolution.

Imports torch only inside functions, so that help is fast.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter, Token

from samhq.errors import ConfigError

if TYPE_CHECKING:
    from samhq.image.sources import PictureSource, RasterSource


def bands_from_text(text: str) -> tuple[int, ...]:
    """The channel numbers in `4,3,2`, or a single one.

    >>> bands_from_text("4,3,2")
    (4, 3, 2)

    Raises:
        ConfigError: neither one whole number from 1 nor three.
    """
    parts = text.split(",")
    if len(parts) not in (1, 3) or not all(part.strip().isdecimal() and int(part) for part in parts):
        raise ConfigError(f"expected one channel or three, counted from 1, got {text!r}. Write --bands 4,3,2.")
    return tuple(map(int, parts))


def stretch_from_text(text: str) -> tuple[float, float]:
    """Two percentiles from `2,98`.

    >>> stretch_from_text("2,98")
    (2.0, 98.0)

    Raises:
        ConfigError: not two numbers of 0..100, the lower first.
    """
    try:
        low, high = map(float, text.split(","))
    except ValueError:
        low = high = -1.0
    if not 0 <= low < high <= 100:
        raise ConfigError(f"expected two percentiles, the lower first, got {text!r}. Write --stretch 2,98.")
    return low, high


def _one_word(read: Callable[[str], Any]) -> Parameter:
    """A flag whose value is one word, which may contain commas."""

    def convert(_: Any, tokens: Sequence[Token]) -> Any:
        return read(tokens[-1].value)

    return Parameter(converter=convert, n_tokens=1, accepts_keys=False, negative="", show_default=False)


@Parameter(name="*")
@dataclass(frozen=True)
class BandFlags:
    """Which channels of a picture the model sees, and how bright."""

    bands: Annotated[tuple[int, ...] | None, _one_word(bands_from_text)] = None
    """Channels for red, green and blue, or one for grey, counted from 1: 4,3,2. Needs the extra `geo`."""

    stretch: Annotated[tuple[float, float] | None, _one_word(stretch_from_text)] = None
    """Percentiles of each channel that become black and white, for 16-bit, float and satellite pictures: 2,98. Needs
    the extra `geo`."""

    def options(self) -> dict[str, Any]:
        """The values of these flags that results depend on, as JSON values."""
        return {"bands": self.bands, "stretch": self.stretch}

    def source(self, path: Path) -> PictureSource:
        """The picture as a source that reads windows.

        Raises:
            ImageError, MissingExtraError: as `samhq.image.sources.open_picture`.
        """
        from samhq.image.sources import open_picture

        return open_picture(path, self.bands, self.stretch)

    def picture(self, path: Path) -> Any:
        """The picture as `Segmenter.encode` takes it: its path, or its pixels if these flags change them.

        Raises:
            ImageError, MissingExtraError: as `source`.
        """
        if self.bands is None and self.stretch is None:
            return path
        from samhq.image.windows import whole

        source = self.source(path)
        return source.read(whole(source.size_hw))


@Parameter(name="*")
@dataclass(frozen=True)
class RefineFlags(BandFlags):
    """How the model looks at a picture with prompts."""

    refine: bool | None = None
    """Segment each object again in an enlarged crop, for finer masks. [default: for boxes, with the starter]"""

    def options(self) -> dict[str, Any]:
        """The values of these flags that results depend on, as JSON values."""
        return {**super().options(), "refine": self.refine}

    def windows(self, path: Path) -> RasterSource | None:
        """The picture as a source of windows, to be closed, if --refine is set and can read such a file by window.

        Raises:
            ImageError, MissingExtraError: as `source`.
        """
        from samhq.image.sources import RasterSource, read_by_window

        source = self.source(path) if self.refine and read_by_window(path) else None
        return source if isinstance(source, RasterSource) else None


@Parameter(name="*")
@dataclass(frozen=True)
class TileFlags(BandFlags):
    """How the model looks at a picture without prompts."""

    tile: int | None = None
    """Segment tiles of this many pixels a side, each with all points, and merge masks at their edges; try 1024.
    With --no-overlay the picture need not fit into memory. [default: the picture as one]"""

    overlap: int | None = None
    """Pixels that neighbouring tiles share. [default: a quarter of a tile]"""

    def options(self) -> dict[str, Any]:
        """The values of these flags that results depend on, as JSON values."""
        return {**super().options(), "tile": self.tile, "overlap": self.overlap}

    def check(self, embeddings: Path | None) -> None:
        """Refuses flags that do not go together.

        Raises:
            ConfigError: an overlap without tiles, or as large as they are; tiles with embeddings of whole pictures.
        """
        if self.tile is None:
            if self.overlap is not None:
                raise ConfigError(f"Expected --tile with --overlap {self.overlap}, got none. Write --tile 1024 too.")
            return
        from samhq.image.windows import tile_grid

        tile_grid((1, 1), self.tile, self.overlap)
        if embeddings is not None:
            raise ConfigError(
                "Expected --tile or --embeddings, got both: embeddings are of whole pictures. Leave one out."
            )


#: The values of the flags when none is given.
ALL_AS_IT_IS, PLAIN_LOOK, NO_TILES = BandFlags(), RefineFlags(), TileFlags()
