"""The curves of a run as a picture for a browser: its loss, and the scores of its validations, over steps.

Takes the lines of a run's log; knows nothing about the run. For people without TensorBoard, so it needs no package.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape

#: A curve: its points (step, value).
Curve = list[tuple[float, float]]

CURVES = "curves.svg"  #: In a run's folder.
_SCORES = ("box iou", "box boundary_iou", "1p iou", "1p boundary_iou")
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")  # Okabe and Ito's, for people with any colour vision.
_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 760, 240, 64, 170, 28, 34  #: Of a panel and its margins, in pixels.


def curves_svg(rows: Iterable[Mapping[str, Any]]) -> str:
    """An SVG with two panels, one above the other; a panel without values says so.

    `rows` are lines of a log: those of steps have "step" and "loss", those of validations "step" and "scores".
    """
    loss: Curve = []
    scores: dict[str, Curve] = {name: [] for name in _SCORES}
    for row in rows:
        _add(loss, row.get("step"), row.get("loss"))
        for name, value in (row.get("scores") or {}).items():
            if name in scores:
                _add(scores[name], row.get("step"), value)
    last = max((step for curve in (loss, *scores.values()) for step, _ in curve), default=1.0)
    panels = _panel("loss", {"loss": loss}, last, 0) + _panel("validation", scores, last, _HEIGHT)
    style = "font-family:sans-serif;font-size:12px;fill:#333"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {2 * _HEIGHT}" style="{style}">\n'
        f'<rect width="100%" height="100%" fill="#fff"/>\n{panels}</svg>\n'
    )


def _add(curve: Curve, step: Any, value: Any) -> None:
    """Adds a point; a value that is no finite number is left out."""
    numbers = isinstance(step, int | float) and isinstance(value, int | float)
    if numbers and math.isfinite(step) and math.isfinite(value):
        curve.append((float(step), float(value)))


def _panel(title: str, curves: Mapping[str, Curve], last: float, top: int) -> str:
    """A titled panel with its axes, its curves and their names."""
    drawn = {name: curve for name, curve in curves.items() if curve}
    values = [value for curve in drawn.values() for _, value in curve]
    low, high = _range(values)
    parts = [_text(_LEFT, top + 18, title, "font-weight:bold")]
    if not drawn:
        return "".join([*parts, _text(_LEFT, top + 40, "no values yet")])
    parts += [_level(value, low, high, top) for value in (low, (low + high) / 2, high)]
    floor = top + _HEIGHT - _BOTTOM + 18
    parts += [_text(_LEFT, floor, "step 0"), _text(_WIDTH - _RIGHT - 36, floor, f"{last:g}")]
    for number, (name, curve) in enumerate(drawn.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        points = [(_across(step, last), _down(value, low, high, top)) for step, value in curve]
        parts.append(_line(points, colour))
        label = f"{name} {curve[-1][1]:.3g}"
        parts.append(_text(_WIDTH - _RIGHT + 12, top + _TOP + 16 + 18 * number, label, f"fill:{colour}"))
    return "".join(parts)


def _range(values: Sequence[float]) -> tuple[float, float]:
    """The lowest and the highest value, apart from each other."""
    low, high = min(values, default=0.0), max(values, default=1.0)
    return (low, high) if high > low else (low - 0.05, high + 0.05)


def _across(step: float, last: float) -> float:
    return _LEFT + (_WIDTH - _LEFT - _RIGHT) * step / max(last, 1e-9)


def _down(value: float, low: float, high: float, top: int) -> float:
    return top + _TOP + (_HEIGHT - _TOP - _BOTTOM) * (high - value) / (high - low)


def _level(value: float, low: float, high: float, top: int) -> str:
    """A horizontal line and its value."""
    y = _down(value, low, high, top)
    line = f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>\n'
    return line + _text(_LEFT - 52, y + 4, f"{value:.3g}")


def _line(points: Sequence[tuple[float, float]], colour: str) -> str:
    """A curve, with a dot at each of its points."""
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="{colour}"/>' for x, y in points)
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>{dots}\n'


def _text(x: float, y: float, words: str, style: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" style="{style}">{escape(words)}</text>\n'
