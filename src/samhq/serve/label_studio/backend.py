"""The model behind Label Studio: answers a task's marks with regions, or labels a task on its own."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from samhq.formats.labelstudio import region, region_values
from samhq.inference.segment import EncodedImage, Segmenter
from samhq.masks import rle
from samhq.results.annotation import Annotation
from samhq.serve.inference import Inference
from samhq.serve.jobs import everything_in, found_by
from samhq.serve.label_studio.page import LabellingPage
from samhq.serve.label_studio.pictures import FetchedPictures
from samhq.serve.label_studio.prompts import ContextRegion, prompts_of
from samhq.serve.queue import Priority
from samhq.text.search import Search

#: The prediction for a task without marks: nothing, masks of everything, or the objects that the page's labels name.
Prelabel = Literal["nothing", "everything", "labels"]
_TOLERANCE = 1.0  #: pixels between a polygon and the exact border


@dataclass
class Backend:
    """A model and the pictures of one Label Studio."""

    inference: Inference
    pictures: FetchedPictures
    model_name: str | None = None
    prelabel: Prelabel = "nothing"
    detector: str | None = None
    _searches: dict[tuple[str, ...], Search] = field(default_factory=dict)

    @property
    def model_version(self) -> str:
        """The version that Label Studio shows beside a prediction.

        It is known before the model is loaded, because Label Studio compares it from its first request on.
        """
        name = "starter" if self.model_name is None else Path(self.model_name).stem
        return f"samhq-{version('samhq')}-{name}"

    async def predict(
        self, page: LabellingPage, data: dict[str, Any], marks: Sequence[ContextRegion]
    ) -> dict[str, Any]:
        """The prediction for a task: regions for a person's marks; without marks, regions as `prelabel` chooses.

        Raises:
            Fault: the picture cannot be fetched or read, or the queue is full.
        """
        find = self._find(page, marks)
        annotations: list[Annotation] = []
        if find is not None:
            picture = await asyncio.to_thread(self.pictures.fetch, page.picture_of(data))
            priority = Priority.PROMPT if marks else Priority.JOB
            work = self.inference.queue.submit(priority, lambda: self.inference.with_picture(picture.id, find))
            annotations = await asyncio.wrap_future(work)
        rotation = next((mark.image_rotation for mark in marks if mark.image_rotation is not None), 0)
        regions = [
            content | {"image_rotation": rotation}
            for annotation in annotations
            for content in _regions(page, annotation)
        ]
        scores = [annotation.confidence for annotation in annotations if annotation.confidence is not None]
        score = sum(scores) / len(scores) if scores else 0.0
        return {"result": regions, "score": score, "model_version": self.model_version}

    def _find(
        self, page: LabellingPage, marks: Sequence[ContextRegion]
    ) -> Callable[[Segmenter, EncodedImage], list[Annotation]] | None:
        """The function that finds objects in the picture, for the queue's thread; None if there is nothing to find."""
        if marks:
            return lambda model, picture: _marked(model, picture, marks)
        if self.prelabel == "nothing":
            return None
        if self.prelabel == "everything":
            return lambda model, picture: everything_in(model, picture, self._step, {})
        return lambda model, picture: found_by(self._search(page, model), model, picture, "picture")

    def _step(self, done: int, total: int) -> None:
        """Runs waiting clicks first."""
        self.inference.queue.run_urgent(Priority.JOB)

    def _search(self, page: LabellingPage, model: Segmenter) -> Search:
        if page.labels not in self._searches:
            search = Search.of(list(page.labels), detector=self.detector, device=model.model.device)
            self._searches = {page.labels: search}
        return self._searches[page.labels]


def _marked(model: Segmenter, picture: EncodedImage, marks: Sequence[ContextRegion]) -> list[Annotation]:
    prompts = prompts_of(marks, picture.frame.original_hw)
    if not prompts:
        return []
    result = model.segment(picture, prompts=prompts)
    rows = zip(result.masks, prompts, result.scores.tolist(), strict=True)
    return [Annotation(rle.encode(mask), prompt.label or "", score) for mask, prompt, score in rows]


def _regions(page: LabellingPage, annotation: Annotation) -> list[dict[str, Any]]:
    labelled = replace(annotation, label=page.label_of(annotation.label))
    return [
        region(labelled, secrets.token_hex(5), value, from_name=page.from_name, to_name=page.to_name)
        | {"readonly": False}
        for value in region_values(labelled, page.shapes, _TOLERANCE)
    ]
