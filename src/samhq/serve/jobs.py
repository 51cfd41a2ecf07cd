"""Work on a picture that takes too long for one request: masks of everything, or of objects that a text names.

A job runs in the queue's thread; prompts that arrive meanwhile run between its steps. Results of the latest jobs stay
in memory.
"""

from __future__ import annotations

import importlib.util
import secrets
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from samhq.errors import ConfigError
from samhq.extras import missing_package
from samhq.inference.everything import segment_everything
from samhq.inference.segment import EncodedImage, Segmenter
from samhq.masks import rle
from samhq.results.annotation import Annotation, annotation_from_record
from samhq.serve.faults import Fault, fault_of, nothing
from samhq.serve.inference import Inference
from samhq.serve.messages import JobRequest, Mask, NewObject, Source
from samhq.serve.pictures import PictureStore
from samhq.serve.queue import Priority
from samhq.text.search import Search

_KEPT = 32  #: Number of jobs whose results stay in memory.
_MOST_TEXT = 1_000  #: characters
_TEXT_SETTINGS = ("text", "threshold")

#: Finds objects; called with the model, the picture and what to call between steps.
Find = Callable[[Segmenter, EncodedImage, Callable[[int, int], None]], list[Annotation]]


class _CancelledError(Exception):
    """Ends a job between two steps."""


@dataclass
class Job:
    """One job: its progress, and at the end its result."""

    id: str
    kind: str
    image_id: int
    state: str = "queued"
    done: int = 0
    total: int = 0
    fault: Fault | None = None
    found: list[Annotation] = field(default_factory=list)
    future: Future[None] | None = None

    @property
    def source(self) -> Source:
        """The source of its objects: "text" or "auto"."""
        return "text" if self.kind == "text" else "auto"

    @property
    def ended(self) -> bool:
        """Whether the job has ended."""
        return self.state in ("done", "failed", "cancelled")

    def about(self) -> dict[str, Any]:
        """The job as JSON values."""
        error = None if self.fault is None else {"code": self.fault.code, "message": str(self.fault.detail)}
        names = ("id", "kind", "image_id", "state", "done", "total")
        return {name: getattr(self, name) for name in names} | {"error": error}

    def result(self) -> dict[str, Any]:
        """Its result as JSON values.

        Raises:
            Fault: it has not ended, or failed.
        """
        self.check_done()
        return {"objects": [_suggestion(annotation) for annotation in self.found]}

    def suggestions(self, indices: list[int] | None) -> Iterator[NewObject]:
        """All or some of its objects, ready to be stored.

        Raises:
            Fault: the job has not ended, or has failed; there is no object with this number.
        """
        self.check_done()
        for index in range(len(self.found)) if indices is None else indices:
            if index >= len(self.found):
                raise Fault(422, f"Expected indices below {len(self.found)}, got {index}. Fetch the result again.")
            annotation = self.found[index]
            mask = Mask(size=annotation.size_hw, counts=annotation.code["counts"])
            label = annotation.label if self.kind == "text" else None
            yield NewObject(mask=mask, label=label, score=annotation.confidence, source=self.source)

    def check_done(self) -> None:
        """Checks that there is a result.

        Raises:
            Fault: there is none.
        """
        if self.fault is not None:
            raise self.fault
        if self.state != "done":
            raise Fault(409, f"Expected a job that is done, got one that is {self.state}. Follow its events.")


class Jobs:
    """The jobs of a server."""

    def __init__(self, inference: Inference, pictures: PictureStore, detector: str | None = None) -> None:
        self._inference, self._pictures, self._detector = inference, pictures, detector
        self._jobs: OrderedDict[str, Job] = OrderedDict()

    def __getitem__(self, job_id: str) -> Job:
        if job_id not in self._jobs:
            raise nothing("job", job_id)
        return self._jobs[job_id]

    def start(self, request: JobRequest) -> Job:
        """Puts a job into the queue.

        Raises:
            Fault: the queue is full, there is no such picture, or the settings cannot be used.
        """
        self._pictures.size_hw(request.image_id)
        find = self._everything(request) if request.kind == "everything" else self._text(request)
        job = Job(secrets.token_hex(8), request.kind, request.image_id)
        job.future = self._inference.queue.submit(Priority.JOB, lambda: self._run(job, find))
        self._jobs[job.id] = job
        while len(self._jobs) > _KEPT:
            oldest = next(iter(self._jobs))
            self.cancel(oldest)
            del self._jobs[oldest]
        return job

    def cancel(self, job_id: str) -> None:
        """Ends a job at its next step; does nothing if it has ended."""
        job = self[job_id]
        if not job.ended:
            job.state = "cancelled"
            assert job.future is not None
            job.future.cancel()

    def _run(self, job: Job, find: Find) -> None:
        def step(done: int, total: int) -> None:
            job.done, job.total = done, total
            self._inference.queue.run_urgent(Priority.JOB)
            if job.state == "cancelled":
                raise _CancelledError

        if job.state == "cancelled":
            return
        job.state = "running"
        try:
            annotations = self._inference.with_picture(job.image_id, lambda model, picture: find(model, picture, step))
            step(job.total, job.total)
        except _CancelledError:
            return
        except Exception as error:  # noqa: BLE001  # Any error: the clients that follow the job get it.
            job.fault, job.state = fault_of(error), "failed"
            return
        job.found, job.state = annotations, "done"

    def _everything(self, request: JobRequest) -> Find:
        settings = request.settings
        return lambda model, picture, step: everything_in(model, picture, step, settings)

    def _text(self, request: JobRequest) -> Find:
        text, threshold = request.settings.get("text"), request.settings.get("threshold")
        unknown = sorted(set(request.settings) - set(_TEXT_SETTINGS))
        if not isinstance(text, str) or not text.strip() or len(text) > _MOST_TEXT or unknown:
            came = f"{unknown[0]!r:.40}" if unknown else f"{text!r:.80}"
            raise Fault(422, f"Expected settings text (class names with commas) and threshold, got {came}. Check them.")
        name = self._pictures.project.image(request.image_id)["name"]
        if self._detector is None and importlib.util.find_spec("transformers") is None:
            raise missing_package("transformers", "text", "finding objects by name")

        def find(model: Segmenter, picture: EncodedImage, step: Callable[[int, int], None]) -> list[Annotation]:
            step(0, 1)
            search = Search.of(text, detector=self._detector, threshold=threshold, device=model.model.device)
            return found_by(search, model, picture, name)

        return find


def everything_in(
    model: Segmenter, picture: EncodedImage, step: Callable[[int, int], None], settings: dict[str, Any]
) -> list[Annotation]:
    """Masks for everything in a picture, best predicted IoU first.

    Raises:
        Fault: the settings cannot be used.
    """
    try:
        result = segment_everything(picture, model, progress=step, **settings)
    except (ConfigError, TypeError) as error:
        raise Fault(422, str(error)) from error
    order = np.argsort(-result.scores, kind="stable").tolist()
    records = result.as_records("coco_rle")
    return [annotation_from_record(records[row]) for row in order]


def found_by(search: Search, model: Segmenter, picture: EncodedImage, name: str) -> list[Annotation]:
    """Masks with labels of the objects that a search finds, best score first; `name` is the picture in files of boxes.

    Raises:
        PromptError, SamHQError: as `Search.detect`.
    """
    (detections,) = search.detect([picture.image], [name])
    prompts = search.prompts(detections)
    if not prompts:
        return []
    result = model.segment(picture, prompts=prompts, multimask=False)
    rows = zip(result.masks, prompts, result.scores.tolist(), strict=True)
    return [
        Annotation(rle.encode(mask), prompt.label or "", score, detector_score=prompt.score)
        for mask, prompt, score in rows
    ]


def _suggestion(annotation: Annotation) -> dict[str, Any]:
    return {
        "mask": annotation.code,
        "bbox": list(annotation.bbox_xywh),
        "area": annotation.area,
        "score": annotation.confidence,
        "stability": annotation.stability,
        "label": annotation.label,
    }
