"""The photograph in the package."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tomllib

import samhq
from samhq.image.read import read_image
from samhq.image.sample_picture import sample_picture

ROOT = Path(__file__).parents[2]


def test_it_is_a_small_photograph_that_the_notice_names() -> None:
    path = samhq.sample_picture()
    assert read_image(path).shape == (400, 600, 3)
    assert path.stat().st_size < 150_000
    assert path.relative_to(ROOT).as_posix() in (ROOT / "NOTICE").read_text()


def test_it_is_packaged() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["samhq"]
    assert f"{sample_picture().parent.name}/*" in declared


def test_it_is_the_photograph_that_its_source_shows() -> None:
    data = pytest.importorskip("skimage.data")
    assert np.abs(read_image(sample_picture()).astype(int) - data.coffee()).mean() < 4
