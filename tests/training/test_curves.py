"""The curves of a run are a picture that a browser shows, whatever the log holds."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from samhq.training.curves import curves_svg

SVG = "{http://www.w3.org/2000/svg}"
ROWS = [
    {"step": 0, "scores": {"box iou": 0.5, "1p iou": 0.4, "box off iou": 0.3}},
    {"step": 10, "loss": 2.0, "lr": 1e-4},
    {"step": 20, "loss": 1.0},
    {"step": 20, "scores": {"box iou": 0.7, "1p iou": 0.6}},
]


def lines(rows: list[dict]) -> list[list[tuple[float, float]]]:
    """The points of each curve in pixels."""
    root = ElementTree.fromstring(curves_svg(rows))
    found = [line.get("points", "").split() for line in root.iter(f"{SVG}polyline")]
    return [[tuple(map(float, point.split(","))) for point in points] for points in found]


def words(rows: list[dict]) -> list[str]:
    return [text.text or "" for text in ElementTree.fromstring(curves_svg(rows)).iter(f"{SVG}text")]


def test_better_scores_are_higher_and_later_steps_are_to_the_right() -> None:
    loss, box, click = lines(ROWS)
    assert loss[0][1] < loss[1][1], "the loss falls"
    assert box[0][1] > box[1][1]
    assert click[0][1] > click[1][1]
    assert box[1][1] < click[1][1]
    assert box[0][0] < loss[0][0] < loss[1][0]
    assert loss[1][0] == box[1][0]
    assert [word for word in words(ROWS) if "iou" in word] == ["box iou 0.7", "1p iou 0.6"]


@pytest.mark.parametrize(
    "rows", [[], [{"step": 1, "loss": None}], [{"step": 1, "loss": float("nan")}], [{"loss": 1.0}]]
)
def test_without_values_it_says_so(rows: list[dict]) -> None:
    assert lines(rows) == []
    assert words(rows).count("no values yet") == 2


@pytest.mark.parametrize(
    "rows", [ROWS[:1], [{"step": 1, "loss": 1.0}], [{"step": 0, "loss": 0.0}, {"step": 0, "loss": 0.0}]]
)
def test_single_and_equal_values_have_a_place(rows: list[dict]) -> None:
    for curve in lines(rows):
        assert all(0 <= x <= 760 and 0 <= y <= 480 for x, y in curve)
