"""A folder of tracking results, written frame by frame: mask pictures, label maps, and a line of JSON a frame.

The lines (`frames.jsonl`) are what all other files are made of at the end. Knows nothing about networks.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from samhq.errors import ConfigError
from samhq.image.boxes import boxes_from_masks
from samhq.image.files import save_picture
from samhq.image.write import write_mask
from samhq.masks import rle
from samhq.results.label_map import palette
from samhq.storage.documents import parse_json
from samhq.storage.schema import BOX, COUNT, NUMBER, RLE, TEXT, WHOLE, WORDS, Fields, Items
from samhq.video.result import FrameMasks

LINES = "frames.jsonl"
_OBJECT = Fields({"id": WHOLE, "score": NUMBER, "area": COUNT, "bbox": BOX, "segmentation": RLE}, {"label": WORDS})
_LINE = Fields({"frame": COUNT, "name": TEXT, "objects": Items(_OBJECT)})


@dataclass(frozen=True)
class Kinds:
    """Which files are written for each frame."""

    masks: bool = True  #: masks/OBJECT/FRAME.png, 255 on the object
    label_maps: bool = True  #: labels/FRAME.png, object numbers with a palette


class ResultFolder:
    """The files of one video. Frames are added in any order; a frame that comes again with other objects gets both."""

    def __init__(self, folder: Path, kinds: Kinds) -> None:
        self.folder, self.kinds = folder, kinds
        self._lines = folder / LINES

    def clear(self) -> None:
        """Removes what an earlier run wrote, as its lines name it.

        Raises:
            ConfigError: a line is damaged.
        """
        for record in self.records():
            for path in self._paths(record["name"], [item["id"] for item in record["objects"]]):
                path.unlink(missing_ok=True)
        self._lines.unlink(missing_ok=True)

    def keep(self, count: int) -> None:
        """Cuts the lines to the first so many: those after them are written again."""
        if not self._lines.exists():
            return
        with self._lines.open("rb+") as stream:
            for _ in range(count):
                stream.readline()
            stream.truncate(stream.tell())

    def add(self, frame: FrameMasks, name: str) -> None:
        """Writes a frame's files, then its line."""
        for number, mask in zip(frame.ids, frame.masks, strict=True):
            if self.kinds.masks:
                write_mask(self._mask_path(number, name), mask)
        if self.kinds.label_maps:
            self._write_label_map(frame, self._label_path(name))
        line = json.dumps(frame_record(frame, name)) + "\n"
        with self._lines.open("a", encoding="utf-8") as stream:
            stream.write(line)

    def records(self) -> Iterator[dict[str, Any]]:
        """The whole lines written so far, in order.

        Raises:
            ConfigError: one of them is damaged.
        """
        with contextlib.suppress(FileNotFoundError), self._lines.open("rb") as stream:
            for line in stream:
                if line.endswith(b"\n"):
                    yield self._record(line)

    def __len__(self) -> int:
        return sum(1 for _ in self.records())

    def by_frame(self) -> dict[int, list[int]]:
        """For each frame where its lines begin, in bytes."""
        places: dict[int, list[int]] = {}
        with contextlib.suppress(FileNotFoundError), self._lines.open("rb") as stream:
            while line := stream.readline():
                number = self._record(line)["frame"]
                places.setdefault(number, []).append(stream.tell() - len(line))
        return dict(sorted(places.items()))

    def objects_at(self, places: list[int]) -> list[dict[str, Any]]:
        """The objects of a frame, of all its lines."""
        objects: list[dict[str, Any]] = []
        with self._lines.open("rb") as stream:
            for place in places:
                stream.seek(place)
                objects += self._record(stream.readline())["objects"]
        return objects

    def _record(self, line: bytes) -> dict[str, Any]:
        advice = "Delete the folder, or bring back a copy of the file."
        what = f"a line of {self._lines}"
        record: dict[str, Any] = parse_json(line, what, _LINE, ConfigError, advice)
        if Path(record["name"]).name != record["name"]:
            raise ConfigError(f"Expected {what} with the name of a frame, got {record['name']!r:.80}. {advice}")
        return record

    def _write_label_map(self, frame: FrameMasks, path: Path) -> None:
        values = frame.label_map()
        if path.exists():  # of another pass: its objects stay, these take what is free
            with Image.open(path) as before:
                earlier = np.array(before)
            values = np.where(earlier > 0, earlier, values)
        write_label_picture(path, values)

    def _mask_path(self, number: int, name: str) -> Path:
        return self.folder / "masks" / str(number) / f"{name}.png"

    def _label_path(self, name: str) -> Path:
        return self.folder / "labels" / f"{name}.png"

    def _paths(self, name: str, numbers: list[int]) -> list[Path]:
        return [self._label_path(name), *(self._mask_path(number, name) for number in numbers)]


def frame_record(frame: FrameMasks, name: str) -> dict[str, Any]:
    """A frame's line: its number and name, and for each object its id, score, box, area and mask as RLE."""
    boxes = boxes_from_masks(frame.masks)
    objects = []
    for number, label, mask, score, box in zip(frame.ids, frame.labels, frame.masks, frame.scores, boxes, strict=True):
        x0, y0, x1, y1 = (int(value) for value in box)
        area = int(mask.sum())
        objects.append(
            {
                "id": number,
                **({} if label is None else {"label": label}),
                "score": round(float(score), 4),
                "area": area,
                "bbox": [x0, y0, x1 - x0 + 1, y1 - y0 + 1] if area else [0, 0, 0, 0],
                "segmentation": rle.encode(mask),
            }
        )
    return {"frame": frame.index, "name": name, "objects": objects}


def write_label_picture(path: Path, values: np.ndarray) -> None:
    """A label map as PNG: 8 bits with a palette where numbers fit, else 16 bits grey.

    Raises:
        ConfigError: a number above 65535.
    """
    if values.max(initial=0) > 65535:
        raise ConfigError(f"Expected object numbers up to 65535 in label maps, got {values.max()}. Number them anew.")
    small = values.max(initial=0) < 256
    picture = Image.fromarray(values.astype(np.uint8 if small else np.uint16))
    if small:
        picture.putpalette([level for rgb in palette() for level in rgb])
    save_picture(picture, path)
