"""Marks in percent become prompts in pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from samhq.serve.faults import Fault
from samhq.serve.label_studio.prompts import ContextRegion, prompts_of

SIZE_HW = (200, 400)


def key_point(x: float, y: float, positive: bool | int | None = None, label: str = "cup") -> dict[str, Any]:
    content = {"type": "keypointlabels", "value": {"x": x, "y": y, "width": 0.5, "keypointlabels": [label]}}
    return content if positive is None else content | {"is_positive": positive}


def rectangle(x: float, y: float, width: float, height: float, label: str = "cat", **value: Any) -> dict[str, Any]:
    place = {"x": x, "y": y, "width": width, "height": height, "rectanglelabels": [label]}
    return {"type": "rectanglelabels", "original_width": 400, "value": place | value}


def prompts(*regions: dict[str, Any]) -> list[Any]:
    return prompts_of([ContextRegion.model_validate(one) for one in regions], SIZE_HW)


def test_key_points_are_one_prompt() -> None:
    (prompt,) = prompts(key_point(25, 50, 0, "not this"), key_point(50, 50, 1), key_point(100, 100))
    np.testing.assert_array_equal(prompt.points, [[100, 100], [200, 100], [400, 200]])
    np.testing.assert_array_equal(prompt.labels, [0, 1, 1])  # a missing is_positive is a point on the object
    assert prompt.box is None
    assert prompt.label == "cup"


def test_a_rectangle_with_key_points() -> None:
    (prompt,) = prompts(key_point(25, 50, False), rectangle(10, 20, 30, 40))
    np.testing.assert_allclose(prompt.box, [40, 40, 160, 120])
    np.testing.assert_array_equal(prompt.labels, [0])
    assert prompt.label == "cat"


def test_each_rectangle_is_an_object() -> None:
    first, second = prompts(
        rectangle(0, 0, 10, 10, "a"), key_point(5, 5), key_point(90, 90), rectangle(50, 50, 10, 10, "b")
    )
    np.testing.assert_array_equal(first.points, [[20, 10]])
    np.testing.assert_array_equal(second.points, [[360, 180]])
    assert [first.label, second.label] == ["a", "b"]


@pytest.mark.parametrize(
    ("rotation", "box"), [(0, [200, 100, 280, 120]), (90, [180, 100, 200, 180]), (180, [120, 80, 200, 100])]
)
def test_a_turned_rectangle_is_the_box_around_it(rotation: float, box: list[float]) -> None:
    (prompt,) = prompts(rectangle(50, 50, 20, 10, rotation=rotation))
    np.testing.assert_allclose(prompt.box, box, atol=1e-9)


def test_other_regions_mean_nothing() -> None:
    assert prompts() == []
    assert prompts({"type": "ellipselabels", "value": {"x": 1, "radiusX": 3}}, {}) == []


def test_too_many_key_points() -> None:
    with pytest.raises(Fault, match="at most 2000"):
        prompts(*[key_point(1, 1)] * 10_000)
