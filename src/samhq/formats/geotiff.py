"""A picture's objects as a raster of numbers with the picture's geographic position.

Needs rasterio, which comes with the extra `geo`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from samhq.config import Order
from samhq.errors import ConfigError
from samhq.extras import from_extra
from samhq.results.label_map import label_map, palette
from samhq.results.picture import Picture
from samhq.storage.atomic import write_bytes


def write_geotiff(picture: Picture, path: Path, order: Order = "area") -> Path:
    """Writes the label map as GeoTIFF, deflated and tiled: 0 is no data; uint8 (with colours), uint16 or uint32.

    Raises:
        MissingExtraError: rasterio is not installed.
        ConfigError: the picture has no georeference, or its coordinate system is unknown.
    """
    rasterio = _rasterio()
    if picture.geo is None:
        raise ConfigError(
            f"Expected a georeference of {picture.file_name} for GeoTIFF, got none. Write the format labelmap instead."
        )
    values = label_map(picture, order)
    try:
        with rasterio.MemoryFile() as memory:  # GDAL does not report a full disk.
            with memory.open(**_profile(rasterio, picture, values)) as raster:
                raster.write(values, 1)
                if values.dtype == np.uint8:
                    raster.write_colormap(1, {i: (*rgb, 255 * (i > 0)) for i, rgb in enumerate(palette())})
            write_bytes(path, bytes(memory.getbuffer()))
    except rasterio.errors.CRSError as error:
        raise ConfigError(
            f"Expected a coordinate system such as EPSG:32633, got {picture.geo.crs!r}: {error}. "
            "Give the picture another crs."
        ) from error
    return path


def _profile(rasterio: Any, picture: Picture, values: np.ndarray) -> dict[str, Any]:
    assert picture.geo is not None
    height, width = picture.size_hw
    profile = {
        "driver": "GTiff",
        "height": height,
        "width": width,
        "count": 1,
        "dtype": values.dtype.name,
        "crs": picture.geo.crs,
        "transform": rasterio.Affine(*picture.geo.transform),
        "nodata": 0,
        "compress": "deflate",
    }
    return profile | ({"tiled": True, "blockxsize": 256, "blockysize": 256} if min(height, width) > 256 else {})


def _rasterio() -> Any:
    with from_extra("geo", "GeoTIFF"):
        import rasterio
        import rasterio.errors
    return rasterio
