"""The interface of pictures that are read window by window, and arrays behind it.

Arrays may be mapped from a file, so a large picture need not fit into memory. Knows nothing of models or prompts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from PIL import Image

from samhq.errors import ImageError
from samhq.image.bands import Rendering, bands_last, rendering
from samhq.image.frame import Frame
from samhq.image.levels import check_visible
from samhq.image.read import describe
from samhq.image.windows import Window, whole
from samhq.shapes import Bool, UInt8

Affine = tuple[float, float, float, float, float, float]

SAMPLE_SIDE = 1024  #: The limits of a stretch are computed from the picture at this size.


@runtime_checkable
class PictureSource(Protocol):
    """A picture of `size_hw` (height, width), read as uint8 RGB, window by window.

    `transform` is None, or six numbers (a, b, c, d, e, f) that map (column, row) to x = a·column + b·row + c and y =
    d·column + e·row + f in the coordinates named by `crs`.
    """

    @property
    def size_hw(self) -> tuple[int, int]: ...  # noqa: D102
    @property
    def transform(self) -> Affine | None: ...  # noqa: D102
    @property
    def crs(self) -> str | None: ...  # noqa: D102

    def read(self, window: Window) -> UInt8[np.ndarray, "h w 3"]:
        """The pixels of a window that lies in the picture."""
        ...

    def overview(self, max_side: int) -> UInt8[np.ndarray, "h w 3"]:
        """The whole picture, with its longer side at most `max_side`; never enlarged."""
        ...


@runtime_checkable
class KnowsData(Protocol):
    """A source that can say which of its pixels have data: the frame around a satellite picture has none."""

    def valid(self, window: Window) -> Bool[np.ndarray, "h w"] | None:
        """The pixels of a window that have data; None if all have."""
        ...


class ArraySource:
    """An array [H,W], [H,W,B] or [B,H,W], in memory or mapped from a file."""

    def __init__(
        self,
        array: Any,
        bands: Sequence[int] | None = None,
        percentiles: tuple[float, float] | None = None,
        transform: Affine | None = None,
        crs: str | None = None,
    ) -> None:
        """`bands` and `percentiles` as for `samhq.image.bands.rendering`; the other arguments as in `PictureSource`.

        Raises:
            ImageError, ConfigError: as `samhq.image.bands.rendering`.
        """
        self.transform, self.crs = transform, crs
        self.raw = bands_last(array)
        height, width = self.size_hw
        step = max(1, -(-max(height, width) // SAMPLE_SIDE))
        sample = self.raw[::step, ::step]
        self.rendering = rendering(sample, bands, percentiles)
        if percentiles is None and sample.dtype == np.uint16:
            check_shown(sample, self.rendering, None, describe(array))

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width."""
        return self.raw.shape[0], self.raw.shape[1]

    def read(self, window: Window) -> UInt8[np.ndarray, "h w 3"]:
        """The pixels of a window that lies in the picture."""
        check_inside(window, self.size_hw)
        return self.rendering.apply(self.raw[window.slices()])

    def overview(self, max_side: int) -> UInt8[np.ndarray, "h w 3"]:
        """The whole picture, with its longer side at most `max_side`; never enlarged."""
        height, width = self.size_hw
        if max(height, width) <= max_side:
            return self.read(whole(self.size_hw))
        small_hw = Frame.fit(self.size_hw, max_side).resized_hw
        # In two steps, so that only one strip of a mapped array is in memory at a time.
        factor = max(1, max(height, width) // (4 * max_side))
        strips = [
            self._shrunk(Window(0, top, width, min(height, top + 64 * factor)), factor)
            for top in range(0, height, 64 * factor)
        ]
        reduced = Image.fromarray(np.concatenate(strips))
        box = (0, 0, width / factor, height / factor)
        return np.asarray(reduced.resize(small_hw[::-1], Image.Resampling.BILINEAR, box))

    def _shrunk(self, window: Window, factor: int) -> np.ndarray:
        """A strip whose blocks of `factor` x `factor` pixels become their means, incomplete ones at the end too."""
        pixels = self.read(window)
        return pixels if factor == 1 else np.asarray(Image.fromarray(pixels).reduce(factor))


def check_shown(sample: np.ndarray, chosen: Rendering, missing: float | None, name: str) -> None:
    """Refuses a sample of 16-bit values that would be shown almost black; `missing` is the no-data value.

    Raises:
        ImageError: it would.
    """
    shown = sample[..., [band - 1 for band in chosen.bands]]
    check_visible(int(shown.max(initial=0, where=shown != missing)), name)


def check_inside(window: Window, size_hw: tuple[int, int]) -> None:
    """Refuses a window that is empty or not inside a picture of that size.

    Raises:
        ImageError: it is.
    """
    if not window.area or window.meet(whole(size_hw)) != window:
        raise ImageError(
            f"Expected a window in a picture {size_hw[1]} wide and {size_hw[0]} high, got {window}. Cut it first."
        )
