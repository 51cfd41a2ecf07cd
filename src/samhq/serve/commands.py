"""Commands of the page: each changes a picture's objects, or is refused.

Masks that a network has to make come with the command; knows nothing about networks or requests.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from samhq.masks import rle
from samhq.masks.finish import Finish
from samhq.results.annotation import Annotation
from samhq.serve.faults import Fault, nothing
from samhq.serve.history import Change, check_revision, do
from samhq.serve.messages import (
    Clean,
    Command,
    Commit,
    CommitMany,
    Delete,
    Delta,
    NewObject,
    Overlap,
    SetDraft,
    SetMask,
    Update,
)
from samhq.serve.objects import Row, code_of, code_of_sent_mask, mask_columns, new_id, objects_of, without
from samhq.serve.project import Project


@dataclass(frozen=True)
class MadeMask:
    """A mask made for a command: its RLE, the predicted IoU, and the id of the model run that made it."""

    code: rle.RLE
    score: float | None = None
    run_id: int | None = None


class Editing:
    """A picture's objects while a command changes them."""

    def __init__(self, project: Project, image: Row, rows: Sequence[Row]) -> None:
        self.project, self.image = project, image
        self.size_hw = (image["height"], image["width"])
        self.rows = {row["id"]: row for row in rows}
        self.change = Change()

    def row(self, object_id: str, *, unlocked: bool = True) -> Row:
        """An object's row.

        Raises:
            Fault: there is none with this id, or it is locked.
        """
        if object_id not in self.rows:
            raise nothing("object", object_id)
        if unlocked and self.rows[object_id]["locked"]:
            raise Fault(409, f"Expected an object that is not locked, got {object_id}. Unlock it first.")
        return self.rows[object_id]

    def class_id(self, requested: int | None) -> int:
        """The class of a new object: the requested one, or the first class.

        Raises:
            Fault: there is none with this id.
        """
        if requested is None:
            return self.project.rows("SELECT id FROM class ORDER BY position, id LIMIT 1")[0]["id"]
        if not self.project.rows("SELECT 1 FROM class WHERE id = ?", (requested,)):
            raise nothing("class", requested)
        return requested

    def draft(self, after: dict[str, Any] | None) -> None:
        """Sets the draft."""
        before = self.image["draft"]
        self.change.draft = (None if before is None else json.loads(before), after)

    def policy(self, overlap: Overlap | None) -> Overlap:
        """The rule for pixels that objects share: the command's, or else the project's."""
        setting = self.project.settings.get("overlap")
        return overlap or (setting if setting in ("newest", "oldest") else "keep")

    def place(self, code: rle.RLE, policy: Overlap, itself: str | None = None) -> Row | None:
        """The columns of a new mask after each shared pixel went to one object; None if no pixel is left."""
        columns = mask_columns(code)
        others = [row for row in self.rows.values() if row["id"] != itself]
        if policy == "oldest":
            left = without(columns, others, self.size_hw)
        elif policy == "newest":
            left = without(columns, [row for row in others if row["locked"]], self.size_hw)
        else:
            left = None
        columns = columns if left is None else mask_columns(left)
        if not columns["area"]:
            return None
        if policy == "newest":
            self._take_from([row for row in others if not row["locked"]], columns)
        return columns

    def _take_from(self, rows: Sequence[Row], columns: Row) -> None:
        for row in rows:
            left = without(row, [columns], self.size_hw)
            if left is None:
                continue
            changed = mask_columns(left)
            if changed["area"]:
                self.change.update(row, **changed)
                self.rows[row["id"]] = row | changed
            else:
                self.change.delete(row)
                del self.rows[row["id"]]

    def create(self, columns: Row, **about: Any) -> Row:
        """Adds an object on top of the others."""
        z = max((row["z"] for row in self.rows.values()), default=-1) + 1
        rest = {"locked": 0, "hidden": 0, "prompt": None, "run_id": None}
        row = {"id": new_id(), "z": z, **rest, **columns, **about}
        self.change.create(row)
        self.rows[row["id"]] = row
        return row


def run_command(
    project: Project,
    image_id: int,
    command: Command,
    *,
    after: int | None = None,
    made: MadeMask | None = None,
    suggestions: Sequence[NewObject] = (),
) -> Delta:
    """Runs a command in one transaction, and returns its changes.

    `made` is the mask of a `commit` whose draft has none of its own; `suggestions` are what `commit_many` takes from a
    job.

    Raises:
        Fault: the command names something that does not exist or is locked, or the picture has changed since.
    """
    with project.transaction() as database:
        image = project.image(image_id)
        check_revision(image, after)
        editing = Editing(project, image, objects_of(database, image_id))
        if isinstance(command, Commit):
            _commit(editing, command, made)
        elif isinstance(command, CommitMany):
            _commit_many(editing, command, suggestions)
        else:
            _DO[type(command)](editing, command)
        return do(project, image_id, command.type, editing.change)


def _set_draft(editing: Editing, command: SetDraft) -> None:
    editing.draft(None if command.draft is None else command.draft.model_dump())


def _commit(editing: Editing, command: Commit, made: MadeMask | None) -> None:
    draft = command.draft
    if draft.edited is not None:
        made = MadeMask(code_of_sent_mask(draft.edited, editing.size_hw), None if made is None else made.score)
    assert made is not None
    columns = editing.place(made.code, editing.policy(command.overlap), command.object_id)
    if columns is None:
        raise Fault(409, "Expected a mask with pixels of its own, got one that is empty or covered. Draw another.")
    source = "brush" if draft.edited is not None else "box" if draft.box is not None else "point"
    prompt = json.dumps(draft.model_dump(exclude={"edited"}, exclude_none=True))
    about = {"score": made.score, "source": source, "prompt": prompt, "run_id": made.run_id}
    if command.object_id is None:
        editing.create(columns, class_id=editing.class_id(command.class_id), **about)
    else:
        row = editing.row(command.object_id)
        chosen = row["class_id"] if command.class_id is None else editing.class_id(command.class_id)
        editing.change.update(row, class_id=chosen, **columns, **about)
    editing.draft(None)


def _commit_many(editing: Editing, command: CommitMany, suggestions: Sequence[NewObject]) -> None:
    policy = editing.policy(command.overlap)
    for suggestion in [*(command.objects or ()), *suggestions]:
        if command.min_score is not None and suggestion.score is not None and suggestion.score < command.min_score:
            continue
        columns = editing.place(code_of_sent_mask(suggestion.mask, editing.size_hw), policy)
        if columns is not None:
            editing.create(
                columns,
                class_id=_class_for(editing, command, suggestion),
                score=suggestion.score,
                source=suggestion.source,
            )


def _class_for(editing: Editing, command: CommitMany, suggestion: NewObject) -> int:
    if suggestion.class_id is None and suggestion.label is not None and suggestion.label.strip():
        return editing.project.class_named(suggestion.label)
    return editing.class_id(command.class_id if suggestion.class_id is None else suggestion.class_id)


def _set_mask(editing: Editing, command: SetMask) -> None:
    row = editing.row(command.id)
    editing.change.update(row, **mask_columns(code_of_sent_mask(command.mask, editing.size_hw)), source="brush")


def _clean(editing: Editing, command: Clean) -> None:
    finish = Finish(fill_holes=command.fill_holes, drop_specks=command.drop_specks)
    if not finish.changes_masks:
        raise Fault(422, "Expected fill_holes or drop_specks above 0, got neither. Give a number of pixels.")
    for object_id in dict.fromkeys(command.ids):
        row = editing.row(object_id)
        finished = Annotation(code_of(row, editing.size_hw)).finished(finish)
        editing.change.update(row, **mask_columns(finished.code))


def _update(editing: Editing, command: Update) -> None:
    given = command.model_dump(include={"class_id", "locked", "hidden", "z"}, exclude_none=True)
    if not given:
        raise Fault(422, "Expected class_id, locked, hidden or z to change, got none. Name at least one.")
    if "class_id" in given:
        editing.class_id(given["class_id"])
    given |= {name: int(given[name]) for name in ("locked", "hidden") if name in given}
    only_flags = not {"class_id", "z"} & set(given)
    for object_id in dict.fromkeys(command.ids):
        editing.change.update(editing.row(object_id, unlocked=not only_flags), **given)


def _delete(editing: Editing, command: Delete) -> None:
    for object_id in dict.fromkeys(command.ids):
        editing.change.delete(editing.row(object_id))


_DO: dict[type, Callable[[Editing, Any], None]] = {
    SetDraft: _set_draft,
    SetMask: _set_mask,
    Clean: _clean,
    Update: _update,
    Delete: _delete,
}
