"""Rows are on the disk as they come; a stopped run goes on with the same settings only."""

from __future__ import annotations

from pathlib import Path

import pytest

from samhq.errors import ConfigError
from samhq.evaluation.journal import FILENAME, Journal, Scored

SETTINGS = {"prompts": ["box"], "seed": 0, "pair": (1, 2)}
ROWS = [Scored("a", (), 1, 0, "stamp"), Scored("b\udcff", (), 0, 2)]


def write(folder: Path, *, resume: bool = False) -> None:
    journal = Journal.open(folder, SETTINGS, resume)
    for scored in ROWS:
        journal.add(scored)
        assert len((folder / FILENAME).read_text().splitlines()) > 1, "on the disk at once"


def test_what_was_written_is_known_after_a_stop(tmp_path: Path) -> None:
    write(tmp_path)
    assert list(Journal.open(tmp_path, SETTINGS, resume=True).known.values()) == ROWS


def test_a_last_line_that_a_kill_cut_is_dropped(tmp_path: Path) -> None:
    write(tmp_path)
    path = tmp_path / FILENAME
    path.write_text(path.read_text()[:-10])
    journal = Journal.open(tmp_path, SETTINGS, resume=True)
    assert list(journal.known.values()) == ROWS[:1]
    journal.add(ROWS[1])
    assert list(Journal.open(tmp_path, SETTINGS, resume=True).known.values()) == ROWS


def test_rows_are_not_replaced_by_mistake(tmp_path: Path) -> None:
    write(tmp_path)
    with pytest.raises(ConfigError, match="--resume"):
        Journal.open(tmp_path, SETTINGS, resume=False)


def test_other_settings_are_refused_by_name(tmp_path: Path) -> None:
    write(tmp_path)
    with pytest.raises(ConfigError, match="another seed"):
        Journal.open(tmp_path, SETTINGS | {"seed": 1}, resume=True)


@pytest.mark.parametrize("text", ["no json\n", '{"settings": {}}\n{"picture": 1}\n', "[1]\n"])
def test_another_file_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / FILENAME).write_text(text)
    with pytest.raises(ConfigError, match=r"something else|another"):
        Journal.open(tmp_path, SETTINGS, resume=True)


def test_no_journal_keeps_nothing() -> None:
    journal = Journal.none()
    journal.add(ROWS[0])
    assert journal.known == {}
