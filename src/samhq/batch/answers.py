"""What a sharded job asks of every picture: pixels in, rows of instances out. No files.

Light until it is used: the network's side is imported inside functions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from samhq.batch.search import NO_SEARCH, ClassThreshold, ExampleBox, TextSettings
from samhq.batch.settings import STARTER_MODEL, ModelSettings

#: Instances of a picture (uint8 [H,W,3]) with this id: mappings with the fields of `samhq.batch.shards.INSTANCE`.
Answer = Callable[[np.ndarray, str], list[dict[str, Any]]]


@dataclass(frozen=True)
class Question:
    """What is asked of every picture: class names, objects by points and boxes, or without both everything.

    `objects` are mappings with `points` [[x, y]], `labels`, `box` (x0, y0, x1, y1) and `label`, in image pixels;
    `objects_of` has those of single pictures by id. `automatic` has fields of `AutomaticConfig`.
    """

    model: ModelSettings = STARTER_MODEL
    text: TextSettings = NO_SEARCH
    objects: Sequence[Mapping[str, Any]] = ()
    objects_of: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    automatic: Mapping[str, Any] = field(default_factory=dict)

    def options(self) -> dict[str, Any]:
        """The values that results depend on, as JSON values; weights by their content.

        Raises:
            ConfigError, CheckpointError, OSError: the weights or a file of boxes cannot be read.
        """
        asked = {"objects": self.objects, "objects_of": self.objects_of, "automatic": self.automatic}
        return {**asked, **self.model.options(), **self.text.search_options()}

    def record(self) -> dict[str, Any]:
        """The question as JSON values."""
        picture = self.text.like_in
        known = asdict(self)
        return {**known, "text": {**known["text"], "like_in": None if picture is None else str(picture)}}

    @staticmethod
    def of_record(record: Mapping[str, Any]) -> Question:
        """The question that `record` wrote."""
        text = dict(record["text"])
        text["threshold"] = tuple(ClassThreshold(*limit) for limit in text["threshold"])
        text["like"] = tuple(ExampleBox(*box) for box in text.get("like", ()))
        text["like_in"] = Path(text["like_in"]) if text.get("like_in") else None
        known = {name: record[name] for name in ("objects_of", "automatic")}
        return Question(ModelSettings(**record["model"]), TextSettings(**text), tuple(record["objects"]), **known)

    def start(self) -> Answer:
        """Loads what is needed, and gives the function for one picture.

        Raises:
            ConfigError, CheckpointError, MissingExtraError: the model or the detector cannot be loaded.
        """
        if self.text.wanted:
            return self._by_search()
        if self.objects or self.objects_of:
            return self._by_prompts()
        return self._everything()

    def _by_search(self) -> Answer:
        segmenter, text = self.model.load_for_prompts(), self.text
        search = text.search(text.text, self.model.torch_device, text.examples())

        def answer(image: np.ndarray, name: str) -> list[dict[str, Any]]:
            (found,) = search.detect([image], [name])
            prompts = search.prompts(found)
            if not prompts:
                return []
            result = segmenter.segment(image, prompts=prompts, multimask=False, hq=self.model.hq_mode)
            return _of_prompts(result)

        return answer

    def _by_prompts(self) -> Answer:
        from samhq.results.prompt import Prompt

        segmenter = self.model.load_for_prompts()

        def answer(image: np.ndarray, name: str) -> list[dict[str, Any]]:
            prompts = [Prompt(**item) for item in self.objects_of.get(name, self.objects)]
            if not prompts:
                return []
            result = segmenter.segment(image, prompts=prompts, multimask=self.model.multimask, hq=self.model.hq_mode)
            return _of_prompts(result)

        return answer

    def _everything(self) -> Answer:
        from samhq.batch.everything import whole_image_config
        from samhq.inference.everything import segment_everything

        segmenter = self.model.load()
        config = whole_image_config(self.automatic, self.model, segmenter.defaults)

        def answer(image: np.ndarray, name: str) -> list[dict[str, Any]]:
            result = segment_everything(image, segmenter, config=config)
            return [_of_record(record) for record in result.as_records("coco_rle")]

        return answer


def _of_prompts(result: Any) -> list[dict[str, Any]]:
    """A row for the best mask of every prompt."""
    from samhq.masks import rle

    rows = []
    for number, (mask, score) in enumerate(zip(result.masks, result.scores.tolist(), strict=True)):
        code = rle.encode(mask)
        row = _row(code, score) | {"prompt": number, "label": result.prompts[number].label}
        rows.append(row | {"score": result.prompts[number].score})
    return rows


def _of_record(record: Mapping[str, Any]) -> dict[str, Any]:
    """A row for one of segment-anything's records."""
    return _row(record["segmentation"], record["predicted_iou"]) | {"stability": record["stability_score"]}


def _row(code: Mapping[str, Any], iou: float) -> dict[str, Any]:
    from pycocotools import mask as coco

    counts = code["counts"]
    packed = {"size": list(code["size"]), "counts": counts if isinstance(counts, bytes) else counts.encode("ascii")}
    box = coco.toBbox(packed).tolist()
    return {"counts": packed["counts"], "bbox": box, "area": int(coco.area(packed)), "iou": float(iou)}
