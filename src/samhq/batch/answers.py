"""The computation of a sharded job: pixels of pictures in, fields of their rows out. Writes no files but embeddings.

Imports the network's modules only inside functions, so that help is fast.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from samhq.batch.objects import objects_for
from samhq.batch.places import Folder
from samhq.batch.search import NO_SEARCH, ClassThreshold, ExampleBox, TextSettings
from samhq.batch.settings import AS_IT_IS, STARTER_MODEL, BandSettings, ModelSettings
from samhq.errors import ConfigError

if TYPE_CHECKING:
    from samhq.inference.segment import Segmenter

#: Ids and pixels (uint8 [H,W,3]) of pictures to the fields of their rows: `instances` or `embedding`, as in
#: `samhq.batch.shards.schema`.
Answer = Callable[[Sequence[tuple[str, np.ndarray]]], list[dict[str, Any]]]

EMBEDDINGS = "embeddings"  #: The subfolder of a job for embeddings.


@dataclass(frozen=True)
class Question:
    """The task for every picture: find class names, segment given objects, store embeddings, or segment everything.

    `objects` are mappings with `points` [[x, y]], `labels`, `box` (x0, y0, x1, y1) and `label`, in image pixels;
    `objects_of` has those of single pictures by id, file name or stem; without `objects`, all other pictures fail.
    `automatic` has fields of `AutomaticConfig`. `embed` is the number type of stored embeddings. `batch_size` pictures
    are encoded at once. `bands` chooses and stretches channels.

    Raises:
        ConfigError: a batch size below 1, or channels that cannot be used.
    """

    model: ModelSettings = STARTER_MODEL
    text: TextSettings = NO_SEARCH
    objects: Sequence[Mapping[str, Any]] = ()
    objects_of: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    automatic: Mapping[str, Any] = field(default_factory=dict)
    embed: Literal["float32", "float16"] | None = None
    batch_size: int = 1
    bands: BandSettings = AS_IT_IS

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise ConfigError(f"Expected a batch size of 1 or more, got {self.batch_size}. The default is 1.")
        _ = self.bands.channels

    def options(self) -> dict[str, Any]:
        """The values that results depend on, as JSON values; weights by their content.

        Raises:
            ConfigError, CheckpointError, OSError: the weights or a file of boxes cannot be read.
        """
        names = ("objects", "objects_of", "automatic", "embed", "batch_size")
        settings = {name: getattr(self, name) for name in names}
        return {**settings, **self.model.options(), **self.text.search_options(), **self.bands.channels.options()}

    def record(self) -> dict[str, Any]:
        """The question as JSON values."""
        picture = self.text.like_in
        known = asdict(self)
        known["look"] = known.pop("bands")  # The key in files of jobs.
        return {**known, "text": {**known["text"], "like_in": None if picture is None else str(picture)}}

    @staticmethod
    def of_record(record: Mapping[str, Any]) -> Question:
        """The question that `record` wrote."""
        text = dict(record["text"])
        text["threshold"] = tuple(ClassThreshold(*limit) for limit in text["threshold"])
        text["like"] = tuple(ExampleBox(*box) for box in text["like"])
        text["like_in"] = Path(text["like_in"]) if text["like_in"] else None
        known = {name: record[name] for name in ("objects_of", "automatic", "embed", "batch_size")}
        bands = {name: values and tuple(values) for name, values in record["look"].items()}
        known["bands"] = BandSettings(**bands)
        return Question(ModelSettings(**record["model"]), TextSettings(**text), tuple(record["objects"]), **known)

    def on(self, device: str | None) -> Question:
        """The same question on another device; None changes nothing."""
        return self if device is None else replace(self, model=replace(self.model, device=device))

    def start(self, folder: Folder) -> Answer:
        """Loads the model and the detector, and returns the function for pictures; embeddings go into `folder`.

        Raises:
            ConfigError, CheckpointError, MissingExtraError: the model or the detector cannot be loaded.
        """
        if self.embed is not None:
            return partial(_embeddings, self.model.load(), folder, self.embed)
        if self.text.wanted:
            return self._by_search()
        if self.objects or self.objects_of:
            return self._by_prompts()
        return self._everything()

    def _by_search(self) -> Answer:
        segmenter, text = self.model.load_for_prompts(), self.text
        example = None if text.like_in is None else self.bands.picture(text.like_in)
        search = text.search(text.text, self.model.torch_device, text.examples(example))

        def answer(pictures: Sequence[tuple[str, np.ndarray]]) -> list[dict[str, Any]]:
            names, images = zip(*pictures, strict=True)
            detections_by_picture = search.detect(list(images), list(names))
            prompts = [search.prompts(detections) for detections in detections_by_picture]
            results = _segmented(segmenter, images, prompts, multimask=False, hq=self.model.hq_mode)
            return [{"instances": instances} for instances in results]

        return answer

    def _by_prompts(self) -> Answer:
        from samhq.results.prompt import Prompt
        from samhq.results.prompt_boxes import boxes_in_picture

        segmenter = self.model.load_for_prompts()
        options = {"multimask": self.model.multimask, "hq": self.model.hq_mode}

        def prompts_for(name: str, image: np.ndarray) -> list[Prompt]:
            objects = objects_for(name, self.objects, self.objects_of)
            return boxes_in_picture([Prompt(**fields) for fields in objects], (image.shape[0], image.shape[1]), name)

        def answer(pictures: Sequence[tuple[str, np.ndarray]]) -> list[dict[str, Any]]:
            prompts = [prompts_for(name, image) for name, image in pictures]
            results = _segmented(segmenter, [image for _, image in pictures], prompts, **options)
            return [{"instances": instances} for instances in results]

        return answer

    def _everything(self) -> Answer:
        from samhq.batch.everything import whole_image_config
        from samhq.inference.everything import segment_everything

        segmenter = self.model.load()
        config = whole_image_config(self.automatic, self.model, segmenter.defaults)

        def everything_in(picture: Any) -> list[dict[str, Any]]:
            result = segment_everything(picture, segmenter, config=config)
            return [_of_record(record) for record in result.as_records("coco_rle")]

        def answer(pictures: Sequence[tuple[str, np.ndarray]]) -> list[dict[str, Any]]:
            encoded = _encoded(segmenter, [image for _, image in pictures])
            return [{"instances": everything_in(picture)} for picture in encoded]

        return answer


def _embeddings(
    segmenter: Segmenter,
    folder: Folder,
    stored: Literal["float32", "float16"],
    pictures: Sequence[tuple[str, np.ndarray]],
) -> list[dict[str, Any]]:
    """Stores embeddings in the folder, in files that `EmbeddingCache` reads; a row has its file's name."""
    import tempfile

    from samhq.inference.cache import EmbeddingCache

    rows = []
    for encoded in _encoded(segmenter, [image for _, image in pictures]):
        with tempfile.TemporaryDirectory() as here:
            path = EmbeddingCache(here, stored).put(segmenter, encoded)
            folder.write(f"{EMBEDDINGS}/{path.name}", path.read_bytes())
        rows.append({"instances": [], "embedding": path.name})
    return rows


def _encoded(segmenter: Any, images: Sequence[np.ndarray]) -> list[Any]:
    """Encoded pictures; more than one are encoded at once where the model can."""
    if len(images) == 1 or not hasattr(segmenter, "encode_batch"):
        return [segmenter.encode(image) for image in images]
    return segmenter.encode_batch(images)


def _segmented(
    segmenter: Any, images: Sequence[np.ndarray], prompts: Sequence[Sequence[Any]], **options: Any
) -> list[list[dict[str, Any]]]:
    """The instances of every picture; a picture without prompts is not encoded."""
    prompted = [number for number, own in enumerate(prompts) if own]
    encoded = dict(zip(prompted, _encoded(segmenter, [images[number] for number in prompted]), strict=True))
    return [
        _of_prompts(segmenter.segment(encoded[number], prompts=own, **options)) if own else []
        for number, own in enumerate(prompts)
    ]


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
