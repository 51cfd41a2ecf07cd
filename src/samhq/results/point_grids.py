"""Points that people give for whole-image segmentation in place of a regular grid, checked.

Knows nothing about pictures or networks.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from samhq.errors import ConfigError, ImageError
from samhq.image.read import as_array, describe
from samhq.shapes import Float64


def checked_grids(grids: Any, layers: int) -> tuple[Float64[np.ndarray, "N 2"], ...]:
    """The points of each layer [N,2], (x, y) in 0..1 of a crop.

    Raises:
        ConfigError: not points in this form, or fewer grids than the picture and `layers` layers of crops need.
    """
    checked = tuple(_checked_grid(grid) for grid in _as_list(grids))
    if len(checked) <= layers:
        raise ConfigError(
            f"Expected point_grids for {layers + 1} layers, the picture's included, got {len(checked)}. Add grids or "
            "lower crop_n_layers."
        )
    return checked


def _as_list(grids: Any) -> list[Any]:
    try:
        return list(grids)
    except TypeError as error:
        raise ConfigError(
            f"Expected point_grids as a list of points [N, 2], one for each layer, got {grids!r:.80}. "
            "Write [[[0.5, 0.5]]] for one point."
        ) from error


def _checked_grid(grid: Any) -> np.ndarray:
    try:
        points = as_array(grid).astype(np.float64)
    except ImageError as error:
        raise ConfigError(
            f"Expected each of point_grids as points [N, 2], got {describe(grid)}. Write [[0.5, 0.5], ...]."
        ) from error
    if points.ndim != 2 or points.shape[1] != 2 or not len(points) or not ((points >= 0) & (points <= 1)).all():
        raise ConfigError(
            f"Expected each of point_grids as points [N, 2], (x, y) in 0..1 of a crop, got shape {list(points.shape)}. "
            "Divide pixels by the crop's width and height."
        )
    return points
