"""Files that GDAL reads (TIFF, GeoTIFF, JPEG 2000, VRT, ...), window by window, through rasterio from the extra `geo`.

Knows nothing of models or prompts.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from functools import cache, cached_property, partial
from typing import Any

import numpy as np

from samhq.errors import ImageError
from samhq.extras import from_extra
from samhq.image.bands import Rendering, rendering
from samhq.image.files import check_has_end, is_empty
from samhq.image.frame import Frame
from samhq.image.ignored_warnings import IgnoredWarnings
from samhq.image.levels import strips
from samhq.image.picture_source import SAMPLE_SIDE, Affine, check_inside, check_shown
from samhq.image.read import describe
from samhq.image.windows import Window, whole
from samhq.shapes import Bool, UInt8

#: GDAL's drivers for files that hold their own pixels. GDAL detects the format from the content. Without this list a
#: "picture" could be a few lines that name other files or addresses, as a VRT may.
_DRIVERS = (
    *("GTiff", "COG", "JP2OpenJPEG", "JP2KAK", "JP2ECW", "PNG", "JPEG", "WEBP", "BMP", "GIF"),
    *("ENVI", "HFA", "NITF", "PCIDSK", "EHdr", "AAIGrid", "netCDF", "HDF5"),
)
_MOSAIC = ("VRT",)
_AT_ONCE = 1 << 24  #: Pixels whose values are in memory at a time.


class RasterSource:
    """A file that GDAL reads (TIFF, GeoTIFF, JPEG 2000, VRT, ...), or a file's bytes, by window, through rasterio.

    Close it, or use it in a `with` statement.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | bytes,
        bands: Sequence[int] | None = None,
        percentiles: tuple[float, float] | None = None,
    ) -> None:
        """`bands` and `percentiles` as for `samhq.image.bands.rendering`; the file defines its no-data value.

        Raises:
            MissingExtraError: rasterio is not installed.
            ImageError: GDAL cannot read the file.
        """
        self.name = describe(path)
        self._memory = _in_memory(path) if isinstance(path, bytes) else None
        self.dataset = _opened(path if self._memory is None else self._memory.name, self.name)
        self._bands, self._percentiles = bands, percentiles

    def __enter__(self) -> RasterSource:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file."""
        self.dataset.close()
        if self._memory is not None:
            self._memory.close()

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width."""
        return int(self.dataset.height), int(self.dataset.width)

    @property
    def transform(self) -> Affine | None:
        """The file's affine transform; None if it has none."""
        affine = self.dataset.transform
        return None if affine.is_identity else tuple(float(number) for number in affine[:6])  # type: ignore[return-value]

    @property
    def crs(self) -> str | None:
        """The file's coordinate system, as "EPSG:32633" or as WKT."""
        return str(self.dataset.crs.to_string()) if self.dataset.crs else None

    @cached_property
    def rendering(self) -> Rendering:
        """How values become colours; computed when the first pixels are read, so that reading the position is cheap.

        Raises:
            ImageError, ConfigError: as `samhq.image.bands.rendering`.
        """
        if self._percentiles is None:  # Only the type matters, and pixels without data are shown with their values.
            chosen = rendering(self._sample(1), self._bands, None)
            if self.dataset.dtypes[0] == "uint16":
                check_shown(self._sample(SAMPLE_SIDE), chosen, self._missing, self.name)
            return chosen
        return rendering(self._sample(SAMPLE_SIDE), self._bands, self._percentiles, self._missing)

    def read(self, window: Window) -> UInt8[np.ndarray, "h w 3"]:
        """The pixels of a window that lies in the picture.

        Raises:
            ImageError, ConfigError: the file is damaged; as `samhq.image.bands.rendering`.
        """
        check_inside(window, self.size_hw)
        # In strips: values are wider than pixels, and become floats where they are stretched.
        rows = [(window.y0 + part.start, window.y0 + part.stop) for part in strips(*window.hw, _AT_ONCE)]
        return np.concatenate([self._shown(window=(part, (window.x0, window.x1))) for part in rows])

    def valid(self, window: Window) -> Bool[np.ndarray, "h w"] | None:
        """The pixels of a window that have data in some shown band; None if all have. The file says which have none.

        Raises:
            ImageError: the file is damaged.
        """
        if all("all_valid" in {flag.name for flag in flags} for flags in self.dataset.mask_flag_enums):
            return None
        bands = sorted(set(self.rendering.bands if self.palette is None else (1,)))
        read = partial(self.dataset.read_masks, bands, window=((window.y0, window.y1), (window.x0, window.x1)))
        return np.asarray(self._read_by(read).any(axis=0))

    def overview(self, max_side: int) -> UInt8[np.ndarray, "h w 3"]:
        """The whole picture, with its longer side at most `max_side`; never enlarged. Uses the file's own pyramid."""
        from rasterio.enums import Resampling

        if max(self.size_hw) <= max_side:
            return self.read(whole(self.size_hw))
        small_hw = Frame.fit(self.size_hw, max_side).resized_hw
        method = Resampling.average if self.palette is None else Resampling.nearest
        return self._shown(out_shape=small_hw, resampling=method)

    def _shown(self, out_shape: tuple[int, int] | None = None, **options: Any) -> np.ndarray:
        if self.palette is not None:
            return np.asarray(self.palette[self._values((1,), out_shape, options)[..., 0]])
        return self.rendering.apply_chosen(self._values(self.rendering.bands, out_shape, options))

    def _values(self, bands: Iterable[int], out_shape: tuple[int, int] | None, options: dict[str, Any]) -> np.ndarray:
        """Raw values [h,w,len(bands)]; a band that appears twice is read once."""
        band_numbers = list(bands)
        unique = sorted(set(band_numbers))
        if out_shape is not None:
            options = {**options, "out_shape": (len(unique), *out_shape)}
        values = self._read_by(partial(self.dataset.read, unique, **options))
        return np.moveaxis(values[[unique.index(band) for band in band_numbers]], 0, -1)

    def _read_by(self, read: Callable[[], np.ndarray]) -> np.ndarray:
        """What `read` returns.

        Raises:
            ImageError: the file is damaged.
        """
        from rasterio.errors import RasterioError

        try:
            return read()
        except RasterioError as error:
            raise ImageError(
                f"Expected a whole picture, got {self.name}, which is damaged or cut off ({error}). Fetch it again."
            ) from error

    def _sample(self, side: int) -> np.ndarray:
        """All bands of the whole picture at a small size."""
        shape = Frame.fit(self.size_hw, side).resized_hw if max(self.size_hw) > side else self.size_hw
        return self._values(range(1, self.dataset.count + 1), shape, {})

    @property
    def _missing(self) -> float | None:
        """The file's no-data value, if it is a number."""
        nodata = self.dataset.nodata
        return None if nodata is None or np.isnan(nodata) else float(nodata)

    @cached_property
    def palette(self) -> np.ndarray | None:
        """The colours [256,3] of a picture with a palette, stretched if percentiles are given; None for other pictures.

        Also None if bands are chosen; they are shown as they are.

        Raises:
            ImageError, ConfigError: as `samhq.image.bands.rendering`.
        """
        if self._bands is not None or self.dataset.dtypes[0] != "uint8":
            return None
        if self.dataset.colorinterp[0].name != "palette":
            return None
        colours = np.zeros((256, 3), np.uint8)
        for entry, colour in self.dataset.colormap(1).items():
            colours[entry] = colour[:3]
        return colours if self._percentiles is None else self._stretched(colours)

    def _stretched(self, colours: np.ndarray) -> np.ndarray:
        """Colours stretched by the percentiles of the picture; an entry that means no data becomes black."""
        entries = self._sample(SAMPLE_SIDE)[..., 0]
        shown = colours[entries].astype(np.float32)
        shown[entries == self._missing] = np.nan
        stretched = rendering(shown, None, self._percentiles).apply_chosen(colours[None])[0]
        stretched[np.arange(len(colours)) == self._missing] = 0
        return stretched


@cache
def _without_position_warning() -> IgnoredWarnings:
    """Ignores rasterio's warning that a picture has no place on Earth."""
    import rasterio

    return IgnoredWarnings(category=rasterio.errors.NotGeoreferencedWarning)


def _in_memory(content: bytes) -> Any:
    """rasterio's file in memory with these bytes.

    Raises:
        MissingExtraError, ImageError: as `RasterSource`.
    """
    with from_extra("geo", "reading a picture by band"):
        import rasterio
    if not content:
        raise ImageError("Expected a picture, got no bytes. Fetch it again.")
    return rasterio.MemoryFile(content)


def _opened(path: Any, name: str) -> Any:
    """rasterio's dataset. `name` is the picture's name in messages.

    Raises:
        MissingExtraError, ImageError: as `RasterSource`.
    """
    with from_extra("geo", f"reading {name} by window or by band"):
        import rasterio
    check_has_end(path, name)
    drivers = _MOSAIC if os.fspath(path).lower().endswith(".vrt") else _DRIVERS
    try:
        with _without_position_warning(), rasterio.Env():  # rasterio.open makes one too, but takes no list of drivers.
            return rasterio.DatasetReader(os.fspath(path), driver=list(drivers))
    except rasterio.errors.RasterioError as error:
        if is_empty(path):
            raise ImageError(f"Expected a picture, got {name}, which is empty. Fetch it again.") from None
        raise ImageError(
            f"Expected a picture that GDAL can read, got {name} ({error}). Check the name and the file."
        ) from error
