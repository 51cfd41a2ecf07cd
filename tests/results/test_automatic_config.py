"""Options that mean nothing are refused, and options survive as JSON."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

import numpy as np
import pytest

from samhq.config import Defaults
from samhq.errors import ConfigError
from samhq.results.automatic_config import REFILTERED, AutomaticConfig, as_config, config_record


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"points_per_side": None}, "points_per_side or point_grids, got neither"),
        ({"point_grids": [np.zeros((1, 2))]}, "got both"),
        ({"points_per_side": 0}, "points_per_side"),
        ({"points_per_batch": 0}, "points_per_batch"),
        ({"crop_n_layers": -1}, "crop_n_layers"),
        ({"crop_overlap_ratio": 1.0}, "crop_overlap_ratio"),
        ({"crop_n_points_downscale_factor": 0}, "downscale"),
        ({"stability_score_offset": float("nan")}, "offset"),
        ({"points_per_side": None, "point_grids": [[[0.5, 1.5]]]}, "0..1"),
        ({"points_per_side": None, "point_grids": [np.zeros((0, 2))]}, "0..1"),
        ({"points_per_side": None, "point_grids": [[[0.5, 0.5]]], "crop_n_layers": 1}, "2 layers"),
        ({"points_per_side": None, "point_grids": 5}, "point_grids"),
        ({"points_per_side": None, "point_grids": ["abc"]}, "point_grids"),
        ({"hq": "on"}, "hq as one of its words.*Did you mean 'only'"),
        ({"candidates": "singel"}, "Did you mean 'single'"),
        ({"points_per_side": 100_000}, "from 1 up to 2048"),
        ({"points_per_side": 32.5}, "points_per_side as a whole number"),
        ({"points_per_side": True}, "points_per_side as a whole number"),
        ({"points_per_batch": "64"}, "points_per_batch"),
        ({"crop_n_layers": 50}, "crop_n_layers.* up to 8"),
        ({"points_per_side": 1024, "crop_n_layers": 3}, "at most 4,194,304 points"),
        ({"crop_n_points_downscale_factor": float("inf")}, "downscale"),
        *(({name: value}, name) for value in (float("nan"), float("inf"), -0.5, "0.5") for name in REFILTERED),
        *(({name: float("nan")}, name) for name in ("mask_threshold", "crop_overlap_ratio", "stability_score_offset")),
    ],
)
def test_what_means_nothing_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        AutomaticConfig(**options)


@pytest.mark.usefixtures("unchecked")
def test_options_come_back_from_json() -> None:
    threshold: Any = np.float32(0.5)
    config = AutomaticConfig(points_per_side=None, point_grids=[np.array([[0.25, 0.5]])], pred_iou_thresh=threshold)
    again = AutomaticConfig(**json.loads(json.dumps(config_record(config))))
    assert config_record(again) == config_record(config)
    assert again.grid(0).tolist() == [[0.25, 0.5]]


def test_options_change_a_configuration() -> None:
    assert as_config(AutomaticConfig(points_per_side=9), {"crop_n_layers": 1}, Defaults()).points_per_side == 9
    assert as_config(None, {}, Defaults()).pred_iou_thresh == AutomaticConfig().pred_iou_thresh
    with pytest.raises(ConfigError, match="Did you mean 'points_per_side'"):
        as_config(None, {"points_per_sides": 3}, Defaults())


def test_what_can_be_filtered_later_are_options() -> None:
    assert set(REFILTERED) <= {field.name for field in fields(AutomaticConfig)}


@pytest.mark.usefixtures("unchecked")
def test_numpys_numbers_become_pythons() -> None:
    config = AutomaticConfig(points_per_side=np.int64(4), min_mask_region_area=np.int8(3))
    assert json.loads(json.dumps(vars(config)))["points_per_side"] == 4
