"""A missing package becomes one sentence with the extra's name."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from samhq.errors import MissingExtraError
from samhq.extras import from_extra, missing_package


def test_a_missing_package_is_named_with_its_purpose_and_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rasterio", None)
    with pytest.raises(MissingExtraError) as caught, from_extra("geo", "GeoTIFF"):
        import rasterio.errors  # noqa: F401
    assert str(caught.value) == str(missing_package("rasterio", "geo", "GeoTIFF"))
    assert str(caught.value) == "Expected the package rasterio for GeoTIFF, got none. Run: pip install 'samhq[geo]'"


def test_a_package_that_does_not_load_is_not_called_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "half_installed.py").write_text("raise ImportError('libGL.so.1: no such file')")
    monkeypatch.syspath_prepend(tmp_path)
    with (
        pytest.raises(MissingExtraError, match=r"does not load: libGL\.so\.1.*samhq\[train\]"),
        from_extra("train", "x"),
    ):
        import half_installed  # noqa: F401


def test_what_is_installed_is_imported() -> None:
    with from_extra("train", "arithmetic"):
        import math
    assert math.floor(1.5) == 1
