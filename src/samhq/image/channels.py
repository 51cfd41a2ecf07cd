"""Which channels of picture files become red, green and blue, and which of their values become black and white.

Knows nothing about models, data sets or commands, which all pass a value of this kind on. Imports the code that reads
pictures only inside functions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from samhq.errors import ConfigError, ImageError
from samhq.options import real_number, whole_number

if TYPE_CHECKING:
    import os

    import numpy as np

    from samhq.image.inputs import PictureInput
    from samhq.shapes import UInt8


@dataclass(frozen=True)
class Channels:
    """How to show a picture's channels. Without values, pictures are read as by `samhq.image.read.read_image`.

    `bands` are one channel (grey) or three, counted from 1; None takes the first three, or the first if there are
    fewer. `stretch` has two percentiles of each channel's values, which become black and white; None takes the full
    range of 8 or 16 bits. Files need the extra `geo` if one of them is given.

    >>> Channels(stretch=(2, 98)).chosen, Channels().chosen
    (True, False)

    Raises:
        ConfigError: neither one band nor three, counted from 1; percentiles that are not 0 <= low < high <= 100.
    """

    bands: tuple[int, ...] | None = None
    stretch: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if self.bands is not None:
            object.__setattr__(self, "bands", _checked_bands(self.bands))
        if self.stretch is not None:
            object.__setattr__(self, "stretch", _checked_stretch(self.stretch))

    @property
    def chosen(self) -> bool:
        """Whether bands or percentiles are given; without them pictures are shown as in a viewer."""
        return self.bands is not None or self.stretch is not None

    def read(self, source: PictureInput) -> UInt8[np.ndarray, "H W 3"]:
        """The picture, for instance of a path or of a file's bytes.

        Raises:
            ImageError, MissingExtraError: as `samhq.image.sources.open_picture`.
        """
        from samhq.image.read import read_image

        if not self.chosen:
            return read_image(source)
        from samhq.image.raster_source import RasterSource
        from samhq.image.sources import open_picture
        from samhq.image.windows import whole

        opened = open_picture(source, self.bands, self.stretch)
        if not isinstance(opened, RasterSource):
            return opened.read(whole(opened.size_hw))
        with opened:
            return opened.read(whole(opened.size_hw))

    def size_hw(self, content: bytes) -> tuple[int, int]:
        """Height and width of a picture file's bytes as shown, from its header.

        Raises:
            ImageError, MissingExtraError: as `read`.
        """
        from io import BytesIO

        from samhq.image.files import shown_size_hw
        from samhq.image.raster_source import RasterSource
        from samhq.image.read import describe

        try:
            return shown_size_hw(BytesIO(content), describe(content))
        except ImageError:
            if not self.chosen:
                raise
        with RasterSource(content) as source:  # It has more channels than Pillow reads.
            return source.size_hw

    def picture(self, path: str | os.PathLike[str]) -> Any:
        """The picture as models take it: the path itself, or its pixels if these channels change them.

        Raises:
            ImageError, MissingExtraError: as `read`.
        """
        return self.read(path) if self.chosen else path

    def options(self) -> dict[str, Any]:
        """The values as JSON values, if there are some: results depend on them."""
        return {"bands": self.bands, "stretch": self.stretch} if self.chosen else {}


#: Pictures as a viewer shows them.
AS_SHOWN = Channels()


def _checked_bands(bands: Any) -> tuple[int, ...]:
    """One channel or three, as plain numbers.

    Raises:
        ConfigError: anything else.
    """
    numbers = tuple(bands) if isinstance(bands, (list, tuple)) else (bands,)
    if len(numbers) not in (1, 3):
        raise ConfigError(f"Expected one band or three, for red, green and blue, got {numbers}. Write (4, 3, 2).")
    return tuple(whole_number("bands", number, 1) for number in numbers)


def _checked_stretch(stretch: Any) -> tuple[float, float]:
    """Two rising percentiles, as plain numbers.

    Raises:
        ConfigError: anything else.
    """
    percentiles = tuple(stretch) if isinstance(stretch, (list, tuple)) else ()
    if len(percentiles) != 2:
        raise ConfigError(f"Expected two percentiles to stretch between, got {stretch!r:.80}. Write (2, 98).")
    low = real_number("stretch", percentiles[0], 0, 100, below=True)
    return low, real_number("stretch", percentiles[1], low, 100, above=True)
