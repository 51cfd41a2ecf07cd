"""The bodies of requests and answers, with their checks. `docs/serve-api.md` describes them for people.

Knows nothing about HTTP.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from samhq.config import HQMode
from samhq.image.boxes import rows_of_boxes, rows_of_points

MOST_POINTS = 2_000  #: of a prompt
MOST_OBJECTS = 100_000  #: of a command
COLOUR = r"^#[0-9a-fA-F]{6}$"
RUN_NAME = r"^[A-Za-z0-9][A-Za-z0-9 _-]{0,59}$"  #: of a folder that every system takes

Status = Literal["todo", "doing", "done", "skip"]
Source = Literal["point", "box", "text", "auto", "brush", "import"]
Overlap = Literal["keep", "newest", "oldest"]
Coordinate = Annotated[float, Field(allow_inf_nan=False, ge=-1e7, le=1e7)]
Score = Annotated[float, Field(allow_inf_nan=False)]


class Message(BaseModel):
    """A body that refuses fields it does not know."""

    model_config = ConfigDict(extra="forbid")


class Mask(Message):
    """COCO's compressed RLE: size (height, width), and counts column by column."""

    size: tuple[int, int]
    counts: Annotated[str, Field(max_length=1 << 26)]


def _box(value: Any) -> Any:
    """The numbers of one box; other values stay, and their type is refused later.

    Raises:
        PromptError: a box of another form.
    """
    rows: Any = [] if value is None else rows_of_boxes(value)
    return rows[0].tolist() if len(rows) == 1 else value


def _points(value: Any) -> Any:
    """Points as they came.

    Raises:
        PromptError: points of another form.
    """
    if value:
        rows_of_points(value)
    return value


class PromptFields(BaseModel):
    """A person's clicks, box and mask for one object, in pixels of the upright picture."""

    points: Annotated[list[tuple[Coordinate, Coordinate]], Field(max_length=MOST_POINTS), BeforeValidator(_points)] = []
    labels: Annotated[list[Literal[0, 1]], Field(max_length=MOST_POINTS)] = []
    box: Annotated[tuple[Coordinate, Coordinate, Coordinate, Coordinate] | None, BeforeValidator(_box)] = None
    mask: Mask | None = None
    hq: HQMode | None = None


class DecodeRequest(PromptFields, Message):
    """A prompt to decode. Of one client's waiting previews only the one with the largest `seq` is decoded."""

    seq: Annotated[int, Field(ge=0)] = 0
    client: Annotated[str, Field(max_length=64)] = ""
    kind: Literal["hover", "prompt"] = "prompt"


class MaskRequest(PromptFields, Message):
    """A prompt for a mask at full size."""

    candidate: Annotated[str, Field(max_length=8)] | None = None
    refine: bool | None = None


class Draft(PromptFields):
    """The prompt that is being made, as the page keeps it; fields of its own stay."""

    model_config = ConfigDict(extra="allow")
    candidate: Annotated[str, Field(max_length=8)] | None = None
    refine: bool | None = None
    edited: Mask | None = None


class SetDraft(Message):
    """Stores the prompt that is being made."""

    type: Literal["set_draft"]
    draft: Draft | None


class Commit(Message):
    """Makes an object of a draft, or gives an object its mask."""

    type: Literal["commit"]
    draft: Draft
    class_id: int | None = None
    overlap: Overlap | None = None
    object_id: str | None = None


class NewObject(Message):
    """A mask that becomes an object."""

    mask: Mask
    class_id: int | None = None
    label: Annotated[str, Field(max_length=200)] | None = None
    score: Score | None = None
    source: Source = "auto"


class CommitMany(Message):
    """Makes objects of suggestions: masks that are sent, or those of a job."""

    type: Literal["commit_many"]
    objects: Annotated[list[NewObject], Field(max_length=MOST_OBJECTS)] | None = None
    job_id: str | None = None
    indices: Annotated[list[Annotated[int, Field(ge=0)]], Field(max_length=MOST_OBJECTS)] | None = None
    class_id: int | None = None
    min_score: Score | None = None
    overlap: Overlap | None = None


class SetMask(Message):
    """Gives an object another mask."""

    type: Literal["set_mask"]
    id: str
    mask: Mask


class Clean(Message):
    """Fills holes and drops pieces up to these areas in pixels."""

    type: Literal["clean"]
    ids: Annotated[list[str], Field(min_length=1, max_length=MOST_OBJECTS)]
    fill_holes: Annotated[int, Field(ge=0, le=1 << 31)] = 0
    drop_specks: Annotated[int, Field(ge=0, le=1 << 31)] = 0


class Update(Message):
    """Changes the fields of objects except their masks."""

    type: Literal["update"]
    ids: Annotated[list[str], Field(min_length=1, max_length=MOST_OBJECTS)]
    class_id: int | None = None
    locked: bool | None = None
    hidden: bool | None = None
    z: int | None = None


class Delete(Message):
    """Deletes objects."""

    type: Literal["delete"]
    ids: Annotated[list[str], Field(min_length=1, max_length=MOST_OBJECTS)]


Command = Annotated[SetDraft | Commit | CommitMany | SetMask | Clean | Update | Delete, Field(discriminator="type")]


class CommandRequest(Message):
    """One command; `after` is the revision that the sender knows."""

    command: Command
    after: int | None = None


class ObjectState(Message):
    """One object of a picture."""

    id: str
    class_id: int
    mask: Mask
    bbox: tuple[int, int, int, int]
    area: int
    score: float | None
    source: Source
    z: int
    locked: bool
    hidden: bool


class Delta(Message):
    """What a command, an undo or a redo changed."""

    revision: int
    can_undo: bool
    can_redo: bool
    undo_label: str | None
    redo_label: str | None
    upsert: list[ObjectState]
    remove: list[str]
    draft: dict[str, Any] | None


class PictureState(Message):
    """The objects of a picture with its draft, revision, undo and redo."""

    revision: int
    can_undo: bool
    can_redo: bool
    undo_label: str | None
    redo_label: str | None
    draft: dict[str, Any] | None
    objects: list[ObjectState]


class PictureRow(Message):
    """A picture in the list."""

    id: int
    name: str
    width: int | None
    height: int | None
    status: Status
    n_objects: int
    encoded: bool
    error: str | None = None


class PictureChange(Message):
    """A picture's new status."""

    status: Status


class Page(Message):
    """A page, and the picture that it has open."""

    client: Annotated[str, Field(min_length=1, max_length=100)]
    image_id: int | None = None


class OpenRequest(Message):
    """A file or folder inside the folder that is served."""

    path: Annotated[str, Field(min_length=1, max_length=4096)]


class ClassFields(Message):
    """The fields of a new class; a colour is #rrggbb."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    colour: Annotated[str, Field(pattern=COLOUR)] | None = None
    key: Annotated[str, Field(max_length=1)] | None = None


class ClassChange(Message):
    """The fields of a class to change."""

    name: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    colour: Annotated[str, Field(pattern=COLOUR)] | None = None
    key: Annotated[str, Field(max_length=1)] | None = None
    position: int | None = None


class JobRequest(Message):
    """Work on one picture that takes too long for one request."""

    kind: Literal["everything", "text"]
    image_id: int
    settings: dict[str, Any] = {}


class TrainingRequest(Message):
    """The data, the length and the name of a training run; no length is the default one, no classes are all."""

    what: Literal["hq", "decoder", "all", "lora"] = "hq"
    epochs: Annotated[float, Field(allow_inf_nan=False, gt=0, le=10_000)] | None = None
    minutes: Annotated[float, Field(allow_inf_nan=False, gt=0, le=10_000)] | None = None
    steps: Annotated[int, Field(gt=0, le=10_000_000)] | None = None
    classes: Annotated[list[int], Field(min_length=1, max_length=MOST_OBJECTS)] | None = None
    name: Annotated[str, Field(pattern=RUN_NAME)] | None = None

    @model_validator(mode="after")
    def _one_length(self) -> TrainingRequest:
        if sum(length is not None for length in (self.epochs, self.minutes, self.steps)) > 1:
            raise ValueError("epochs, minutes and steps exclude each other; give one")
        return self


class ModelChoice(Message):
    """The model to label with."""

    id: Annotated[str, Field(max_length=200)]
