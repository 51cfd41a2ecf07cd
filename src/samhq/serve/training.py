"""From labels to a training run: the data as a COCO file, and the command that trains on it, printed or started."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from samhq.serve.exports import write_training_data
from samhq.serve.faults import Fault
from samhq.serve.messages import TrainingRequest
from samhq.serve.pictures import PictureStore
from samhq.serve.project import Project
from samhq.serve.session import Session
from samhq.storage.names import numbered
from samhq.training.config import TrainConfig


def prepare_training(
    project: Project, pictures: PictureStore, folder: Path, model: str | None, request: TrainingRequest
) -> dict[str, Any]:
    """Writes the labels into `folder`; returns the `samhq train` command for them, and the numbers of its data.

    The run starts from `model`, the server's weights, by default the starter's, and writes to a new folder.

    Raises:
        Fault: there are no labels to train on.
    """
    data = (folder / "annotations.json").resolve()
    images, objects = write_training_data(project, pictures, data)
    mode = ["--mode", "hq"] if request.what == "hq" else ["--mode", "finetune", "--what", request.what]
    begin = ["--init", "starter" if model is None else model]
    output = next(path for path in _folders(data.parent) if not path.exists())
    places = ["--data", str(data), "--images", str(data.parent), "--output", str(output)]
    length = [] if request.epochs is None else ["--epochs", f"{request.epochs:g}"]
    arguments = ["train", *mode, *begin, *places, *length]
    if any("\n" in one or "\0" in one for one in arguments):
        raise Fault(422, "Expected a folder whose path is one line of text, got another. Rename it.")
    return {"command": shlex.join(["samhq", *arguments]), "arguments": arguments, "images": images, "objects": objects}


def start_training(session: Session, request: TrainingRequest) -> dict[str, Any]:
    """Writes the labels, starts the run that trains on them, and returns its progress.

    Raises:
        Fault: as `prepare_training`, or a run is running already.
        MissingExtraError: the packages for training are not installed.
    """
    session.learning.check_free()
    folder = session.files / "training"
    made = prepare_training(session.project, session.pictures, folder, session.model_name, request)
    flags = made["arguments"][1:]
    fields = {name.removeprefix("--"): value for name, value in zip(flags[::2], flags[1::2], strict=True)}
    epochs = request.epochs or TrainConfig(mode=fields["mode"]).epochs
    session.learning.start(made["arguments"], Path(fields["output"]), epochs)
    return session.learning.about() | {key: made[key] for key in ("command", "images", "objects")}


def _folders(parent: Path) -> Iterator[Path]:
    return (parent / name for name in chain(["run"], numbered("run")))
