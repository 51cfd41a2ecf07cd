"""Project files: what is made, and what is refused."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from samhq.errors import ConfigError
from samhq.serve.schema import VERSION, connect


def test_a_new_file_is_durable_and_versioned(tmp_path: Path) -> None:
    database = connect(tmp_path / "new" / "a.samhq")
    values = [
        database.execute(f"PRAGMA {name}").fetchone()[0] for name in ("user_version", "journal_mode", "foreign_keys")
    ]
    assert values == [VERSION, "wal", 1]
    database.close()
    connect(tmp_path / "new" / "a.samhq").close()


def test_an_older_file_is_brought_up_to_date(tmp_path: Path) -> None:
    connect(tmp_path / "a.samhq").close()
    with sqlite3.connect(tmp_path / "a.samhq") as database:
        database.execute("ALTER TABLE project DROP COLUMN chosen_model")
        database.execute("INSERT INTO project (id, name, created) VALUES (1, 'mine', 'then')")
        database.execute("PRAGMA user_version = 1")
    for _ in range(2):
        database = connect(tmp_path / "a.samhq")
        assert [*database.execute("SELECT name, chosen_model FROM project").fetchone()] == ["mine", None]
        assert database.execute("PRAGMA user_version").fetchone()[0] == VERSION
        database.close()


def test_a_newer_file_is_refused(tmp_path: Path) -> None:
    connect(tmp_path / "a.samhq").close()
    with sqlite3.connect(tmp_path / "a.samhq") as database:
        database.execute(f"PRAGMA user_version = {VERSION + 1}")
    with pytest.raises(ConfigError, match="newer samhq"):
        connect(tmp_path / "a.samhq")


def test_another_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "a.db") as database:
        database.execute("CREATE TABLE theirs (id)")
    with pytest.raises(ConfigError, match="another program"):
        connect(tmp_path / "a.db")
    with sqlite3.connect(tmp_path / "a.db") as database:
        assert database.execute("SELECT name FROM sqlite_master").fetchall() == [("theirs",)]


def test_what_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("no database " * 200)
    for path in (tmp_path / "a.txt", tmp_path, tmp_path / "a.txt" / "b"):
        with pytest.raises(ConfigError, match="--project"):
            connect(path)
