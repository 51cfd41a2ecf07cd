"""The models that a page can label with: the one its server was started with, and those that training runs made.

Knows nothing about requests.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from samhq.errors import SamHQError
from samhq.inference.segment import Segmenter, load
from samhq.progress import print_line
from samhq.serve.faults import nothing
from samhq.serve.inference import Inference
from samhq.serve.learning import weights_of
from samhq.serve.project import Project

STARTED = "started"  #: The id of the model that the server was started with.
_RUN = "run:"  #: The ids of models of training runs begin with this; the name of the run's folder follows.


@dataclass
class Models:
    """The models of a server. `folder` holds one folder for each training run; `started` is the first model's name.

    `load_first` and `load_file` load the first model and the file of a trained one. The choice is stored in `project`.
    """

    inference: Inference
    project: Project
    folder: Path
    started: str | None
    load_first: Callable[[], Segmenter]
    load_file: Callable[[Path], Segmenter] = load
    chosen: str = STARTED

    @property
    def weights(self) -> str:
        """The weights of the current model, as `samhq train --init` takes them."""
        if self.chosen == STARTED:
            return self.started or "starter"
        return str(self._trained()[self.chosen])

    @property
    def name(self) -> str | None:
        """The name of the current model, if it is one that a training run made."""
        return None if self.chosen == STARTED else self.chosen.removeprefix(_RUN)

    def about(self) -> list[dict[str, Any]]:
        """Id and name of every model, whether it is the current one, and whether a training run made it."""
        first = [{"id": STARTED, "name": self.started or "starter", "trained": False}]
        rest = [{"id": key, "name": key.removeprefix(_RUN), "trained": True} for key in self._trained()]
        return [row | {"current": row["id"] == self.chosen} for row in first + rest]

    def choose(self, model_id: str) -> Future[Segmenter]:
        """Loads a model in the queue's thread and labels with it from then on, as a future.

        Raises:
            Fault: there is none with this id; the queue is full.
        """
        trained = self._trained()
        if model_id != STARTED and model_id not in trained:
            raise nothing("model", model_id)

        def load() -> Segmenter:
            segmenter = self.load_first() if model_id == STARTED else self.load_file(trained[model_id])
            self.chosen = model_id
            self.project.choose_model(model_id, self.started)
            return segmenter

        return self.inference.replace_model(load)

    def load(self) -> Segmenter:
        """The model that was chosen last, or the first model if there was none or it cannot be loaded.

        Raises:
            SamHQError, OSError: the first model cannot be loaded.
        """
        if self.chosen != STARTED:
            try:
                return self.load_file(self._trained()[self.chosen])
            except (KeyError, SamHQError, OSError) as error:
                reason = "its weights are gone" if isinstance(error, KeyError) else error
                first = self.started or "starter"
                print_line(f"samhq: {self.name}, chosen last, is not loaded: {reason}; now {first}", stream=sys.stderr)
                self.chosen = STARTED
        return self.load_first()

    def _trained(self) -> dict[str, Path]:
        """The weights of the training runs by id, the oldest first."""
        folders = [path for path in self.folder.iterdir() if path.is_dir()] if self.folder.is_dir() else []
        known = [(file.stat().st_mtime, path.name, file) for path in folders if (file := weights_of(path)) is not None]
        return {f"{_RUN}{name}": file.resolve() for _, name, file in sorted(known)}
