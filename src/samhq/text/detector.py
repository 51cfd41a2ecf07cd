"""The interface of detectors, and the conversion of their answers to `Detections` of the requested classes.

Knows no particular detector.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from samhq.errors import ConfigError, PromptError
from samhq.image.inputs import BoxInput, PictureInput
from samhq.image.read import as_array
from samhq.plural import plural
from samhq.results.detections import Detections
from samhq.shapes import UInt8
from samhq.text.classes import Classes, plain_phrase

_FORMS = (
    "a samhq Detections, a supervision Detections, or a dict with boxes (x0, y0, x1, y1 in pixels), scores and labels"
)


@runtime_checkable
class Detector(Protocol):
    """Anything that finds classes in pictures.

    `detect` takes pictures as uint8 RGB arrays [H,W,3] and class names, and gives one answer for each picture: a
    `Detections`, or another form that `as_detections` reads. It gives all boxes with scores above about 0.05, because
    thresholds are applied later.
    """

    def detect(self, images: Sequence[np.ndarray], classes: Sequence[str]) -> Sequence[Any]:
        """The detections in each picture."""
        ...


@dataclass(frozen=True, eq=False)
class Example:
    """An object in some picture that stands for a class: "find more like this".

    `image` is any input of `samhq.image.read.read_image`; `box` (x0, y0, x1, y1) is in its pixels. Several examples may
    have the same label.
    """

    image: PictureInput
    box: BoxInput
    label: str = "example"


@dataclass(frozen=True)
class EachPicture:
    """A function of one picture as a detector: for models that know their classes, such as YOLO's.

    `function` takes a picture, uint8 RGB [H,W,3], and gives one answer in a form that `as_detections` reads.
    """

    function: Callable[[np.ndarray], Any]

    def detect(self, images: Sequence[np.ndarray], classes: Sequence[str]) -> list[Any]:
        """The function's answer for each picture."""
        return [self.function(image) for image in images]


@dataclass(frozen=True)
class ReadyDetections:
    """Existing detections, one answer for each picture in order, as a detector for those pictures."""

    answers: Sequence[Any]

    def detect(self, images: Sequence[np.ndarray], classes: Sequence[str]) -> list[Any]:
        """The answers; there must be one for each picture."""
        if len(images) != len(self.answers):
            raise PromptError(
                f"Expected detections of {plural(len(images), 'picture')}, got {len(self.answers)}. Give one for each "
                "picture."
            )
        return list(self.answers)


def detect_classes(
    detector: Detector, images: Sequence[UInt8[np.ndarray, "H W 3"]], classes: Classes
) -> list[Detections]:
    """All that a detector finds of the classes in each picture, best score first, before any threshold.

    The detector searches for phrases, and each phrase's boxes get the name of its class.

    Raises:
        PromptError: answers of another number or form.
    """
    answers = list(detector.detect(images, classes.phrases))
    if len(answers) != len(images):
        raise PromptError(
            f"Expected an answer for each of {len(images)} pictures from {type(detector).__name__}.detect, got "
            f"{len(answers)}. Return a list with one entry for each picture."
        )
    return [as_detections(answer, classes.phrases).renamed(classes.owners, classes.names) for answer in answers]


def as_detections(answer: Any, names: Sequence[str]) -> Detections:
    """One picture's answer as `Detections` of `names`; boxes of other classes are left out.

    Classes are matched by name, ignoring case and punctuation, if the answer has names; otherwise by their number in
    `names`.

    Raises:
        PromptError: another form, or columns of different lengths.
    """
    if isinstance(answer, Detections):
        return _by_name(answer.boxes, answer.scores, answer.labels, answer.masks, names)
    if hasattr(answer, "xyxy") and hasattr(answer, "confidence"):
        return _from_supervision(answer, names)
    if isinstance(answer, Mapping) and {"boxes", "scores"} <= answer.keys():
        # transformers' own "labels" may be strings too, and reading it gives a warning.
        labels = answer.get("text_labels")
        if labels is None:
            labels = answer.get("labels")
        if labels is not None:
            return _by_name(answer["boxes"], answer["scores"], labels, answer.get("masks"), names)
    raise PromptError(f"Expected a detector's answer as {_FORMS}, got {type(answer).__name__}. Convert the answer.")


def _from_supervision(answer: Any, names: Sequence[str]) -> Detections:
    """From supervision's `Detections`: class names if it has them, scores 1 if it has none."""
    count = len(answer.xyxy)
    scores = np.ones(count, np.float32) if answer.confidence is None else answer.confidence
    labels = (getattr(answer, "data", None) or {}).get("class_name")
    if labels is None:
        labels = answer.class_id
    if labels is None and count:
        raise PromptError("Expected classes in the supervision Detections, got none. Set class_id or class_name.")
    return _by_name(answer.xyxy, scores, [] if labels is None else labels, getattr(answer, "mask", None), names)


def _by_name(boxes: Any, scores: Any, labels: Any, masks: Any, names: Sequence[str]) -> Detections:
    listed = labels.tolist() if hasattr(labels, "tolist") else list(labels)
    numbers = {plain_phrase(name): number for number, name in enumerate(names)}
    ids = np.array([_number(label, numbers, len(names)) for label in listed], np.int64)
    boxes, scores = as_array(boxes).reshape(-1, 4), as_array(scores).reshape(-1)
    if not len(boxes) == len(scores) == len(ids):
        raise PromptError(
            f"Expected a box, a score and a class for each detection, got {len(boxes)}, {len(scores)} and {len(ids)}. "
            "Check the detector."
        )
    known = ids >= 0
    masks = None if masks is None else as_array(masks)[known]
    return Detections.of(boxes[known], scores[known], ids[known], names, masks)


def _number(label: Any, numbers: Mapping[str, int], count: int) -> int:
    """The index of a class among the requested ones; -1 for another class."""
    if isinstance(label, str):
        return numbers.get(plain_phrase(label), -1)
    return int(label) if 0 <= label < count else -1


def check_detector(detector: Any) -> Detector:
    """The object as a detector: an object that detects, a function of one picture, or a ready answer.

    Raises:
        ConfigError: another object.
    """
    if isinstance(detector, Detector):
        return detector
    if isinstance(detector, Detections) or (hasattr(detector, "xyxy") and hasattr(detector, "confidence")):
        return ReadyDetections([detector])
    if callable(detector):
        return EachPicture(detector)
    raise ConfigError(
        f"Expected a detector: a name, a folder, a file of boxes, a function of a picture, or an object with "
        f"detect(images, classes), got {type(detector).__name__}. See docs/text.md."
    )
