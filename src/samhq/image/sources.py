"""Reads pictures window by window, so that a large picture need not fit into memory.

Arrays (memory-mapped ones too) need no extra package. TIFF, GeoTIFF and other formats of GDAL need rasterio, from the
extra `geo`. Knows nothing of models or prompts.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable, Sequence
from functools import cache, cached_property, partial
from typing import Any, Protocol, runtime_checkable

import numpy as np
from PIL import Image

from samhq.errors import ImageError
from samhq.extras import from_extra
from samhq.image.bands import Rendering, bands_last, rendering
from samhq.image.files import check_has_end, is_empty, open_file, shown_size_hw
from samhq.image.frame import Frame
from samhq.image.ignored_warnings import IgnoredWarnings
from samhq.image.inputs import PictureInput
from samhq.image.levels import check_visible
from samhq.image.read import describe, read_image
from samhq.image.windows import Window, whole
from samhq.shapes import Bool, UInt8

Affine = tuple[float, float, float, float, float, float]

#: Suffixes of formats in which reading a window is cheap, and which may have a position on Earth.
BY_WINDOW = (".tif", ".tiff", ".gtiff", ".vrt", ".jp2", ".j2k")
#: GDAL's drivers for files that hold their own pixels. GDAL detects the format from the content. Without this list a
#: "picture" could be a few lines that name other files or addresses, as a VRT may.
_DRIVERS = (
    *("GTiff", "COG", "JP2OpenJPEG", "JP2KAK", "JP2ECW", "PNG", "JPEG", "WEBP", "BMP", "GIF"),
    *("ENVI", "HFA", "NITF", "PCIDSK", "EHdr", "AAIGrid", "netCDF", "HDF5"),
)
_MOSAIC = ("VRT",)
_SAMPLE_SIDE = 1024  #: The limits of a stretch are computed from the picture at this size.
_ORIENTATION = 274  #: TIFF's orientation tag; GDAL does not apply it.
_PLAIN = {"gray", "red", "green", "blue", "alpha", "undefined", "palette"}


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
        step = max(1, -(-max(height, width) // _SAMPLE_SIDE))
        sample = self.raw[::step, ::step]
        self.rendering = rendering(sample, bands, percentiles)
        if percentiles is None and sample.dtype == np.uint16:
            _check_visible(sample, self.rendering, None, describe(array))

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width."""
        return self.raw.shape[0], self.raw.shape[1]

    def read(self, window: Window) -> UInt8[np.ndarray, "h w 3"]:
        """The pixels of a window that lies in the picture."""
        _check_inside(window, self.size_hw)
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
                _check_visible(self._sample(_SAMPLE_SIDE), chosen, self._missing, self.name)
            return chosen
        return rendering(self._sample(_SAMPLE_SIDE), self._bands, self._percentiles, self._missing)

    def read(self, window: Window) -> UInt8[np.ndarray, "h w 3"]:
        """The pixels of a window that lies in the picture.

        Raises:
            ImageError, ConfigError: the file is damaged; as `samhq.image.bands.rendering`.
        """
        _check_inside(window, self.size_hw)
        return self._shown(window=_as_ranges(window))

    def valid(self, window: Window) -> Bool[np.ndarray, "h w"] | None:
        """The pixels of a window that have data in some shown band; None if all have. The file says which have none.

        Raises:
            ImageError: the file is damaged.
        """
        if all("all_valid" in {flag.name for flag in flags} for flags in self.dataset.mask_flag_enums):
            return None
        bands = sorted(set(self.rendering.bands if self.palette is None else (1,)))
        read = partial(self.dataset.read_masks, bands, window=_as_ranges(window))
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
        entries = self._sample(_SAMPLE_SIDE)[..., 0]
        shown = colours[entries].astype(np.float32)
        shown[entries == self._missing] = np.nan
        stretched = rendering(shown, None, self._percentiles).apply_chosen(colours[None])[0]
        stretched[np.arange(len(colours)) == self._missing] = 0
        return stretched


def open_picture(
    source: PictureInput | PictureSource,
    bands: Sequence[int] | None = None,
    percentiles: tuple[float, float] | None = None,
) -> PictureSource:
    """A source that reads a picture by window, from any kind of input.

    Files whose format has windows (TIFF, GeoTIFF, JPEG 2000, VRT) are read through rasterio if it is installed. Other
    files are read whole, as by `read_image`. `bands`, counted from 1, and `percentiles` choose and stretch channels;
    for files they need rasterio. Transparent pixels of files read by window are not blended with white. A picture with
    an EXIF rotation is rotated, and read whole.

    Raises:
        ImageError: it cannot be read as a picture, or has no such bands.
        ConfigError: bands or percentiles of the wrong number or order.
        MissingExtraError: bands or percentiles of a file, without rasterio.
    """
    chosen = bands is not None or percentiles is not None
    if isinstance(source, PictureSource):
        return source
    if isinstance(source, bytes) and chosen:
        if _is_rotated(source):
            return ArraySource(read_image(source), bands, percentiles)
        return RasterSource(source, bands, percentiles)
    if isinstance(source, str | os.PathLike):
        if chosen and os.path.isfile(source) and _is_rotated(source):
            return ArraySource(read_image(source), bands, percentiles)
        if chosen:
            return RasterSource(source, bands, percentiles)
        if read_by_window(source):
            opened = RasterSource(source)
            if _is_plain(opened.dataset, source):
                return opened
            place = (None, None) if _is_rotated(source) else (opened.transform, opened.crs)
            opened.close()
            return ArraySource(read_image(source), None, None, *place)
    if chosen and not isinstance(source, Image.Image):
        return ArraySource(source, bands, percentiles)
    if chosen:
        return ArraySource(np.asarray(source), bands, percentiles)
    if isinstance(source, np.ndarray) and source.dtype == np.uint8 and source.ndim == 3 and source.shape[2] == 3:
        return ArraySource(source)  # It may be mapped from a file, so it must not be copied.
    return ArraySource(read_image(source))


def size_of_file(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Height and width of a picture file as `open_picture` shows it, from its header alone.

    Raises:
        ImageError: it cannot be read as a picture.
    """
    try:
        return shown_size_hw(path, describe(path))
    except ImageError:
        if not read_by_window(path):
            raise
    with RasterSource(path) as source:  # It has more channels or pixels than Pillow reads.
        return source.size_hw


def read_by_window(path: str | os.PathLike[str]) -> bool:
    """Whether `open_picture` reads a file with this name by window: its format allows it, and rasterio is installed."""
    return os.fspath(path).lower().endswith(BY_WINDOW) and _has_rasterio()


def _is_plain(dataset: Any, path: str | os.PathLike[str]) -> bool:
    """Whether GDAL's values are what a viewer shows: GDAL does not rotate, or convert CMYK and one-bit grey."""
    kinds = {kind.name for kind in dataset.colorinterp}
    bits = int(dataset.tags(1, ns="IMAGE_STRUCTURE").get("NBITS", 8))
    inverted = dataset.tags(ns="IMAGE_STRUCTURE").get("MINISWHITE") == "YES"
    return not (kinds - _PLAIN or bits < 8 or inverted or _is_rotated(path))


def _is_rotated(source: str | os.PathLike[str] | bytes) -> bool:
    try:
        with open_file(io.BytesIO(source) if isinstance(source, bytes) else source, describe(source)) as picture:
            return picture.getexif().get(_ORIENTATION, 1) != 1
    except ImageError:
        return False  # Many bands, or a size that needs windows: not a camera's file.


def _as_ranges(window: Window) -> tuple[tuple[int, int], tuple[int, int]]:
    """The window as rasterio takes it: rows, then columns."""
    return (window.y0, window.y1), (window.x0, window.x1)


def _has_rasterio() -> bool:
    from importlib.util import find_spec

    return find_spec("rasterio") is not None


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


def _check_visible(sample: np.ndarray, chosen: Rendering, missing: float | None, name: str) -> None:
    shown = sample[..., [band - 1 for band in chosen.bands]]
    check_visible(int(shown.max(initial=0, where=shown != missing)), name)


def _check_inside(window: Window, size_hw: tuple[int, int]) -> None:
    if not window.area or window.meet(whole(size_hw)) != window:
        raise ImageError(
            f"Expected a window in a picture {size_hw[1]} wide and {size_hw[0]} high, got {window}. Cut it first."
        )
