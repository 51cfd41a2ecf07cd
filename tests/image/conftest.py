from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.image.rasters import TRANSFORM


@pytest.fixture
def write(tmp_path: Path) -> Any:
    """Writes bands [H,W,B] as a TIFF by rasterio and gives its path."""
    rasterio = pytest.importorskip("rasterio")

    def written(raw: np.ndarray, name: str = "picture.tif", colours: Any = None, **options: Any) -> Path:
        height, width, count = raw.shape
        options = {"transform": rasterio.Affine(*TRANSFORM), "crs": "EPSG:32633", **options}
        path = tmp_path / name
        with rasterio.open(
            path, "w", driver="GTiff", height=height, width=width, count=count, dtype=raw.dtype, **options
        ) as file:
            file.write(np.moveaxis(raw, -1, 0))
            if colours:
                file.write_colormap(1, colours)
        return path

    return written
