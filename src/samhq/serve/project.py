"""A labelling project in one SQLite file: pictures, classes, settings, and transactions over them.

Objects and their history are in `samhq.serve.history`. Knows nothing about requests or networks.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from samhq.serve.faults import Fault, nothing
from samhq.serve.schema import connect

#: Colours for classes that differ for colour-blind people too. Source: Okabe and Ito, and Paul Tol's "bright".
COLOURS = (
    *("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7"),
    *("#66ccee", "#228833", "#aa3377", "#bbbbbb", "#ee6677"),
)
FIRST_CLASS = "object"  #: of a new project


class Project:
    """The file of a project; any thread may use it, one transaction at a time."""

    def __init__(self, path: Path, name: str) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._database = connect(path)
        with self.transaction() as database:
            if database.execute("SELECT 1 FROM project").fetchone() is None:
                database.execute("INSERT INTO project (id, name, created) VALUES (1, ?, ?)", (name, now()))
                self.add_class(FIRST_CLASS, key="1")

    def close(self) -> None:
        """Closes the file."""
        with self._lock:
            self._database.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """A block whose changes are stored together at its end, or not at all if it raises an error.

        Raises:
            Fault: the file cannot be written, for example because the disk is full.
        """
        with self._lock:
            if self._database.in_transaction:
                yield self._database
                return
            try:
                self._database.execute("BEGIN IMMEDIATE")
                yield self._database
                self._database.execute("COMMIT")
            except sqlite3.OperationalError as error:
                raise Fault(
                    507,
                    f"Expected {self.path.name} to be written, got: {error}. Nothing was changed. Free space on the "
                    "disk, or mend it, and do the last step again.",
                ) from error
            finally:
                # A full disk ends some transactions by itself. One that stays open would swallow all later changes.
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")

    def rows(self, statement: str, values: Sequence[Any] = ()) -> list[sqlite3.Row]:
        """The rows of a query's result."""
        with self._lock:
            return self._database.execute(statement, values).fetchall()

    @property
    def created(self) -> str:
        """The time at which the project was made, by which it can be told from others."""
        return self.rows("SELECT created FROM project")[0]["created"]

    # ---- settings

    @property
    def settings(self) -> dict[str, Any]:
        """The page's settings."""
        return json.loads(self.rows("SELECT settings FROM project")[0]["settings"])

    @settings.setter
    def settings(self, values: dict[str, Any]) -> None:
        with self.transaction() as database:
            database.execute("UPDATE project SET settings = ?", (json.dumps(values),))

    def chosen_model(self, started: str | None) -> str | None:
        """The id of the model that was chosen last, if by a server that was started with the same model."""
        stored = self.rows("SELECT chosen_model FROM project")[0]["chosen_model"]
        known = None if stored is None else json.loads(stored)
        return known["id"] if known and known["started"] == started else None

    def choose_model(self, model_id: str, started: str | None) -> None:
        """Stores the model that was chosen, and the one that the server was started with."""
        with self.transaction() as database:
            stored = json.dumps({"id": model_id, "started": started})
            database.execute("UPDATE project SET chosen_model = ?", (stored,))

    # ---- classes

    def classes(self) -> list[dict[str, Any]]:
        """All classes in their order, with the number of their objects."""
        counts = "SELECT count(*) FROM object WHERE class_id = class.id"
        query = f"SELECT id, name, colour, key, position, ({counts}) AS n_objects FROM class ORDER BY position, id"
        return [dict(row) for row in self.rows(query)]

    def labelled(self, classes: Collection[int]) -> tuple[int, int]:
        """How many pictures that are not skipped have objects of these classes (ids), and how many objects."""
        marks = ", ".join("?" * len(classes))
        query = (
            "SELECT count(DISTINCT image_id) AS pictures, count(*) AS objects FROM object JOIN image ON image_id = "
            f"image.id WHERE status <> 'skip' AND class_id IN ({marks})"
        )
        (row,) = self.rows(query, list(classes))
        return row["pictures"], row["objects"]

    def class_of(self, class_id: int) -> dict[str, Any]:
        """One class.

        Raises:
            Fault: there is none with this id.
        """
        row = next((known for known in self.classes() if known["id"] == class_id), None)
        if row is None:
            raise nothing("class", class_id)
        return row

    def class_named(self, name: str) -> int:
        """The id of the class with this name, which is made where there is none."""
        with self.transaction() as database:
            row = database.execute("SELECT id FROM class WHERE folded = ?", (_folded(name),)).fetchone()
            return row["id"] if row else self.add_class(name)["id"]

    def add_class(self, name: str, colour: str | None = None, key: str | None = None) -> dict[str, Any]:
        """A new class.

        Raises:
            Fault: there is one of this name, or the name is blank.
        """
        with self.transaction() as database:
            position = database.execute("SELECT coalesce(max(position) + 1, 0) FROM class").fetchone()[0]
            values = (name.strip(), _folded(name), colour or COLOURS[position % len(COLOURS)], key, position)
            with _unique_name(name):
                cursor = database.execute(
                    "INSERT INTO class (name, folded, colour, key, position) VALUES (?, ?, ?, ?, ?)", values
                )
            return self.class_of(int(cursor.lastrowid or 0))

    def change_class(self, class_id: int, changes: dict[str, Any]) -> dict[str, Any]:
        """A class after some of name, colour, key and position changed.

        Raises:
            Fault: there is none with this id, or another has the name.
        """
        with self.transaction() as database:
            self.class_of(class_id)
            if "name" in changes:
                changes = changes | {"name": changes["name"].strip(), "folded": _folded(changes["name"])}
            for column, value in changes.items():
                with _unique_name(str(value)):
                    database.execute(f"UPDATE class SET {column} = ? WHERE id = ?", (value, class_id))
            return self.class_of(class_id)

    def remove_class(self, class_id: int, move_to: int | None) -> None:
        """Removes a class; its objects go to `move_to`.

        Raises:
            Fault: there is none with this id, it is the only one, or it has objects and no other was named.
        """
        with self.transaction() as database:
            known = self.class_of(class_id)
            if move_to is not None and move_to != class_id:
                self.class_of(move_to)
                database.execute("UPDATE object SET class_id = ? WHERE class_id = ?", (move_to, class_id))
            elif known["n_objects"]:
                raise Fault(
                    409,
                    f"Expected a class without objects, got {known['name']} with {known['n_objects']}. Move them to "
                    "another class first.",
                )
            if len(self.classes()) == 1:
                raise Fault(409, f"Expected another class beside {known['name']}, got none. Add one, or rename this.")
            database.execute("DELETE FROM class WHERE id = ?", (class_id,))

    # ---- pictures

    def images(self) -> list[dict[str, Any]]:
        """All pictures in their order, with the number of their objects."""
        counts = "SELECT image_id, count(*) AS n FROM object GROUP BY image_id"
        query = (
            "SELECT id, name, rel_path, blob_sha256, width, height, problem, status, coalesce(n, 0) AS n_objects "
            f"FROM image LEFT JOIN ({counts}) ON image_id = id ORDER BY rel_path IS NULL, rel_path, id"
        )
        return [dict(row) for row in self.rows(query)]

    def to_do(self, after: int | None = None) -> list[int]:
        """The pictures that can be labelled and are not done: those behind a picture first, then those before it."""
        rows = self.images()
        at = next((place for place, row in enumerate(rows, 1) if row["id"] == after), 0)
        return [
            row["id"]
            for row in rows[at:] + rows[:at]
            if row["status"] in ("todo", "doing")
            and row["height"] is not None
            and row["problem"] is None
            and row["id"] != after
        ]

    def image(self, image_id: int) -> dict[str, Any]:
        """One picture's row.

        Raises:
            Fault: there is none with this id.
        """
        rows = self.rows("SELECT * FROM image WHERE id = ?", (image_id,))
        if not rows:
            raise nothing("picture", image_id)
        return dict(rows[0])

    def n_objects(self, image_id: int) -> int:
        """How many objects a picture has."""
        return self.rows("SELECT count(*) AS n FROM object WHERE image_id = ?", (image_id,))[0]["n"]

    def known_paths(self) -> set[str]:
        """The paths of all pictures that lie in the folder."""
        return {row["rel_path"] for row in self.rows("SELECT rel_path FROM image WHERE rel_path IS NOT NULL")}

    def add_image(self, name: str, size_hw: tuple[int, int] | None, problem: str | None = None, **place: str) -> int:
        """The id of the picture at this place: `rel_path` in the folder, or `blob_sha256` of what was uploaded."""
        ((column, value),) = place.items()
        height, width = size_hw or (None, None)
        with self.transaction() as database:
            row = database.execute(f"SELECT id FROM image WHERE {column} = ?", (value,)).fetchone()
            if row is not None:
                return row["id"]
            cursor = database.execute(
                f"INSERT INTO image (name, {column}, width, height, problem, updated) VALUES (?, ?, ?, ?, ?, ?)",
                (name, value, width, height, problem, now()),
            )
            return int(cursor.lastrowid or 0)

    def change_image(self, image_id: int, **changes: Any) -> None:
        """Stores columns of a picture's row."""
        with self.transaction() as database:
            for column, value in (changes | {"updated": now()}).items():
                database.execute(f"UPDATE image SET {column} = ? WHERE id = ?", (value, image_id))

    def model_run(self, name: str, weights: str, samhq_version: str) -> int:
        """The id of a source of objects: a model, identified by its weights, and this library's version."""
        with self.transaction() as database:
            values = (name, weights, samhq_version)
            database.execute("INSERT OR IGNORE INTO model_run (name, weights, samhq_version) VALUES (?, ?, ?)", values)
            query = "SELECT id FROM model_run WHERE name = ? AND weights = ? AND samhq_version = ?"
            return database.execute(query, values).fetchone()["id"]


def now() -> str:
    """The time in UTC, as ISO 8601 writes it."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")


def _folded(name: str) -> str:
    """The class name in lower case without outer spaces, for comparisons.

    Raises:
        Fault: it is blank.
    """
    if not name.strip():
        raise Fault(422, f"Expected a class name, got {name!r}. Write at least one letter.")
    return name.strip().casefold()


@contextmanager
def _unique_name(name: str) -> Iterator[None]:
    try:
        yield
    except sqlite3.IntegrityError as error:
        raise Fault(409, f"Expected a new class name, got {name!r:.80}, which exists. Choose another.") from error
