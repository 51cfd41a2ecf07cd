"""The tables of a project file, and the update of older files."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from samhq.errors import ConfigError

VERSION = 2  #: Version of the tables, in SQLite's `user_version`.
BUSY_SECONDS = 5.0

_TABLES = """
CREATE TABLE project (
    id INTEGER PRIMARY KEY CHECK (id = 1), name TEXT NOT NULL, created TEXT NOT NULL,
    settings TEXT NOT NULL DEFAULT '{}', chosen_model TEXT
);
CREATE TABLE class (
    id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, folded TEXT NOT NULL UNIQUE, colour TEXT NOT NULL,
    key TEXT, supercategory TEXT NOT NULL DEFAULT '', position INTEGER NOT NULL
);
CREATE TABLE image (
    id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, rel_path TEXT UNIQUE, blob_sha256 TEXT UNIQUE,
    width INTEGER, height INTEGER, problem TEXT, status TEXT NOT NULL DEFAULT 'todo', updated TEXT NOT NULL,
    draft TEXT, version INTEGER NOT NULL DEFAULT 0, applied INTEGER NOT NULL DEFAULT 0,
    CHECK ((rel_path IS NULL) <> (blob_sha256 IS NULL))
);
CREATE TABLE model_run (
    id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, weights TEXT NOT NULL, samhq_version TEXT NOT NULL,
    UNIQUE (name, weights, samhq_version)
);
CREATE TABLE object (
    id TEXT PRIMARY KEY, image_id INTEGER NOT NULL REFERENCES image (id) ON DELETE CASCADE,
    class_id INTEGER NOT NULL REFERENCES class (id), counts TEXT NOT NULL,
    x INTEGER NOT NULL, y INTEGER NOT NULL, width INTEGER NOT NULL, height INTEGER NOT NULL, area INTEGER NOT NULL,
    score REAL, source TEXT NOT NULL, z INTEGER NOT NULL, locked INTEGER NOT NULL DEFAULT 0,
    hidden INTEGER NOT NULL DEFAULT 0, prompt TEXT, run_id INTEGER REFERENCES model_run (id)
);
CREATE INDEX object_of_image ON object (image_id, z);
CREATE INDEX object_of_class ON object (class_id);
CREATE TABLE revision (
    image_id INTEGER NOT NULL REFERENCES image (id) ON DELETE CASCADE, seq INTEGER NOT NULL, label TEXT NOT NULL,
    change BLOB NOT NULL, at TEXT NOT NULL, PRIMARY KEY (image_id, seq)
) WITHOUT ROWID;
CREATE TABLE export (
    id INTEGER PRIMARY KEY AUTOINCREMENT, format TEXT NOT NULL, at TEXT NOT NULL, n_images INTEGER NOT NULL,
    n_objects INTEGER NOT NULL, sha256 TEXT NOT NULL
);
"""


#: Statements that update version 1 to version 2, and so on.
_CHANGES = ("ALTER TABLE project ADD COLUMN chosen_model TEXT;\n",)


def connect(path: Path) -> sqlite3.Connection:
    """A connection to a project file, which is created if it does not exist; every statement is its own transaction.

    Raises:
        ConfigError: the file is no project, belongs to a newer version, or cannot be opened.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        database = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        database.row_factory = sqlite3.Row
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
            database.execute(f"PRAGMA {pragma}")
        _bring_up_to_date(database, path)
    except (sqlite3.Error, OSError) as error:
        raise ConfigError(
            f"Expected a project file of samhq serve, or a place for a new one, got {path}: {error}. Name another with "
            "--project."
        ) from error
    return database


def _bring_up_to_date(database: sqlite3.Connection, path: Path) -> None:
    database.execute("BEGIN IMMEDIATE")
    (version,) = database.execute("PRAGMA user_version").fetchone()
    (tables,) = database.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if version > VERSION or (version == 0 and tables):
        database.execute("ROLLBACK")
        database.close()
        what = f"one of version {version}, which a newer samhq wrote" if version else "another program's database"
        raise ConfigError(f"Expected a project file of samhq serve, got {what}: {path}. Name another with --project.")
    for statement in (_TABLES if version == 0 else "".join(_CHANGES[version - 1 :])).split(";\n"):
        if statement.strip():
            database.execute(statement)
    database.execute(f"PRAGMA user_version = {VERSION}")
    database.execute("COMMIT")
