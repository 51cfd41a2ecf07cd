from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from samhq.cli.prompts import Box, JobPromptFlags, Point, PromptFlags, box_from_text, point_from_text
from samhq.errors import PromptError


@pytest.mark.parametrize("text", ["", ",", "1,", "1;2", "1,2,", "1,2,0.5", "1,2,1,1", "inf,2", "0x1,2"])
def test_texts_that_are_no_point(text: str) -> None:
    with pytest.raises(PromptError, match="x,y"):
        point_from_text(text)


@pytest.mark.parametrize("text", ["", "1,2,3", "1,2,3,4,5", "3,2,1,4", "1,2,1,4", "1,2,3,nan"])
def test_texts_that_are_no_box(text: str) -> None:
    with pytest.raises(PromptError, match="x0,y0,x1,y1"):
        box_from_text(text)


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    """A GeoTIFF of half a metre a pixel, with its corner at (500000, 5400000)."""
    rasterio = pytest.importorskip("rasterio")
    profile = {"driver": "GTiff", "height": 100, "width": 200, "count": 3, "dtype": "uint8", "crs": "EPSG:32633"}
    transform = rasterio.Affine(0.5, 0, 500_000, 0, -0.5, 5_400_000)
    with rasterio.open(tmp_path / "scene.tif", "w", transform=transform, **profile) as raster:
        raster.write(np.zeros((3, 100, 200), np.uint8))
    return tmp_path / "scene.tif"


def test_points_and_boxes_may_be_in_map_coordinates(scene: Path) -> None:
    points = PromptFlags(point=(Point(500_010, 5_399_990), Point(500_020, 5_399_980, 0)), crs="EPSG:32633")
    (prompt,) = points.given().reader()(scene)
    assert (prompt.points, prompt.labels) == ([[20, 20], [40, 40]], [1, 0])
    boxes = PromptFlags(box=(Box(500_010, 5_399_960, 500_030, 5_399_990), Box(0, 0, 6e5, 6e6)), crs="picture")
    assert [prompt.box for prompt in boxes.given().reader()(scene)] == [[20, 20, 60, 80], [0, 0, 200, 100]]


def test_what_goes_with_map_coordinates() -> None:
    mixed = PromptFlags(point=(Point(1, 2),), box=(Box(1, 2, 3, 4),), crs="picture")
    with pytest.raises(PromptError, match="--crs, got more"):
        mixed.given()
    with pytest.raises(PromptError, match="or --crs"):
        PromptFlags(crs="picture").check_none()
    with pytest.raises(PromptError, match="--prompts"):
        PromptFlags(crs="picture").check()


def test_a_job_takes_the_same_objects_for_every_picture_or_a_file() -> None:
    flags = JobPromptFlags(point=(Point(1, 2), Point(3, 4, 0)), box=(Box(0, 0, 9, 9),))
    flags.check()
    (prompt,) = flags.drawn()
    assert (prompt.points, prompt.labels, prompt.box) == ([(1, 2), (3, 4)], [1, 0], (0, 0, 9, 9))
    with pytest.raises(PromptError, match="one --box beside"):
        JobPromptFlags(point=(Point(1, 2),), box=(Box(0, 0, 9, 9), Box(1, 1, 9, 9))).check()
    with pytest.raises(PromptError, match="Leave one out"):
        JobPromptFlags(point=(Point(1, 2),), prompts=Path("objects.json")).check()
