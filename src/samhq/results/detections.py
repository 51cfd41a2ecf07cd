"""Boxes with classes and scores that a detector found in one picture, and the rules for choosing among them.

Values in NumPy, in pixels of the picture as it was given. Knows nothing about detectors, networks or files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from samhq.errors import ConfigError, PromptError, did_you_mean
from samhq.image.inputs import BoxesInput
from samhq.image.read import as_array
from samhq.plural import plural
from samhq.results.filters import nms
from samhq.shapes import Bool, Float32, Int64

THRESHOLD = 0.25  #: Default threshold of scores.


@dataclass(frozen=True, eq=False)
class Detections:
    """A detector's result for one picture: one row for every box.

    `boxes` (x0, y0, x1, y1) in image pixels; `scores`, mostly in 0..1; `class_ids` count from 0 and index `names`, the
    list of all classes that were searched for; `masks` come from detectors that make masks, else None.

    Raises:
        PromptError: columns of different lengths, or numbers that are not finite.
    """

    boxes: Float32[np.ndarray, "D 4"]
    scores: Float32[np.ndarray, " D"]
    class_ids: Int64[np.ndarray, " D"]
    names: tuple[str, ...]
    masks: Bool[np.ndarray, "D H W"] | None = None

    def __post_init__(self) -> None:
        counts = [len(self.boxes), len(self.scores), len(self.class_ids)]
        counts += [] if self.masks is None else [len(self.masks)]
        if len(set(counts)) != 1:
            raise PromptError(
                f"Expected a box, a score and a class for each detection, got {counts}. Check the detector."
            )
        if not (np.isfinite(self.boxes).all() and np.isfinite(self.scores).all()):
            raise PromptError(
                "Expected finite boxes and scores of detections, got NaN or infinity. Check the detector."
            )
        if len(self) and (self.class_ids.min() < 0 or self.class_ids.max() >= len(self.names)):
            raise PromptError(
                f"Expected class numbers from 0 to {len(self.names) - 1}, got {self.class_ids.min()} to "
                f"{self.class_ids.max()}. Check the detector."
            )

    @classmethod
    def of(cls, boxes: BoxesInput, scores: Any, class_ids: Any, names: Sequence[str], masks: Any = None) -> Detections:
        """Detections from lists, arrays or tensors of any number type; raises as the class itself."""
        return cls(
            as_array(boxes).reshape(-1, 4).astype(np.float32),
            as_array(scores).reshape(-1).astype(np.float32),
            as_array(class_ids).reshape(-1).astype(np.int64),
            tuple(names),
            None if masks is None else as_array(masks).astype(bool),
        )

    def __len__(self) -> int:
        return len(self.boxes)

    def __repr__(self) -> str:
        return f"Detections({plural(len(self), 'box', 'boxes')} of {', '.join(self.names)[:60]})"

    def __getitem__(self, rows: Any) -> Detections:
        """Some of the rows, by slice, numbers or a bool mask, in that order."""
        masks = None if self.masks is None else self.masks[rows]
        return replace(
            self, boxes=self.boxes[rows], scores=self.scores[rows], class_ids=self.class_ids[rows], masks=masks
        )

    @classmethod
    def none(cls, names: Sequence[str]) -> Detections:
        """Empty detections for these classes."""
        return cls.of([], [], [], names)

    @property
    def labels(self) -> tuple[str, ...]:
        """The class name of every row."""
        return tuple(self.names[number] for number in self.class_ids.tolist())

    def sorted(self) -> Detections:
        """The same rows, best score first; equal scores keep their order."""
        return self[np.argsort(-self.scores, kind="stable")]

    def renamed(self, owners: Sequence[int], names: Sequence[str]) -> Detections:
        """The same boxes with class `owners[c]` of `names` in place of class c.

        If several phrases of a class gave the same box, it stays once, with its best score.
        """
        renamed = replace(self, class_ids=np.asarray(owners, np.int64)[self.class_ids], names=tuple(names)).sorted()
        if len(set(owners)) == len(owners):
            return renamed
        keys = np.concatenate([renamed.boxes, renamed.class_ids[:, None].astype(np.float32)], axis=1)
        _, first = np.unique(keys, axis=0, return_index=True)
        return renamed[np.sort(first)]


@dataclass(frozen=True)
class Selection:
    """Which detections become objects.

    `threshold` is the lowest score to keep, and `thresholds` has other values for some classes by name. If two boxes of
    a class have an IoU above `nms`, the one with the lower score is dropped; 1 keeps all. At most `max_detections` of a
    picture stay, those with the best scores; None keeps all.

    Raises:
        ConfigError: a number outside its range.
    """

    threshold: float = THRESHOLD
    thresholds: Mapping[str, float] = field(default_factory=dict)
    nms: float = 0.8
    max_detections: int | None = 100

    def __post_init__(self) -> None:
        for what, value in (("nms", self.nms), ("a threshold", self.threshold), *self.thresholds.items()):
            if not 0 <= value <= 1:
                raise ConfigError(f"Expected {what} in 0 to 1, got {value}. Scores and overlaps have that range.")
        if self.max_detections is not None and self.max_detections < 1:
            raise ConfigError(f"Expected max_detections of 1 or more, got {self.max_detections}. None takes all.")

    @classmethod
    def of(
        cls, threshold: float | Mapping[str, float] = THRESHOLD, nms: float = 0.8, max_detections: int | None = 100
    ) -> Selection:
        """The rules with one threshold for all classes, or with thresholds by name and the default for the rest."""
        if isinstance(threshold, Mapping):
            return cls(THRESHOLD, dict(threshold), nms, max_detections)
        return cls(threshold, {}, nms, max_detections)

    def limits(self, names: Sequence[str]) -> Float32[np.ndarray, " C"]:
        """The threshold of every class.

        Raises:
            ConfigError: a threshold for a class that is not searched for.
        """
        for name in self.thresholds:
            if name not in names:
                raise ConfigError(
                    f"Expected thresholds of classes that are searched for, got {name!r}. {did_you_mean(name, names)}"
                )
        return np.array([self.thresholds.get(name, self.threshold) for name in names], np.float32)

    def apply(self, detections: Detections) -> Detections:
        """The detections to keep, best score first."""
        kept = detections[detections.scores >= self.limits(detections.names)[detections.class_ids]].sorted()
        rows = [np.flatnonzero(kept.class_ids == number) for number in np.unique(kept.class_ids)]
        if self.nms < 1:
            rows = [own[nms(kept.boxes[own], kept.scores[own], self.nms)] for own in rows]
        alive = np.sort(np.concatenate([np.zeros(0, np.int64), *rows]))
        return kept[alive[: self.max_detections]]

    def rejected(self, detections: Detections) -> str:
        """The best rejected detection beside its threshold, for a message; empty if there is none.

        >>> box = Detections.of([[1, 1, 9, 9]], [0.18], [0], ["cup"])
        >>> Selection().rejected(box)
        'closest: cup 0.18 < 0.25'
        """
        limits = self.limits(detections.names)[detections.class_ids] if len(detections) else np.zeros(0, np.float32)
        below = detections[detections.scores < limits]
        if not len(below):
            return ""
        best = below[np.array([int(below.scores.argmax())])]
        limit = float(self.limits(detections.names)[best.class_ids[0]])
        return f"closest: {best.labels[0]} {best.scores[0]:.2f} < {limit:g}"
