from __future__ import annotations

import json
import math

import pytest

from samhq.evaluation.journal import Scored
from samhq.evaluation.result import Evaluation, side_by_side
from samhq.evaluation.rows import Row


def row(prompt: str, area: int, iou: float, thin: float | None = None, clicks: tuple[float, ...] = ()) -> Row:
    return Row("a", 1, "", prompt, "add", area, iou, iou / 2, thin, 0.5, clicks)


@pytest.fixture
def found() -> Evaluation:
    curves = [(0.5, 0.86, 0.95) + (0.95,) * 17, (0.1,) * 20]
    rows = [row("box", 100, 0.2, 0.4), row("box", 2000, 0.4), row("box", 3000, 0.9)]
    rows += [row("clicks", 100, curve[-1], None, curve) for curve in curves]
    return Evaluation.of("mine", "data", "exact", [Scored("a", tuple(rows), 2, 1), Scored("b", (), 1, 0)])


def test_means_by_hand(found: Evaluation) -> None:
    box, clicks = found.summaries()
    assert (found.pictures, found.empty, found.crowds) == (2, 3, 1)
    assert (box.all.count, box.all.iou, box.all.boundary_iou) == (3, pytest.approx(0.5), pytest.approx(0.25))
    assert (box.thin, box.thin_count) == (0.4, 1)
    assert box.sizes["medium"].iou == pytest.approx(0.65)
    assert math.isnan(box.sizes["large"].iou)
    assert (box.noc, box.curve) == ({}, ())
    assert clicks.noc == {"85": (2 + 20) / 2, "90": (3 + 20) / 2}
    assert clicks.failures == {"85": 1, "90": 1}
    assert clicks.curve[:3] == pytest.approx((0.3, 0.48, 0.525))


def test_tables_say_the_means(found: Evaluation) -> None:
    text = found.table()
    assert (
        "| mine  | box    | add | 3       | 50.0 | 25.0  | 40.0 (1) | 20.0 / 10.0 (1) | 65.0 / 32.5 (2) | -     |"
        in text
    )
    assert "| 11.00  | 11.50  | 1      | 1      | 30.0  | 52.5" in text
    assert "data: 2 pictures, protocol exact" in text


def test_json_has_no_nan(found: Evaluation) -> None:
    text = json.dumps(found.to_json(), allow_nan=False)
    assert json.loads(text)["summaries"][0]["sizes"]["large"] == {"count": 0, "iou": None, "boundary_iou": None}


def test_models_lie_under_each_other() -> None:
    a, b = (
        Evaluation.of(name, "data", "exact", [Scored("a", (row("box", 9, 0.5), row("1p", 9, 0.1)))])
        for name in ("A", "B")
    )
    lines = [line.split("|")[1:3] for line in side_by_side([a, b]).splitlines() if line.startswith("|")][2:]
    assert [[cell.strip() for cell in line] for line in lines] == [["A", "box"], ["B", "box"], ["A", "1p"], ["B", "1p"]]
