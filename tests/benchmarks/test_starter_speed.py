"""The script of the starter's times measures what it says."""

from __future__ import annotations

import sys

import pytest

from benchmarks import starter_speed
from samhq.image.frame import Frame


def test_the_median_leaves_out_the_first_two_calls() -> None:
    times = iter([0, 100, 100, 200, *(value for number in range(15) for value in (0, number))])
    calls: list[int] = []
    assert starter_speed.middle(lambda: calls.append(1), lambda: next(times)) == 7
    assert len(calls) == 17


def test_the_mask_has_the_size_and_an_outline() -> None:
    mask = starter_speed.full_size((30, 40), 64)()
    assert mask.shape == (1, 1, *Frame.fit((30, 40), 64).original_hw)
    assert 0 < mask.float().mean() < 1


def test_every_call_is_timed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(starter_speed, "TIMES", 1)
    monkeypatch.setattr(sys, "argv", ["starter_speed.py"])
    starter_speed.main()
    assert [line.partition(":")[0] for line in capsys.readouterr().out.splitlines()][:2] == ["encode", "one click"]
