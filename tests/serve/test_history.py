"""Undo and redo: random commands taken back and made again give the same states, also after opening again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from samhq.masks import rle
from samhq.serve import history
from samhq.serve.commands import run_command
from samhq.serve.faults import Fault
from samhq.serve.messages import Clean, CommitMany, Delete, Mask, NewObject, SetDraft, SetMask, Update
from samhq.serve.project import Project

SIZE = (8, 10)


def mask(random: np.random.Generator) -> Mask:
    drawn = random.random(SIZE) < 0.3
    drawn[0, 0] = True
    return Mask(size=SIZE, counts=rle.encode(drawn)["counts"])


def random_command(random: np.random.Generator, ids: list[str], number: int) -> Any:
    kinds = ["add", "draft"] + (["mask", "clean", "update", "delete"] if ids else [])
    kind = kinds[random.integers(len(kinds))]
    one = ids[random.integers(len(ids))] if ids else ""
    if kind == "add":
        policy = ("keep", "newest", "oldest")[random.integers(3)]
        objects = [NewObject(mask=mask(random), score=float(number)) for _ in range(random.integers(1, 4))]
        return CommitMany(type="commit_many", objects=objects, overlap=policy)
    return {
        "draft": SetDraft(type="set_draft", draft={"points": [(number, 1)], "labels": [1], "own": number}),
        "mask": SetMask(type="set_mask", id=one, mask=mask(random)),
        "clean": Clean(type="clean", ids=[one], fill_holes=3, drop_specks=2),
        "update": Update(type="update", ids=ids or ["none"], hidden=bool(number % 2), z=number),
        "delete": Delete(type="delete", ids=[one]),
    }[kind]


def seen(project: Project) -> dict[str, Any]:
    return history.state(project, 1).model_dump(
        exclude={"revision", "can_undo", "can_redo", "undo_label", "redo_label"}
    )


@pytest.mark.parametrize("seed", range(6))
def test_undo_and_redo_visit_the_same_states(seed: int, project: Project) -> None:
    random, states = np.random.default_rng(seed), [seen(project)]
    for number in range(30):
        before = history.state(project, 1)
        command = random_command(random, [one.id for one in before.objects], number)
        delta = run_command(project, 1, command, after=before.revision)
        if delta.revision != before.revision:
            states.append(seen(project))
        assert {one.id for one in delta.upsert} <= {one.id for one in history.state(project, 1).objects}
    for expected in states[-2::-1]:
        history.undo(project, 1)
        assert seen(project) == expected
    with pytest.raises(Fault, match="undo"):
        history.undo(project, 1)
    for expected in states[1:]:
        history.redo(project, 1)
        assert seen(project) == expected
    with pytest.raises(Fault, match="redo"):
        history.redo(project, 1)


def draft(project: Project, number: int) -> None:
    run_command(project, 1, SetDraft(type="set_draft", draft={"own": number}))


def test_it_survives_opening_again(tmp_path: Path) -> None:
    project = Project(tmp_path / "a.samhq", "a")
    project.add_image("a.png", SIZE, rel_path="a.png")
    for number in range(3):
        draft(project, number)
    history.undo(project, 1)
    project.close()
    again = Project(tmp_path / "a.samhq", "a")
    assert history.state(again, 1).draft["own"] == 1
    assert history.redo(again, 1).draft["own"] == 2
    assert history.undo(again, 1).draft["own"] == 1
    again.close()


def test_a_new_command_ends_redo(project: Project) -> None:
    draft(project, 0)
    draft(project, 1)
    history.undo(project, 1)
    draft(project, 2)
    assert not history.state(project, 1).can_redo
    assert history.undo(project, 1).draft["own"] == 0


def test_so_many_can_be_undone(project: Project) -> None:
    for number in range(history.DEPTH + 10):
        draft(project, number)
    for _ in range(history.DEPTH):
        history.undo(project, 1)
    assert history.state(project, 1).draft["own"] == 9
    assert not history.state(project, 1).can_undo


def test_what_changes_nothing_is_no_revision(project: Project) -> None:
    draft(project, 1)
    before = history.state(project, 1)
    draft(project, 1)
    assert history.state(project, 1) == before


def test_a_sender_that_knows_an_older_state_is_refused(project: Project) -> None:
    draft(project, 1)
    with pytest.raises(Fault, match="changed elsewhere"):
        run_command(project, 1, SetDraft(type="set_draft", draft=None), after=0)


def test_an_object_of_a_class_that_was_removed_comes_back_in_the_first(project: Project) -> None:
    cup = project.add_class("cup")["id"]
    objects = [NewObject(mask=mask(np.random.default_rng(0)), class_id=cup)]
    one = run_command(project, 1, CommitMany(type="commit_many", objects=objects)).upsert[0].id
    run_command(project, 1, Delete(type="delete", ids=[one]))
    project.remove_class(cup, None)
    assert history.undo(project, 1).upsert[0].class_id == 1
