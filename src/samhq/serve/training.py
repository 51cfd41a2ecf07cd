"""From labels to a training run: the data as a COCO file, and the command that learns from it."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from samhq.serve.exports import write_training_data
from samhq.serve.faults import Fault
from samhq.serve.messages import TrainingRequest
from samhq.serve.pictures import PictureStore
from samhq.serve.project import Project


def prepare_training(
    project: Project, pictures: PictureStore, folder: Path, model: str | None, request: TrainingRequest
) -> dict[str, Any]:
    """Writes the labels into `folder`; returns the `samhq train` command that learns from them, and what it gets.

    The run begins with `model`, the weights that the server has, by default the starter's.

    Raises:
        Fault: there is nothing to learn from.
    """
    data = (folder / "annotations.json").resolve()
    images, objects = write_training_data(project, pictures, data)
    mode = ["--mode", "hq"] if request.what == "hq" else ["--mode", "finetune", "--what", request.what]
    begin = ["--init", "starter" if model is None else model]
    places = ["--data", str(data), "--images", str(data.parent), "--output", str(data.parent / "run")]
    arguments = ["train", *mode, *begin, *places]
    if any("\n" in one or "\0" in one for one in arguments):
        raise Fault(422, "Expected a folder whose path is one line of text, got another. Rename it.")
    return {"command": shlex.join(["samhq", *arguments]), "arguments": arguments, "images": images, "objects": objects}
