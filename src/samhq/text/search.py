"""A search for classes in pictures: the classes, the detector, and the rules for its boxes.

Gives boxes and prompts; other modules make masks of them.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from samhq.errors import ConfigError, PromptError, SamHQWarning
from samhq.image.boxes import as_boxes
from samhq.image.read import read_image
from samhq.results.detections import THRESHOLD, Detections, Selection
from samhq.results.prompt import Prompt
from samhq.shapes import UInt8
from samhq.storage import digest
from samhq.text.boxfile import BoxFile, is_box_file
from samhq.text.classes import Classes, as_classes
from samhq.text.detector import Detector, as_detections, detect_classes
from samhq.text.load import load_detector

FOR_EXAMPLES = "owlv2-base"  #: The default detector for examples; the general default takes only class names.
_SMALL = 16  #: In pictures up to this side all boxes may lie within 0..1.
_LEAST = 1.0  #: Boxes with a smaller side in pixels are empty.


@dataclass(frozen=True)
class Search:
    """Classes or examples, a detector, and the rules for choosing among its boxes."""

    detector: Detector | BoxFile
    classes: Classes | None
    examples: tuple[Any, ...]
    selection: Selection

    @classmethod
    def of(
        cls,
        text: Any = None,
        *,
        like: Any = None,
        detector: Any = None,
        threshold: float | Mapping[str, float] | None = None,
        thresholds: Mapping[str, float] | None = None,
        nms: float = 0.8,
        max_detections: int | None = 100,
        device: Any = None,
    ) -> Search:
        """A search for `text`, which `as_classes` reads, or for objects `like` one or several examples.

        `detector` is a value that `load_detector` takes; for examples the default is OWLv2. A file of boxes alone means
        all its classes. `threshold` is a score, or scores by class, and `thresholds` has other scores for some classes;
        by default the detector's own.

        Raises:
            PromptError: neither or both of `text` and `like`, or as `check`.
            ConfigError, CheckpointError, MissingExtraError: as `load_detector`; a number out of range; examples for a
                detector that takes none.
        """
        if text is not None and like is not None:
            raise PromptError("Expected class names (text=) or examples (like=), got both. Give one of them.")
        if text is None and like is None:
            detector = _file_of_boxes(detector)
            text = _all_classes(detector)
        classes = None if text is None else as_classes(text)
        loaded = load_detector(default_detector(detector, like), device=device)
        examples = () if like is None else tuple(like) if isinstance(like, Sequence) else (like,)
        if examples and not hasattr(loaded, "detect_like"):
            raise ConfigError(
                f"Expected a detector that takes examples, got {type(loaded).__name__}. Use detector='owlv2-base', or "
                "name the class."
            )
        base = float(getattr(loaded, "threshold", THRESHOLD))
        by_name = dict(threshold) if isinstance(threshold, Mapping) else dict(thresholds or {})
        general = base if threshold is None or isinstance(threshold, Mapping) else _score(threshold)
        search = cls(loaded, classes, examples, Selection(general, by_name, nms, max_detections))
        search.selection.limits(search.names)
        search.check()
        return search

    def check(self) -> None:
        """Checks the classes and examples, so that errors come before the first picture.

        Raises:
            ImageError, PromptError: a class that the detector cannot read, or an example that cannot be used.
        """
        if isinstance(self.detector, BoxFile):
            if self.classes is not None:
                self.detector.check_classes(self.classes)
        elif self.classes is not None and hasattr(self.detector, "check_classes"):
            self.detector.check_classes(self.classes.phrases)
        for example in self.examples:
            example_identity(example)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the classes, in order."""
        if self.classes is not None:
            return self.classes.names
        return tuple(dict.fromkeys(example.label for example in self.examples))

    @cached_property
    def identity(self) -> Any:
        """Everything that detections depend on except the picture, as JSON values; None if the detector has none.

        Raises:
            ImageError, PromptError: an example whose picture or box cannot be used.
        """
        known = getattr(self.detector, "identity", None)
        if not known:
            return None
        if self.classes is None:
            return {"detector": known, "examples": [example_identity(example) for example in self.examples]}
        return {"detector": known, "names": self.classes.names, "phrases": self.classes.by_name}

    def detect(
        self, images: Sequence[UInt8[np.ndarray, "H W 3"]], files: Sequence[str | None] | None = None
    ) -> list[Detections]:
        """All boxes of each picture from which a mask can be made, best score first, before any threshold.

        `files` are the pictures' paths, by which boxes in files are found.

        Raises:
            PromptError: boxes in 0..1, an answer of another form, or a picture that a file of boxes does not list.
        """
        detections = self._all(images, [None] * len(images) if files is None else files)
        return [usable(boxes, image.shape[:2]) for boxes, image in zip(detections, images, strict=True)]

    def _all(self, images: Sequence[np.ndarray], files: Sequence[str | None]) -> list[Detections]:
        if isinstance(self.detector, BoxFile):
            return [self._from_file(self.detector, image, file) for image, file in zip(images, files, strict=True)]
        if self.classes is None:
            return list(self.detector.detect_like(images, self.examples))  # type: ignore[attr-defined]
        return detect_classes(self.detector, images, self.classes)

    def _from_file(self, boxes: BoxFile, image: np.ndarray, file: str | None) -> Detections:
        if file is None:
            raise PromptError(
                f"Expected a picture that was given by its path, since {boxes.path} has boxes by file name, got "
                "pixels. Give the path."
            )
        assert self.classes is not None
        detections = as_detections(boxes.boxes_of(file, image.shape[:2]), self.classes.phrases)
        return detections.renamed(self.classes.owners, self.classes.names)

    def prompts(self, detections: Detections) -> list[Prompt]:
        """A prompt for every detection to keep, best score first: its box, and its mask if it has one.

        Warns:
            SamHQWarning: more boxes than `max_detections` pass the other rules.
        """
        kept = self.selection.apply(detections)
        self._report_dropped(detections, len(kept))
        masks: list[Any] = [None] * len(kept) if kept.masks is None else list(kept.masks)
        return [
            Prompt(box=box, mask=mask, label=label, score=score)
            for box, mask, label, score in zip(kept.boxes, masks, kept.labels, kept.scores.tolist(), strict=True)
        ]

    def _report_dropped(self, detections: Detections, kept: int) -> None:
        if self.selection.max_detections != kept:
            return
        passed = len(replace(self.selection, max_detections=None).apply(detections))
        if passed > kept:
            warnings.warn(
                f"Expected at most max_detections={kept} boxes in a picture, got {passed} boxes; the {kept} with the "
                f"best scores are used. For all of them give max_detections={passed}, or --max-detections {passed}.",
                SamHQWarning,
                stacklevel=2,
            )

    def rejected(self, detections: Detections) -> str:
        """The rejected detection closest to its threshold, for a message."""
        return self.selection.rejected(detections)


def default_detector(detector: Any, like: Any) -> Any:
    """The detector, or by default one that takes examples if there are any.

    >>> default_detector(None, None), default_detector(None, "example"), default_detector("folder", "example")
    (None, 'owlv2-base', 'folder')
    """
    return FOR_EXAMPLES if detector is None and like is not None else detector


def _file_of_boxes(detector: Any) -> BoxFile:
    """The boxes of a detector that is a file of boxes.

    Raises:
        PromptError: another detector, or none.
    """
    path = isinstance(detector, str | os.PathLike) and is_box_file(Path(detector))
    boxes = load_detector(detector) if path else detector
    if isinstance(boxes, BoxFile):
        return boxes
    raise PromptError(
        "Expected class names (text=), examples (like=) or a file of boxes (detector=), got none of them. Give one."
    )


def _all_classes(boxes: BoxFile) -> Classes:
    return as_classes({name: [name] for name in boxes.classes}) if boxes.classes else Classes((), (), ())


def example_identity(example: Any) -> dict[str, Any]:
    """Picture, box and label of an example as JSON values; the picture is named by a hash of its pixels.

    Raises:
        ImageError, PromptError: the picture or the box cannot be used.
    """
    image = read_image(example.image)
    box = as_boxes(example.box, (image.shape[0], image.shape[1]))[0]
    return {"picture": digest.of_array(image), "box": box.tolist(), "label": example.label}


def _score(threshold: Any) -> float:
    try:
        return float(threshold)
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"Expected a threshold as a number or by class, got {threshold!r:.60}. Write 0.25 or {{'cup': 0.35}}."
        ) from error


def usable(detections: Detections, size_hw: tuple[int, ...]) -> Detections:
    """The boxes that share at least one pixel with a picture of `size_hw`.

    Raises:
        PromptError: the boxes look like shares of the picture in 0..1.
    """
    height, width = size_hw[:2]
    if len(detections) and min(height, width) > _SMALL and detections.boxes.min() >= 0 and detections.boxes.max() <= 1:
        raise PromptError(
            "Expected boxes in pixels, got numbers in 0..1 only. Multiply x by the width and y by the height."
        )
    low = np.clip(detections.boxes[:, :2], 0, (width, height))
    high = np.clip(detections.boxes[:, 2:], 0, (width, height))
    return detections[((high - low) >= _LEAST).all(axis=1)]
