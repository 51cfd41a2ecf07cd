"""Detections of a job's pictures, found for several pictures together shortly before each is processed.

Imports detectors only inside functions, so that help is fast.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from samhq.batch.job import Item
from samhq.batch.reading import EachReadAhead, PictureReader

if TYPE_CHECKING:
    from samhq.results.detections import Detections
    from samhq.text.search import Search

_MOST_PIXELS = 64_000_000  #: Pictures that are searched together have at most this many pixels in all.


@dataclass(frozen=True, eq=False)
class Found:
    """All detections in a picture of a size in pixels, and the seconds that finding them took."""

    size_hw: tuple[int, int]
    detections: Detections
    seconds: float


@dataclass(frozen=True)
class PictureSearch:
    """Searches pictures by path, several at once if they are announced.

    `kept` is a folder of embeddings, which stores detections too.
    """

    search: Search
    pictures: PictureReader
    kept: Path | None = None
    _waiting: dict[Path, Found] = field(default_factory=dict, init=False, repr=False)

    def announce(self, paths: Sequence[Path]) -> None:
        """Searches several pictures together, for the calls that follow.

        A picture that cannot be read is left out. If the search fails, all are. Their own calls search them again and
        report what is wrong.
        """
        self._waiting.clear()
        try:
            pictures = self._small_enough(paths)
            if len(pictures) > 1:
                self._waiting.update(self._found(pictures))
        except Exception:  # noqa: BLE001  Such as too little memory for several pictures.
            self._waiting.clear()

    def __call__(self, path: Path) -> Found:
        """All detections in a picture.

        Raises:
            ImageError, PromptError: the picture or the detector's answer cannot be used.
        """
        waiting = self._waiting.pop(path, None)
        return waiting if waiting is not None else self._found({path: self._read(path)})[path]

    def _small_enough(self, paths: Sequence[Path]) -> dict[Path, np.ndarray]:
        """The readable pictures, in order, until they have too many pixels."""
        from samhq.errors import ImageError

        pictures: dict[Path, np.ndarray] = {}
        pixels = 0
        for path in paths:
            try:
                picture = self._read(path)
            except ImageError:
                continue
            pixels += picture.shape[0] * picture.shape[1]
            if pixels > _MOST_PIXELS:
                break
            pictures[path] = picture
        return pictures

    def _read(self, path: Path) -> np.ndarray:
        from samhq.image.read import read_image

        return read_image(self.pictures(path))

    def _found(self, pictures: dict[Path, np.ndarray]) -> dict[Path, Found]:
        started, files = time.perf_counter(), [str(path) for path in pictures]
        if self.kept is None:
            detections = self.search.detect(list(pictures.values()), files)
        else:
            from samhq.text.cache import DetectionCache

            cache = DetectionCache(self.kept / "detections")
            detections = cache.get_or_detect(self.search, list(pictures.values()), files)
        seconds = (time.perf_counter() - started) / len(pictures)
        sizes = [(image.shape[0], image.shape[1]) for image in pictures.values()]
        return {path: Found(size, own, seconds) for path, size, own in zip(pictures, sizes, detections, strict=True)}


@dataclass(frozen=True)
class EachAfterSearch(EachReadAhead):
    """A job's function of one picture, whose search can be done for several pictures at once, and which reads ahead."""

    search: PictureSearch

    def prepare(self, items: Sequence[Item]) -> None:
        """Searches these pictures together; their calls follow."""
        self.search.announce([item.path for item in items])
