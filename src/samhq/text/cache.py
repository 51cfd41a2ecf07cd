"""Detections on disk, so that a detector searches a picture for the same classes only once.

One JSON file for each picture. Its name depends on the content of the picture, the classes, and the detector with its
weights. Thresholds and NMS are applied later, so they may change. Files are written atomically, so processes may share
a folder. A detector without an identity, such as a function, runs every time.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from samhq.errors import SamHQError
from samhq.results.detections import Detections
from samhq.shapes import UInt8
from samhq.storage import digest
from samhq.storage.atomic import write_json
from samhq.storage.documents import read_json
from samhq.storage.schema import BOX, COUNT, NUMBER, TEXT, Fields, Items
from samhq.text.search import Search

_ROWS = {"boxes": Items(BOX), "scores": Items(NUMBER), "class_ids": Items(COUNT)}
_FORM = Fields({**_ROWS, "sha256": TEXT})
VERSION = 1  #: Version of the files; files of another version are computed again.


@dataclass(frozen=True)
class DetectionCache:
    """A folder of detections."""

    folder: Path

    def get_or_detect(self, search: Search, image: UInt8[np.ndarray, "H W 3"], file: str | None = None) -> Detections:
        """All that the search finds in a picture, read from the folder or computed and stored.

        Detections with masks are not stored.

        Raises:
            PromptError: as `Search.detect`.
            OSError: the folder cannot be written.
        """
        path = self._path(search, image)
        detections = None if path is None else _read(path, search.names)
        if detections is None:
            (detections,) = search.detect([image], [file])
            if path is not None and detections.masks is None:
                write_json(path, _record(detections))
        return detections

    def _path(self, search: Search, image: np.ndarray) -> Path | None:
        identity = search.identity
        if identity is None:
            return None
        picture = digest.of_bytes(str(image.shape).encode(), np.ascontiguousarray(image).data)
        return self.folder / f"{digest.of_json([VERSION, picture, identity])}.json"


def _record(found: Detections) -> dict[str, Any]:
    rows = {"boxes": found.boxes.tolist(), "scores": found.scores.tolist(), "class_ids": found.class_ids.tolist()}
    return {**rows, "sha256": digest.of_json(rows)}


def _read(path: Path, names: tuple[str, ...]) -> Detections | None:
    """The detections in a file; None if it does not exist or fails its checks."""
    try:
        content = read_json(path, "detections", _FORM)
    except SamHQError:
        return None
    rows = {key: content[key] for key in _ROWS}
    if digest.of_json(rows) != content["sha256"]:
        return None
    return Detections.of(rows["boxes"], rows["scores"], rows["class_ids"], names)
