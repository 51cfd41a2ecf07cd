"""Detections on disk, so that a detector searches a picture for the same objects only once.

One JSON file for each picture. Its name depends on the content of the picture, the classes or examples, and the
detector with its weights. Thresholds and NMS are applied later, so they may change. Files are written atomically, so
processes may share a folder. A detector without an identity, such as a function, runs every time.
"""

from __future__ import annotations

from collections.abc import Sequence
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

    def get_or_detect(
        self,
        search: Search,
        images: Sequence[UInt8[np.ndarray, "H W 3"]],
        files: Sequence[str | None] | None = None,
    ) -> list[Detections]:
        """All that the search finds in each picture, read from the folder or computed and stored.

        The detector sees only the pictures that are not in the folder, all of them together. Detections with masks are
        not stored.

        Raises:
            PromptError: as `Search.detect`.
            OSError: the folder cannot be written.
        """
        files = [None] * len(images) if files is None else files
        paths = [self._path(search, image) for image in images]
        known = [None if path is None else _read(path, search.names) for path in paths]
        missing = [row for row, detections in enumerate(known) if detections is None]
        if missing:
            computed = search.detect([images[row] for row in missing], [files[row] for row in missing])
            for row, detections in zip(missing, computed, strict=True):
                known[row] = detections
                _write(paths[row], detections)
        return [detections for detections in known if detections is not None]

    def _path(self, search: Search, image: np.ndarray) -> Path | None:
        identity = search.identity
        if identity is None:
            return None
        return self.folder / f"{digest.of_json([VERSION, digest.of_array(image), identity])}.json"


def _write(path: Path | None, detections: Detections) -> None:
    if path is not None and detections.masks is None:
        write_json(path, _record(detections))


def _record(detections: Detections) -> dict[str, Any]:
    rows = {
        "boxes": detections.boxes.tolist(),
        "scores": detections.scores.tolist(),
        "class_ids": detections.class_ids.tolist(),
    }
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
