"""Bars count what is taken, from where an earlier run stopped, and lines do not break them."""

from __future__ import annotations

import sys
import warnings

import pytest

from samhq import progress
from samhq.errors import SamHQWarning
from samhq.progress import counted, print_line, progress_bar, warnings_as_lines


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if stderr were a terminal."""
    monkeypatch.setattr(progress, "_draws", lambda: True)


@pytest.mark.usefixtures("terminal")
def test_items_come_unchanged_with_a_bar_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(counted(range(3), "picture", "sharp")) == [0, 1, 2]
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "sharp" in shown.err
    assert "3/3" in shown.err


def test_without_a_bar_nothing_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    items = [1, 2]
    assert counted(items, "tile", show=False) is items
    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("terminal")
def test_a_bar_moves_to_what_it_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar("point", total=10, done=4) as show:
        show(7, 10)
        show(12, 12)
    assert "12/12" in capsys.readouterr().err


def test_a_file_gets_whole_lines_at_intervals(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seconds = iter(range(0, 1000, 10))  # A look at the clock takes ten seconds.
    monkeypatch.setattr("time.monotonic", lambda: float(next(seconds)))
    with progress_bar("picture", total=12, done=4) as show:
        for done in range(5, 13):
            show(done, 12)
    assert list(counted("abcdefgh", "step", "train")) == list("abcdefgh")
    assert capsys.readouterr().err.splitlines() == [
        "samhq: 7 of 12 pictures, 0.10 a second, 50 s left",
        "samhq: 10 of 12 pictures, 0.10 a second, 20 s left",
        "samhq: train: 3 of 8 steps, 0.10 a second, 50 s left",
        "samhq: train: 6 of 8 steps, 0.10 a second, 20 s left",
    ]


def test_a_file_gets_nothing_about_short_work(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(counted(iter("ab"), "tile")) == ["a", "b"]
    with progress_bar("picture") as show:
        show(1, 2)
    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("terminal")
def test_a_line_is_printed_whole_beside_a_bar(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in counted(range(1), "picture"):
        print_line("a.jpg: 3 masks")
        print_line("b.jpg: unreadable", sys.stderr)
    shown = capsys.readouterr()
    assert shown.out == "a.jpg: 3 masks\n"
    assert "b.jpg: unreadable\n" in shown.err


def test_a_line_needs_no_tqdm(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delitem(sys.modules, "tqdm", raising=False)
    print_line("a.jpg: 3 masks")
    assert capsys.readouterr().out == "a.jpg: 3 masks\n"


def test_a_line_shows_control_characters_as_escapes(capsys: pytest.CaptureFixture[str]) -> None:
    print_line("a\x1b[2Jb\nc\r\x9bd: done")
    assert capsys.readouterr().out == "a\\x1b[2Jb\\nc\\r\\x9bd: done\n"


def test_own_warnings_are_lines_and_others_stay(capsys: pytest.CaptureFixture[str]) -> None:
    with warnings_as_lines():
        warnings.warn("a\x1bb", SamHQWarning, stacklevel=1)
        with pytest.warns(UserWarning, match="^other$"):
            warnings.warn("other", UserWarning, stacklevel=1)
    assert capsys.readouterr().err == "samhq: warning: a\\x1bb\n"
    with pytest.warns(SamHQWarning, match="^as Python does$"):
        warnings.warn("as Python does", SamHQWarning, stacklevel=1)
