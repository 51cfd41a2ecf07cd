"""Results show themselves: PNG files of a bounded size, axes with the picture, rows for tables."""

from __future__ import annotations

import io
import sys

import numpy as np
import pytest
from PIL import Image
from tests.results.test_segmentation import result

from samhq.errors import MissingExtraError
from samhq.results.prompt import Prompt
from samhq.results.segmentation import Segmentation
from samhq.results.show import plot, png


def test_small_pictures_are_kept_to_the_pixel() -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (20, 31, 3), np.uint8)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(png(pixels)))), pixels)


def test_large_pictures_are_shown_smaller() -> None:
    assert Image.open(io.BytesIO(png(np.zeros((90, 300, 3), np.uint8), side=100))).size == (100, 30)


def test_a_result_shows_its_overlay() -> None:
    shown = result()
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(shown._repr_png_()))), shown.overlay())


def test_axes_show_the_overlay_and_the_scores() -> None:
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from matplotlib import pyplot

    prompts = (Prompt(points=[[10, 12]], label="cup"), Prompt(box=[1, 2, 30, 20]))
    figure, axes = pyplot.subplots()
    shown = result(prompts=prompts)
    assert shown.plot(axes, prompts=False) is axes
    assert np.array_equal(axes.get_images()[0].get_array(), shown.overlay(prompts=False))
    assert axes.get_title() == "cup 0.90, 0.80"
    assert plot(shown.image).figure is not figure
    pyplot.close("all")


def test_without_matplotlib_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"samhq\[plot\]"):
        result().plot()


def test_rows_agree_with_the_annotations() -> None:
    shown = result(candidates=3)
    rows = shown.to_records()
    for row, annotation in zip(rows, shown.annotations(), strict=True):
        x, y, width, height = annotation["bbox"]
        assert (row["prompt"], row["candidate"], row["area"]) == (
            annotation["prompt"],
            annotation["candidate"],
            annotation["area"],
        )
        assert row["score"] == annotation["predicted_iou"]
        if row["area"]:
            assert [row[key] for key in ("x0", "y0", "x1", "y1")] == [x, y, x + width - 1, y + height - 1]
    assert all(type(value) in (int, float, str, type(None)) for row in rows for value in row.values())


def test_labels_and_scores_of_detectors_are_in_the_rows() -> None:
    prompts = (Prompt(box=[1, 2, 30, 20], label="cup", score=0.5), Prompt(points=[[10, 12]]))
    rows = result(prompts=prompts).to_records()
    assert [(row["label"], row["detector_score"]) for row in rows] == [("cup", 0.5), (None, None)]


def test_no_mask_gives_no_row() -> None:
    shown = result()
    nothing = Segmentation.empty(shown.image, shown.frame, "test")
    assert nothing.to_records() == []
    assert nothing._repr_png_()[1:4] == b"PNG"
