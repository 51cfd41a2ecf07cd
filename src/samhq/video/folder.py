"""A folder of tracking results, written frame by frame: mask pictures, label maps, and a line of JSON a frame.

All other files are made from the lines (`frames.jsonl`) at the end. Knows nothing about networks.
"""

from __future__ import annotations

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
from samhq.storage.json_lines import JsonLines
from samhq.storage.schema import BOX, COUNT, NUMBER, RLE, TEXT, WHOLE, WORDS, Fields, Items
from samhq.video.result import FrameMasks

LINES = "frames.jsonl"
_ADVICE = "Delete the folder, or bring back a copy of the file."
_OBJECT = Fields({"id": WHOLE, "score": NUMBER, "area": COUNT, "bbox": BOX, "segmentation": RLE}, {"label": WORDS})
_LINE = Fields({"frame": COUNT, "name": TEXT, "objects": Items(_OBJECT)})


@dataclass(frozen=True)
class Kinds:
    """Which files are written for each frame."""

    masks: bool = True  #: masks/OBJECT/FRAME.png, 255 on the object
    label_maps: bool = True  #: labels/FRAME.png, object numbers with a palette


class ResultFolder:
    """The files of one video. Frames are added in any order; a frame that is added twice has the objects of both."""

    def __init__(self, folder: Path, kinds: Kinds) -> None:
        self.folder, self.kinds = folder, kinds
        self._lines = JsonLines(folder / LINES, _LINE, "a line", ConfigError, _ADVICE)

    def clear(self) -> None:
        """Deletes the files of an earlier run that its lines name, and the lines.

        Raises:
            ConfigError: a line is damaged.
        """
        for record in self.records():
            for path in self._paths(record["name"], [item["id"] for item in record["objects"]]):
                path.unlink(missing_ok=True)
        self._lines.path.unlink(missing_ok=True)

    def keep(self, count: int) -> None:
        """Removes all lines after the first `count`; their frames are written again."""
        self._lines.cut(count)

    def add(self, frame: FrameMasks, name: str) -> None:
        """Writes a frame's files, then its line."""
        for number, mask in zip(frame.ids, frame.masks, strict=True):
            if self.kinds.masks:
                write_mask(self._mask_path(number, name), mask)
        if self.kinds.label_maps:
            self._write_label_map(frame, self._label_path(name))
        self._lines.append(frame_record(frame, name))

    def records(self) -> Iterator[dict[str, Any]]:
        """The complete lines written so far, in order.

        Raises:
            ConfigError: one of them is damaged.
        """
        return map(self._checked, self._lines)

    def __len__(self) -> int:
        return sum(1 for _ in self.records())

    def by_frame(self) -> dict[int, list[int]]:
        """The bytes at which each frame's lines begin, by the frame's number, in order."""
        places: dict[int, list[int]] = {}
        for place, record in self._lines.places():
            places.setdefault(self._checked(record)["frame"], []).append(place)
        return dict(sorted(places.items()))

    def objects_at(self, places: list[int]) -> list[dict[str, Any]]:
        """The objects of all lines that begin at these bytes."""
        return [item for place in places for item in self._checked(self._lines.at(place))["objects"]]

    def _checked(self, record: dict[str, Any]) -> dict[str, Any]:
        """The record, whose name is a file's name without folders."""
        if Path(record["name"]).name != record["name"]:
            raise ConfigError(
                f"Expected a line in {self._lines.path} with the name of a frame, got {record['name']!r:.80}. {_ADVICE}"
            )
        return record

    def _write_label_map(self, frame: FrameMasks, path: Path) -> None:
        values = frame.label_map()
        if path.exists():  # Of an earlier pass: its objects stay, the new ones get the other pixels.
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
