"""Classes, settings and pictures of a project."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from samhq.serve.faults import Fault
from samhq.serve.project import COLOURS, FIRST_CLASS, Project


def names(project: Project) -> list[str]:
    return [one["name"] for one in project.classes()]


def test_a_new_project_has_one_class(project: Project) -> None:
    assert names(project) == [FIRST_CLASS]


def test_classes_are_added_changed_and_removed(project: Project) -> None:
    cup = project.add_class("cup", key="2")
    assert cup == {"id": 2, "name": "cup", "colour": COLOURS[1], "key": "2", "position": 1, "n_objects": 0}
    assert project.change_class(2, {"name": "mug", "position": -1})["name"] == "mug"
    assert names(project) == ["mug", FIRST_CLASS]
    project.remove_class(2, None)
    assert names(project) == [FIRST_CLASS]


@pytest.mark.parametrize("name", ["Object", " object ", "OBJECT"])
def test_names_are_unique_without_case(project: Project, name: str) -> None:
    with pytest.raises(Fault, match="exists"):
        project.add_class(name)
    assert project.class_named(name) == 1
    project.add_class("cup")
    with pytest.raises(Fault, match="exists"):
        project.change_class(2, {"name": name})


def test_what_cannot_be_is_refused(project: Project) -> None:
    for refused in (
        lambda: project.add_class("  "),
        lambda: project.remove_class(1, None),
        lambda: project.change_class(9, {"name": "a"}),
        lambda: project.image(9),
    ):
        with pytest.raises(Fault):
            refused()
    assert names(project) == [FIRST_CLASS]


def test_a_transaction_that_raises_changes_nothing(project: Project) -> None:
    with pytest.raises(ZeroDivisionError), project.transaction():  # noqa: PT012
        project.add_class("cup")
        raise ZeroDivisionError
    assert names(project) == [FIRST_CLASS]


def test_everything_is_there_after_opening_again(tmp_path: Path) -> None:
    first = Project(tmp_path / "a.samhq", "a")
    first.settings = {"overlap": "newest"}
    first.add_class("cup")
    first.add_image("a.png", (8, 10), rel_path="a.png")
    first.close()
    again = Project(tmp_path / "a.samhq", "other")
    assert (again.settings, names(again)) == ({"overlap": "newest"}, [FIRST_CLASS, "cup"])
    assert again.add_image("a.png", (8, 10), rel_path="a.png") == 1
    again.close()


def test_pictures_to_do_are_those_behind_one_then_those_before_it(project: Project) -> None:
    for number, status in enumerate(("done", "todo", "todo", "skip", "doing"), 2):
        assert project.add_image(f"{number}.png", (8, 10), rel_path=f"{number}.png") == number
        project.change_image(number, status=status)
    project.change_image(4, problem="damaged")
    project.add_image("x.png", None, "no picture", rel_path="x.png")
    assert project.to_do() == [3, 6, 1]
    assert (project.to_do(1), project.to_do(3), project.to_do(5)) == ([3, 6], [6, 1], [6, 1, 3])


def test_a_full_disk_is_said_and_what_comes_later_is_stored(project: Project) -> None:
    (pages,) = project.rows("PRAGMA page_count")[0]
    project.rows(f"PRAGMA max_page_count = {pages}")
    for _ in range(2):
        with pytest.raises(Fault, match="disk is full") as raised:
            project.settings = {"notes": "x" * 100_000}
        assert (raised.value.status_code, raised.value.code) == (507, "not_stored")
    assert project.settings == {}
    project.rows("PRAGMA max_page_count = 100000")
    project.settings = {"notes": "x" * 100_000}
    project.close()
    again = Project(project.path, "a")
    assert len(again.settings["notes"]) == 100_000
    again.close()


def test_a_commit_that_fails_leaves_no_transaction_open(project: Project) -> None:
    class Full:
        """A connection whose next commit fails, as on a full disk."""

        def __init__(self, real: sqlite3.Connection) -> None:
            self.real, self.fails = real, 1

        def __getattr__(self, name: str) -> Any:
            return getattr(self.real, name)

        def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
            if statement == "COMMIT" and self.fails:
                self.fails -= 1
                raise sqlite3.OperationalError("database or disk is full")
            return self.real.execute(statement, *values)

    project._database = Full(project._database)  # type: ignore[assignment]
    with pytest.raises(Fault, match="disk is full"):
        project.settings = {"a": 1}
    project.settings = {"a": 2}
    assert not project._database.in_transaction
    project.close()
    again = Project(project.path, "a")
    assert again.settings == {"a": 2}
    again.close()
