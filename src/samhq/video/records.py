"""A video's masks as one JSON file in a form that other tools read: COCO-VID and YouTube-VIS.

Source: the annotation files of YouTube-VIS 2019 and of mmtracking's CocoVID.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from samhq.storage.atomic import whole_file

VideoFormat = Literal["coco-vid", "youtube-vis"]
UNNAMED = "object"  #: Category of objects without a label.
#: An object's fields on one frame, as `samhq.video.folder.frame_record` writes them.
Entry = Mapping[str, Any]


@dataclass(frozen=True)
class VideoInfo:
    """A video's name, size, frame rate, and the names of its frames."""

    name: str
    size_hw: tuple[int, int]
    rate: float
    frame_names: Sequence[str]

    def head(self) -> dict[str, Any]:
        """The fields that both forms have."""
        height, width = self.size_hw
        return {"id": 1, "name": self.name, "height": height, "width": width, "fps": round(self.rate, 3)}


def write_coco_vid(path: Path, info: VideoInfo, frames: Iterable[tuple[int, Sequence[Entry]]]) -> Path:
    """Writes one image for each frame, and one annotation for each object on a frame; `instance_id` is the object.

    Annotations are written one at a time, so a long video needs little memory.
    """
    categories = _Categories()
    images = [
        {"id": index + 1, "video_id": 1, "frame_id": index, "file_name": name, **_size(info)}
        for index, name in enumerate(info.frame_names)
    ]
    with whole_file(path) as part, part.open("w", encoding="utf-8") as stream:
        stream.write(f'{{"videos": {json.dumps([info.head()])},\n"images": {json.dumps(images)},\n"annotations": [')
        number = 0
        for index, entries in frames:
            for entry in entries:
                if entry["area"]:
                    number += 1
                    record = {
                        "id": number,
                        "image_id": index + 1,
                        "video_id": 1,
                        "instance_id": entry["id"],
                        "category_id": categories.number(entry),
                        "iscrowd": 0,
                        **{key: entry[key] for key in ("bbox", "area", "segmentation", "score")},
                    }
                    stream.write(("\n" if number == 1 else ",\n") + json.dumps(record))
        stream.write(f'],\n"categories": {json.dumps(categories.records())}}}\n')
    return path


def write_youtube_vis(path: Path, info: VideoInfo, frames: Iterable[tuple[int, Sequence[Entry]]]) -> Path:
    """Writes one annotation for each object, with a mask, a box and an area, or null, for every frame of the video."""
    categories, tracks = _Categories(), {}
    count = len(info.frame_names)
    for index, entries in frames:
        for entry in entries:
            number = entry["id"]
            if number not in tracks:
                tracks[number] = {
                    "id": number,
                    "video_id": 1,
                    "category_id": categories.number(entry),
                    "iscrowd": 0,
                    **_size(info),
                    **{key: [None] * count for key in ("segmentations", "bboxes", "areas")},
                    "scores": [],
                }
            if entry["area"]:
                for key, field in (("segmentations", "segmentation"), ("bboxes", "bbox"), ("areas", "area")):
                    tracks[number][key][index] = entry[field]
                tracks[number]["scores"].append(entry["score"])
    for track in tracks.values():
        scores = track.pop("scores")
        track["score"] = round(sum(scores) / len(scores), 4) if scores else 0.0
    video = info.head() | {"length": count, "file_names": list(info.frame_names)}
    content = {"videos": [video], "annotations": list(tracks.values()), "categories": categories.records()}
    with whole_file(path) as part:
        part.write_text(json.dumps(content), encoding="utf-8")
    return path


def _size(info: VideoInfo) -> dict[str, int]:
    return {"height": info.size_hw[0], "width": info.size_hw[1]}


class _Categories:
    """Numbers of labels, from 1, in the order in which they first occur."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def number(self, entry: Entry) -> int:
        return self._numbers.setdefault(entry.get("label") or UNNAMED, len(self._numbers) + 1)

    def records(self) -> list[dict[str, Any]]:
        return [{"id": number, "name": name} for name, number in self._numbers.items()]
