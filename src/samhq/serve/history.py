"""Changes of a picture's objects and draft. Each is one transaction and can be undone, also after a crash.

A change holds the rows before and after, so one record serves for undo and redo.
"""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from samhq.serve.faults import Fault
from samhq.serve.messages import Delta, PictureState
from samhq.serve.objects import COLUMNS, Row, objects_of, state_of
from samhq.serve.project import Project, now

DEPTH = 200  #: Number of changes of a picture that can be undone.


@dataclass
class Change:
    """The rows of changed objects before and after, None where there is no object; and the draft before and after."""

    objects: list[tuple[str, Row | None, Row | None]] = field(default_factory=list)
    draft: tuple[Any, Any] | None = None

    def create(self, row: Row) -> None:
        """Adds a new object."""
        self.objects.append((row["id"], None, {column: row[column] for column in COLUMNS}))

    def delete(self, row: Row) -> None:
        """Removes an object."""
        self.objects.append((row["id"], {column: row[column] for column in COLUMNS}, None))

    def update(self, row: Row, **columns: Any) -> None:
        """Sets columns of an object; those that stay the same are left out."""
        changed = {name: value for name, value in columns.items() if row[name] != value}
        if changed:
            self.objects.append((row["id"], {name: row[name] for name in changed}, changed))

    @property
    def ids(self) -> list[str]:
        """The ids of the changed objects."""
        return list(dict.fromkeys(object_id for object_id, _, _ in self.objects))

    def packed(self) -> bytes:
        """The change as it is stored."""
        return zlib.compress(json.dumps({"objects": self.objects, "draft": self.draft}).encode(), 1)

    @classmethod
    def unpacked(cls, content: bytes) -> Change:
        """The inverse of `packed`."""
        values = json.loads(zlib.decompress(content))
        draft = values["draft"]
        return cls([tuple(rows) for rows in values["objects"]], None if draft is None else tuple(draft))


def state(project: Project, image_id: int) -> PictureState:
    """The objects of a picture with its draft, revision, undo and redo."""
    with project.transaction() as database:
        image = project.image(image_id)
        size_hw = (image["height"], image["width"])
        objects = [state_of(row, size_hw) for row in objects_of(database, image_id)]
        about = _standing(database, image)
    return PictureState.model_construct(**about, draft=_draft(image), objects=objects)


def do(project: Project, image_id: int, label: str, change: Change) -> Delta:
    """Makes a change and stores it for undo; changes that were undone before can no longer be redone."""
    with project.transaction() as database:
        image = project.image(image_id)
        if not change.objects and (change.draft is None or change.draft[0] == change.draft[1]):
            return _delta(project, image_id, [])
        applied = image["applied"]
        database.execute("DELETE FROM revision WHERE image_id = ? AND seq > ?", (image_id, applied))
        database.execute("DELETE FROM revision WHERE image_id = ? AND seq <= ?", (image_id, applied + 1 - DEPTH))
        values = (image_id, applied + 1, label, change.packed(), now())
        database.execute("INSERT INTO revision (image_id, seq, label, change, at) VALUES (?, ?, ?, ?, ?)", values)
        _apply(database, image_id, change, forward=True)
        _move_on(project, image, applied + 1)
        return _delta(project, image_id, change.ids)


def undo(project: Project, image_id: int, after: int | None = None) -> Delta:
    """Undoes the last change; `after` as in `check_revision`.

    Raises:
        Fault: there is none, or the picture was changed since `after`.
    """
    return _step(project, image_id, after, forward=False)


def redo(project: Project, image_id: int, after: int | None = None) -> Delta:
    """Redoes the change that was undone last; `after` as in `check_revision`.

    Raises:
        Fault: there is none, or the picture was changed since `after`.
    """
    return _step(project, image_id, after, forward=True)


def check_revision(image: Row, after: int | None) -> None:
    """Checks that the sender knows the newest revision of a picture, or names none.

    Raises:
        Fault: the sender knows an older revision.
    """
    if after is not None and after != image["version"]:
        raise Fault(
            409,
            f"Expected a command after revision {image['version']}, got one after {after}: the picture was changed "
            "elsewhere. Load its state again.",
            "outdated",
        )


def _step(project: Project, image_id: int, after: int | None, *, forward: bool) -> Delta:
    with project.transaction() as database:
        image = project.image(image_id)
        check_revision(image, after)
        row = _revision(database, image_id, image["applied"] + forward)
        if row is None:
            raise Fault(409, f"Expected a change to {'redo' if forward else 'undo'}, got none. Nothing was changed.")
        change = Change.unpacked(row["change"])
        _apply(database, image_id, change, forward=forward)
        _move_on(project, image, image["applied"] + (1 if forward else -1))
        return _delta(project, image_id, change.ids)


def _apply(database: sqlite3.Connection, image_id: int, change: Change, *, forward: bool) -> None:
    for object_id, before, after in change.objects if forward else reversed(change.objects):
        old, new = (before, after) if forward else (after, before)
        if new is None:
            database.execute("DELETE FROM object WHERE id = ?", (object_id,))
        elif old is None:
            _insert(database, image_id, object_id, new)
        else:
            columns = ", ".join(f"{column} = ?" for column in new)
            values = [_existing(database, column, value) for column, value in new.items()]
            database.execute(f"UPDATE object SET {columns} WHERE id = ?", (*values, object_id))
    if change.draft is not None:
        draft = change.draft[1 if forward else 0]
        content = None if draft is None else json.dumps(draft)
        database.execute("UPDATE image SET draft = ? WHERE id = ?", (content, image_id))


def _insert(database: sqlite3.Connection, image_id: int, object_id: str, row: Row) -> None:
    values = [_existing(database, column, row[column]) for column in COLUMNS]
    places = ", ".join("?" * (len(COLUMNS) + 2))
    statement = f"INSERT INTO object (id, image_id, {', '.join(COLUMNS)}) VALUES ({places})"
    database.execute(statement, (object_id, image_id, *values))


def _existing(database: sqlite3.Connection, column: str, value: Any) -> Any:
    """A column's value; a class that has been removed since is replaced by the first class."""
    if column != "class_id" or database.execute("SELECT 1 FROM class WHERE id = ?", (value,)).fetchone():
        return value
    return database.execute("SELECT id FROM class ORDER BY position, id LIMIT 1").fetchone()["id"]


def _move_on(project: Project, image: Row, applied: int) -> None:
    status = "doing" if image["status"] == "todo" else image["status"]
    project.change_image(image["id"], applied=applied, version=image["version"] + 1, status=status)


def _revision(database: sqlite3.Connection, image_id: int, seq: int) -> sqlite3.Row | None:
    query = "SELECT label, change FROM revision WHERE image_id = ? AND seq = ?"
    return database.execute(query, (image_id, seq)).fetchone()


def _standing(database: sqlite3.Connection, image: Row) -> dict[str, Any]:
    last = _revision(database, image["id"], image["applied"])
    following = _revision(database, image["id"], image["applied"] + 1)
    return {
        "revision": image["version"],
        "can_undo": last is not None,
        "can_redo": following is not None,
        "undo_label": last and last["label"],
        "redo_label": following and following["label"],
    }


def _draft(image: Row) -> dict[str, Any] | None:
    return None if image["draft"] is None else json.loads(image["draft"])


def _delta(project: Project, image_id: int, ids: Iterable[str]) -> Delta:
    with project.transaction() as database:
        image = project.image(image_id)
        size_hw = (image["height"], image["width"])
        upsert, remove = [], []
        for object_id in ids:
            query = f"SELECT id, {', '.join(COLUMNS)} FROM object WHERE id = ?"
            row = database.execute(query, (object_id,)).fetchone()
            if row is None:
                remove.append(object_id)
            else:
                upsert.append(state_of(dict(row), size_hw))
        about = _standing(database, image)
    return Delta.model_construct(**about, upsert=upsert, remove=remove, draft=_draft(image))
