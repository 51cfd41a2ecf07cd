"""From labels to a training run: the data as a COCO file, and the command that trains on it, printed or started."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from samhq.errors import MissingExtraError
from samhq.serve.exports import write_training_data
from samhq.serve.faults import Fault
from samhq.serve.learning import check_packages
from samhq.serve.messages import TrainingRequest
from samhq.serve.session import Session
from samhq.storage.names import numbered
from samhq.training.config import Mode, TrainConfig
from samhq.training.plan import Schedule, ScheduleStage, Unit

LEAST_PICTURES = 2  #: From a single picture a model learns only that picture.


@dataclass(frozen=True)
class PreparedTraining:
    """A training run that is ready to be started: its arguments, folder and plan, and the numbers of its data."""

    arguments: list[str]
    output: Path
    plan: Schedule
    pictures: int
    objects: int

    @property
    def command(self) -> str:
        """The command for a shell."""
        return shlex.join(["samhq", *self.arguments])


def about_training(session: Session, class_ids: Sequence[int] | None) -> dict[str, Any]:
    """The labelled pictures and objects, of each class and of the chosen ones together; None chooses all.

    `problem` is a sentence if a run cannot be started with this choice, else None.
    """
    project = session.project
    classes = [(known["id"], known["name"], project.labelled([known["id"]])) for known in project.classes()]
    chosen = [class_id for class_id, _, _ in classes] if class_ids is None else class_ids
    pictures, objects = project.labelled(chosen)
    return {
        "classes": [
            {"id": class_id, "name": name, "pictures": counts[0], "objects": counts[1]}
            for class_id, name, counts in classes
        ],
        "pictures": pictures,
        "objects": objects,
        "least_pictures": LEAST_PICTURES,
        "problem": _missing_packages() or too_few(pictures),
    }


def too_few(pictures: int) -> str | None:
    """A sentence if this number of labelled pictures is too small to train on, else None.

    >>> too_few(2)
    """
    if pictures >= LEAST_PICTURES:
        return None
    return (
        f"Expected at least {LEAST_PICTURES} pictures with accepted objects of the chosen classes, got "
        f"{pictures or 'none'}. Label more pictures, or choose more classes."
    )


def prepare_training(session: Session, request: TrainingRequest) -> PreparedTraining:
    """Writes the labels beside the project; returns the `samhq train` arguments for them.

    The run starts from the weights that the server labels with, and writes to a new folder.

    Raises:
        Fault: there are no labels to train on, a class does not exist, or the folder's path has a line break.
    """
    folder = (session.files / "training").resolve()
    data = folder / "annotations.json"
    classes = [session.project.class_of(class_id)["id"] for class_id in request.classes or _all_classes(session)]
    pictures, objects = session.project.labelled(classes)
    if not objects:
        raise Fault(409, "Expected at least one picture with an object to train on, got none. Label some first.")
    mode: Mode = "hq" if request.what == "hq" else "finetune"
    length, plan = _length(session, request, mode)
    what = [] if mode == "hq" else ["--what", request.what]
    output = next(path for path in _folders(folder, request.name or "run") if not path.exists())
    places = ["--data", str(data), "--images", str(folder), "--output", str(output), *_channel_flags(session)]
    arguments = ["train", "--mode", mode, *what, "--init", session.models.weights, *places, *length]
    if any("\n" in argument or "\0" in argument for argument in arguments):
        raise Fault(422, "Expected a folder whose path is one line of text, got another. Rename it.")
    write_training_data(session.project, session.pictures, data, classes)
    return PreparedTraining(arguments, output, plan, pictures, objects)


def start_training(session: Session, request: TrainingRequest) -> dict[str, Any]:
    """Writes the labels, starts the run that trains on them, and returns its progress.

    Raises:
        Fault: as `prepare_training`, a run is running already, or too few pictures are labelled.
        MissingExtraError: the packages for training are not installed.
    """
    session.learning.check_free()
    pictures, _ = session.project.labelled(request.classes or _all_classes(session))
    if (problem := too_few(pictures)) is not None:
        raise Fault(409, problem)
    made = prepare_training(session, request)
    session.learning.start(made.arguments, made.output, made.plan.length, made.plan.unit)
    about = {"command": made.command, "images": made.pictures, "objects": made.objects}
    return session.learning.about() | about


def _channel_flags(session: Session) -> list[str]:
    """The flags with which a run sees the pictures as the page shows them."""
    options = session.pictures.channels.options()
    return [word for name, values in options.items() if values for word in (f"--{name}", _joined(values))]


def _joined(values: Iterable[float]) -> str:
    return ",".join(f"{value:g}" for value in values)


def _missing_packages() -> str | None:
    try:
        check_packages()
    except MissingExtraError as error:
        return str(error)
    return None


def _all_classes(session: Session) -> list[int]:
    return [known["id"] for known in session.project.classes()]


def _length(session: Session, request: TrainingRequest, mode: Mode) -> tuple[list[str], Schedule]:
    """The flags for the length of the run, and its plan.

    Raises:
        Fault: minutes or steps need the model's side, and the model is not loaded yet.
    """
    default = TrainConfig(mode=mode, data="labels")
    amount = request.minutes or request.steps
    if amount is None:
        epochs = request.epochs or default.epochs
        flags = [] if request.epochs is None else ["--epochs", f"{epochs:g}"]
        return flags, Schedule((ScheduleStage(16, default.batch, epochs, "epochs"),))
    segmenter = session.inference.loaded
    if segmenter is None:
        raise Fault(503, "Expected a model, got one that is still being loaded. Wait for it.")
    unit: Unit = "steps" if request.minutes is None else "minutes"
    stage = ScheduleStage(segmenter.side, default.batch, amount, unit)
    return ["--stages", str(stage)], Schedule((stage,))


def _folders(parent: Path, name: str) -> Iterator[Path]:
    return (parent / each for each in chain([name], numbered(name)))
