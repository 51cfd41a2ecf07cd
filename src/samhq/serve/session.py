"""The state of a running server: project, pictures, model, jobs. Created once and passed to the routes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from samhq.checkpoint.fingerprint import weights_hash
from samhq.image.channels import AS_SHOWN, Channels
from samhq.inference.cache import EmbeddingCache
from samhq.inference.segment import Segmenter
from samhq.inference.segment import load as load_model
from samhq.serve.guard import Rules
from samhq.serve.inference import Inference
from samhq.serve.jobs import Jobs
from samhq.serve.learning import LearningRuns
from samhq.serve.models import STARTED, Models
from samhq.serve.pictures import PictureStore
from samhq.serve.places import Root
from samhq.serve.presence import Presence
from samhq.serve.project import Project
from samhq.storage.locks import only_one

MOST_PIXELS = 100_000_000
PROJECT_FILE = "project.samhq"


@dataclass
class Session:
    """A project with the model that labels it.

    `files` is the folder beside the project for uploads, embeddings and training data.
    """

    project: Project
    pictures: PictureStore
    inference: Inference
    jobs: Jobs
    files: Path
    rules: Rules
    models: Models
    learning: LearningRuns = field(default_factory=LearningRuns)
    presence: Presence = field(default_factory=Presence)
    _run: tuple[Segmenter, int] | None = None
    _open: ExitStack = field(default_factory=ExitStack)  #: The project and its lock.

    @classmethod
    def open(
        cls,
        folder: Path | None,
        project: Path,
        load: Callable[[], Segmenter],
        rules: Rules,
        *,
        most_pixels: int = MOST_PIXELS,
        model_name: str | None = None,
        load_file: Callable[[Path], Segmenter] = load_model,
        detector: str | None = None,
        channels: Channels = AS_SHOWN,
    ) -> Session:
        """The session of a project file, with the pictures of a folder.

        `load` gives the model, which is called `model_name`; `load_file` gives one that was trained on the page. The
        session begins with the model that was chosen last by a session with the same `model_name`. `channels` says how
        pictures are shown, on the page and to the model.

        Raises:
            ConfigError: no such folder, a file that is no project, or a project that another session has open.
        """
        root = None if folder is None else Root(folder)
        with ExitStack() as stack:
            opened = Project(project, project.stem if root is None else root.folder.name)
            stack.callback(opened.close)
            files = project.with_name(f"{project.name}-files")
            stack.enter_context(_only_session(project, files))
            pictures = PictureStore(opened, root, files / "uploads", most_pixels, channels)
            pictures.add_folder()
            inference = Inference(load, pictures, EmbeddingCache(files / "embeddings"))
            jobs = Jobs(inference, pictures, detector)
            chosen = opened.chosen_model(model_name) or STARTED
            models = Models(inference, opened, files / "training", model_name, load, load_file, chosen)
            inference.load = models.load
            return cls(opened, pictures, inference, jobs, files, rules, models, _open=stack.pop_all())

    def start(self) -> None:
        """Starts to load the model in the background."""
        self.inference.start()

    def close(self) -> None:
        """Ends a training run and the thread, and closes the project."""
        self.learning.close()
        self.inference.queue.stop()
        self._open.close()

    def run_id(self) -> int | None:
        """The number of the loaded model in the project."""
        segmenter = self.inference.loaded
        if segmenter is None:
            return None
        if self._run is None or self._run[0] is not segmenter:
            weights = weights_hash(segmenter.model)
            self._run = segmenter, self.project.model_run(segmenter.name, weights, version("samhq"))
        return self._run[1]

    def about_model(self) -> dict[str, Any]:
        """The model's facts for the page."""
        segmenter, failed = self.inference.loaded, self.inference.failed
        if segmenter is None:
            error = None if failed is None else str(failed)
            unknown = dict.fromkeys(("hq", "side", "refines_boxes"))
            name = self.models.name or self.models.started or "starter"
            return {"name": name, "ready": False, "error": error} | unknown
        return {
            "name": self.models.name or segmenter.name,
            "ready": True,
            "error": None,
            "hq": segmenter.model.config.hq,
            "side": segmenter.side,
            "refines_boxes": segmenter.defaults.refine_margin is not None,
        }


def _only_session(project: Path, files: Path) -> AbstractContextManager[None]:
    """The lock of a project, in the folder beside it.

    Raises:
        ConfigError: another session has it.
    """
    refusal = (
        f"Expected a project that no other server has open, got {project}, which another samhq serve uses now. Use the "
        "page of that server, end it, or name another file with --project."
    )
    return only_one(files, "serving", refusal)
