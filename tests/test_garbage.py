"""Cycles are collected late while a command starts, and as usual as soon as its model is loaded."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest

from samhq import garbage
from samhq.garbage import FIRST, collect_as_usual, collect_late
from samhq.image.sample_picture import sample_picture


class Node:
    """An object that can be part of a cycle."""

    other: Node


def cycle() -> weakref.ref[Node]:
    """Two objects that nothing but each other refers to."""
    first, second = Node(), Node()
    first.other, second.other = second, first
    return weakref.ref(first)


@pytest.fixture
def late(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, int, int]]:
    """The usual thresholds, while collection is late."""
    monkeypatch.setattr("atexit.register", lambda _: None)
    usual = gc.get_threshold()
    collect_late()
    yield usual
    collect_as_usual()
    gc.unfreeze()
    assert gc.get_threshold() == usual


def test_cycles_stay_until_collection_is_as_usual(late: tuple[int, int, int]) -> None:
    early = cycle()
    held = [[] for _ in range(10 * late[0])]  # type: ignore[var-annotated]  # Usually enough for a collection.
    assert early() is not None
    collect_as_usual()
    assert gc.get_threshold() == late
    later = cycle()
    gc.collect()
    assert later() is None
    assert early() is not None, "it was alive, as far as Python knows, when the model was loaded"
    del held


def test_very_many_objects_end_the_wait(late: tuple[int, int, int]) -> None:
    early = cycle()
    held = [[] for _ in range(FIRST + 1)]  # type: ignore[var-annotated]
    assert early() is None
    assert gc.get_threshold() == late
    del held


def test_without_a_late_start_nothing_changes() -> None:
    before = gc.get_threshold(), gc.get_freeze_count(), list(gc.callbacks)
    collect_as_usual()
    assert (gc.get_threshold(), gc.get_freeze_count(), list(gc.callbacks)) == before


def test_a_second_call_keeps_the_usual_thresholds(late: tuple[int, int, int]) -> None:
    collect_late()
    assert tuple(garbage._usual) == late


def test_a_command_starts_late_and_works_as_usual(tmp_path: Path) -> None:
    code = (
        "import gc, sys; usual = gc.get_threshold(); import samhq.checkpoint.load as load\n"
        "from samhq.cli.main import main\n"
        "seen, build = [], load.build\n"
        "load.build = lambda *given, **more: (seen.append(gc.get_threshold()[0]), build(*given, **more))[1]\n"
        "assert main() == 0\n"
        "print(seen, gc.get_threshold() == usual, gc.get_freeze_count() > 10_000)"
    )
    line = ["segment", str(sample_picture()), "--box", "170,60,430,330", "--output", str(tmp_path), "-q"]
    done = subprocess.run([sys.executable, "-c", code, *line], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1:] == [f"[{FIRST}] True True"], done.stderr
