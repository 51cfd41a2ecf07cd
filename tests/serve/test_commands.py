"""What commands do to objects, and what they refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from samhq.masks import rle
from samhq.serve import history
from samhq.serve.commands import MadeMask, run_command
from samhq.serve.faults import Fault
from samhq.serve.messages import Clean, Commit, CommitMany, Delete, Mask, NewObject, SetDraft, SetMask, Update
from samhq.serve.project import Project

SIZE = (8, 10)


def drawn(*window: int) -> Mask:
    mask = np.zeros(SIZE, bool)
    x0, y0, x1, y1 = window
    mask[y0:y1, x0:x1] = True
    return Mask(size=SIZE, counts=rle.encode(mask)["counts"])


def add(project: Project, *window: int, **fields: Any) -> Any:
    policy = fields.pop("overlap", None)
    one = NewObject(mask=drawn(*window), **fields)
    return run_command(project, 1, CommitMany(type="commit_many", objects=[one], overlap=policy))


def areas(project: Project) -> list[int]:
    return [one.area for one in history.state(project, 1).objects]


def test_commit_makes_an_object_and_clears_the_draft(project: Project) -> None:
    run_command(project, 1, SetDraft(type="set_draft", draft={"points": [(1, 1)], "labels": [1]}))
    made = MadeMask({"size": list(SIZE), "counts": drawn(0, 0, 4, 4).counts}, 0.9)
    draft = {"points": [(1, 1)], "labels": [1]}
    delta = run_command(project, 1, Commit(type="commit", draft=draft), made=made)
    (one,) = delta.upsert
    assert (one.area, one.bbox, one.score, one.source, one.class_id) == (16, (0, 0, 4, 4), 0.9, "point", 1)
    assert delta.draft is None
    undone = history.undo(project, 1)
    assert (undone.remove, undone.draft["points"]) == ([one.id], [[1, 1]])


def test_commit_takes_a_painted_mask_as_it_is(project: Project) -> None:
    delta = run_command(project, 1, Commit(type="commit", draft={"edited": drawn(1, 1, 3, 4).model_dump()}))
    assert (delta.upsert[0].area, delta.upsert[0].source) == (6, "brush")


def test_commit_replaces_the_mask_of_an_object(project: Project) -> None:
    one = add(project, 0, 0, 2, 2).upsert[0].id
    draft = {"edited": drawn(0, 0, 5, 5).model_dump()}
    delta = run_command(project, 1, Commit(type="commit", draft=draft, object_id=one, overlap="oldest"))
    assert [(obj.id, obj.area) for obj in delta.upsert] == [(one, 25)]


@pytest.mark.parametrize(("policy", "expected"), [("keep", [16, 16]), ("newest", [12, 16]), ("oldest", [16, 12])])
def test_shared_pixels(project: Project, policy: str, expected: list[int]) -> None:
    add(project, 0, 0, 4, 4)
    add(project, 2, 2, 6, 6, overlap=policy)
    assert areas(project) == expected


def test_the_project_says_what_happens_to_shared_pixels(project: Project) -> None:
    project.settings = {"overlap": "newest"}
    add(project, 0, 0, 4, 4)
    add(project, 2, 2, 6, 6)
    assert areas(project) == [12, 16]


def test_objects_that_are_covered_go_and_come_back(project: Project) -> None:
    first = add(project, 1, 1, 3, 3).upsert[0].id
    delta = add(project, 0, 0, 4, 4, overlap="newest")
    assert delta.remove == [first]
    assert history.undo(project, 1).upsert[0].id == first


def test_locked_objects_lose_nothing(project: Project) -> None:
    one = add(project, 0, 0, 4, 4).upsert[0].id
    run_command(project, 1, Update(type="update", ids=[one], locked=True))
    add(project, 2, 2, 6, 6, overlap="newest")
    assert areas(project) == [16, 12]
    for refused in (
        Delete(type="delete", ids=[one]),
        SetMask(type="set_mask", id=one, mask=drawn(0, 0, 1, 1)),
        Clean(type="clean", ids=[one], fill_holes=1),
        Update(type="update", ids=[one], class_id=1),
    ):
        with pytest.raises(Fault, match="locked"):
            run_command(project, 1, refused)
    run_command(project, 1, Update(type="update", ids=[one], locked=False, hidden=True))
    run_command(project, 1, Delete(type="delete", ids=[one]))


def test_labels_become_classes(project: Project) -> None:
    add(project, 0, 0, 2, 2, label="red cup")
    add(project, 0, 0, 2, 2, label="Red Cup")
    assert [(one["name"], one["n_objects"]) for one in project.classes()] == [("object", 0), ("red cup", 2)]


def test_suggestions_below_a_score_are_left_out(project: Project) -> None:
    objects = [NewObject(mask=drawn(0, 0, 1, 1), score=score) for score in (0.2, 0.8)]
    run_command(project, 1, CommitMany(type="commit_many", objects=objects, min_score=0.5))
    assert len(areas(project)) == 1


def test_holes_and_specks(project: Project) -> None:
    mask = np.zeros(SIZE, bool)
    mask[0:5, 0:5] = True
    mask[2, 2] = False
    mask[7, 9] = True
    one = add(project, 0, 0, 1, 1).upsert[0].id
    code = Mask(size=SIZE, counts=rle.encode(mask)["counts"])
    run_command(project, 1, SetMask(type="set_mask", id=one, mask=code))
    run_command(project, 1, Clean(type="clean", ids=[one], fill_holes=1, drop_specks=2))
    assert areas(project) == [25]


@pytest.mark.parametrize(
    "command",
    [
        Delete(type="delete", ids=["no"]),
        Update(type="update", ids=["no"], z=1),
        Update(type="update", ids=["no"]),
        SetMask(type="set_mask", id="no", mask=drawn(0, 0, 1, 1)),
        Clean(type="clean", ids=["no"]),
        CommitMany(type="commit_many", objects=[NewObject(mask=drawn(0, 0, 1, 1), class_id=9)]),
        Commit(type="commit", draft={"edited": drawn(0, 0, 0, 0).model_dump()}),
    ],
)
def test_what_cannot_be_changes_nothing(project: Project, command: Any) -> None:
    before = history.state(project, 1)
    with pytest.raises(Fault, match="Expected"):
        run_command(project, 1, command)
    assert history.state(project, 1) == before
