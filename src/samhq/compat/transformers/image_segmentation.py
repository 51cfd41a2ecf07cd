"""transformers' `pipeline("image-segmentation")` for SAM's models, which know no classes: names come from the caller.

With `candidate_labels` a detector finds objects of these classes, and each is segmented. Without them all objects of
the picture are segmented, and labels are numbers.

Source: pipelines/image_segmentation.py of transformers 5.23 (the form of outputs).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from PIL import Image

from samhq.compat.transformers.picture_inputs import fetched_if_address, outputs_for
from samhq.errors import ConfigError, did_you_mean
from samhq.image.read import read_image
from samhq.inference.everything import segment_everything
from samhq.inference.segment import Segmenter
from samhq.model.sam import Sam
from samhq.text.search import Search

#: The options of a call, and their defaults.
DEFAULTS: dict[str, Any] = {
    "candidate_labels": None,
    "detector": None,
    "threshold": None,
    "nms": 0.8,
    "max_detections": 100,
    "subtask": None,
    "timeout": None,
}
#: These have no effect here: pictures are processed one by one.
WITHOUT_EFFECT = ("batch_size", "num_workers", "framework", "image_processor", "processor", "use_fast")


class ImageSegmentationPipeline:
    """Segments pictures into masks with labels, with the model and default options given to it."""

    task = "image-segmentation"

    def __init__(self, model: Sam, options: Mapping[str, Any]) -> None:
        self.sam, self.options = model.eval(), _known(options)

    @property
    def device(self) -> torch.device:
        """The device of the model."""
        return self.sam.device

    def __call__(self, image: Any, **options: Any) -> Any:
        """For a picture a list of dicts, best score first; for a list of pictures a list of such lists.

        A data set, another sequence or an iterator gives such lists one by one as they are taken. Each dict has
        `label`, `score` and `mask`, a PIL image of mode L with 255 on the object.

        With `candidate_labels`, as `samhq.Segmenter.segment` takes them for text, `score` is the detector's;
        `detector`, `threshold`, `nms` and `max_detections` are as there. Without, all objects of the picture are
        segmented: labels are "mask 1", "mask 2" and so on, `score` is the predicted IoU, and `threshold` the lowest
        that counts. `subtask` may be "instance", the only one that SAM has. A picture is a path, an http(s) address
        (`timeout` in seconds applies), or whatever `samhq.image.read.read_image` takes.

        Raises:
            ImageError: a picture that cannot be read or fetched.
            PromptError: class names that cannot be used.
            ConfigError: an option that is unknown or has no meaning here.
            CheckpointError, MissingExtraError: the detector cannot be loaded.
        """
        chosen = {**DEFAULTS, **self.options, **_known(options)}
        if chosen["candidate_labels"] is None:
            _check_nothing_named(chosen)
            return outputs_for(image, partial(self._everything, chosen))
        search = Search.of(
            chosen["candidate_labels"],
            detector=chosen["detector"],
            threshold=chosen["threshold"],
            nms=chosen["nms"],
            max_detections=chosen["max_detections"],
            device=self.device,
        )
        return outputs_for(image, partial(self._found, chosen, search))

    def _found(self, chosen: Mapping[str, Any], search: Search, image: Any) -> list[dict[str, Any]]:
        from samhq.inference.by_text import segment_found

        (result,) = segment_found(Segmenter(self.sam), [fetched_if_address(image, chosen["timeout"])], search)
        rows = zip(result.labels, result.detector_scores.tolist(), result.masks, strict=True)
        return [_output(str(label), score, mask) for label, score, mask in rows]

    def _everything(self, chosen: Mapping[str, Any], image: Any) -> list[dict[str, Any]]:
        limit = {} if chosen["threshold"] is None else {"pred_iou_thresh": chosen["threshold"]}
        everything = segment_everything(read_image(fetched_if_address(image, chosen["timeout"])), self.sam, **limit)
        records = sorted(everything.records, key=lambda record: -record["predicted_iou"])
        return [
            _output(f"mask {number}", record["predicted_iou"], record["segmentation"])
            for number, record in enumerate(records, 1)
        ]


def _output(label: str, score: float, mask: np.ndarray) -> dict[str, Any]:
    return {"score": float(score), "label": label, "mask": Image.fromarray(mask.astype(np.uint8) * 255)}


def _check_nothing_named(chosen: Mapping[str, Any]) -> None:
    """Refuses options that only a search for classes uses."""
    if chosen["detector"] is not None or isinstance(chosen["threshold"], Mapping):
        option = "a detector" if chosen["detector"] is not None else "thresholds by class"
        raise ConfigError(
            f"Expected candidate_labels with {option}, got none. Write candidate_labels=['cup', 'red car']."
        )


def _known(options: Mapping[str, Any]) -> dict[str, Any]:
    named = {name: value for name, value in options.items() if name not in WITHOUT_EFFECT}
    for name in named:
        if name not in DEFAULTS:
            raise ConfigError(f"Expected an option of image segmentation, got {name!r}. {did_you_mean(name, DEFAULTS)}")
    if named.get("subtask") not in (None, "instance"):
        raise ConfigError(
            f"Expected the subtask 'instance', got {named['subtask']!r}: SAM segments objects one by one. Leave it out."
        )
    return named
