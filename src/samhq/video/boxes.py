"""Segments a video frame by frame with a model for pictures, from boxes of a detector or a tracker.

For any model, where a detector or a tracker knows the objects: the boxes identify them.

Source: MOTChallenge's text form (arXiv 1603.00831, section 3.3).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from samhq.config import HQMode
from samhq.errors import ImageError, PromptError
from samhq.inference.segment import Segmenter
from samhq.results.prompt import Prompt
from samhq.results.prompt_boxes import boxes_in_picture
from samhq.storage.documents import parse_json, read_text
from samhq.storage.schema import BOX, WHOLE, WORDS, Either, Fields, Items, Number
from samhq.video.frames import FrameSource
from samhq.video.prompts import VideoPrompt, naming_prompt
from samhq.video.result import FrameMasks
from samhq.video.stream import OnError

_FAR = 1 << 30  #: frames, ids and pixels beyond this are mistakes
_FORM = '[{"frame": 0, "id": 1, "box": [x0, y0, x1, y1], "label": "person"}]'
_ITEMS = Items(
    Fields(
        {"frame": Number(0, _FAR, whole=True), "id": Number(1, _FAR, whole=True), "box": BOX},
        {"label": Either((WORDS, WHOLE))},
    )
)
_SCHEMA = Either((_ITEMS, Fields({"boxes": _ITEMS})))
_MOT = "frame,id,left,top,width,height,confidence with frames from 1"


@dataclass(frozen=True)
class BoxedObject:
    """An object's box (x0, y0, x1, y1) on one frame, in the video's pixels."""

    id: int
    box: tuple[float, float, float, float]
    label: str | None = None


@dataclass(frozen=True)
class FrameBoxes:
    """The boxes of a video by frame number, from 0."""

    by_frame: Mapping[int, Sequence[BoxedObject]] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """The least number of frames that the video must have."""
        return max(self.by_frame, default=-1) + 1


def read_frame_boxes(path: Path) -> FrameBoxes:
    """Boxes from a JSON list of `{"frame", "id", "box", "label"}`, or from a text file in MOT format.

    JSON counts frames from 0 and has boxes (x0, y0, x1, y1). MOT counts from 1 and has `left, top, width, height`;
    lines with confidence 0 are left out, as MOT defines.

    Raises:
        PromptError: the file cannot be read, has another form or no box, or an id is twice on one frame.
    """
    text = read_text(path, "a file of boxes", PromptError)
    rows = _from_json(text, path) if text.lstrip()[:1] in ("[", "{") else _from_mot(text, path)
    by_frame: dict[int, list[BoxedObject]] = {}
    for frame, box in rows:
        boxes_of_frame = by_frame.setdefault(frame, [])
        if any(earlier.id == box.id for earlier in boxes_of_frame):
            raise PromptError(
                f"Expected each id once a frame in {path}, got id {box.id} twice on frame {frame} (from 0). Give "
                "different objects different ids."
            )
        boxes_of_frame.append(box)
    if not by_frame:
        raise PromptError(f"Expected boxes in {path}, got none. Write {_FORM}, or lines {_MOT}.")
    return FrameBoxes(by_frame)


def segment_by_boxes(
    segmenter: Segmenter,
    source: FrameSource,
    boxes: FrameBoxes,
    *,
    start: int = 0,
    hq: HQMode | None = None,
    on_error: OnError | None = None,
) -> Iterator[FrameMasks]:
    """The boxes' masks, frame by frame from `start` on, with every frame encoded once for all its objects.

    Raises:
        PromptError: boxes of a frame that does not exist, or outside their frame.
        ImageError: frames of different sizes, or, without `on_error`, one that cannot be decoded.
    """
    if boxes.by_frame:
        source.check(max(boxes.by_frame))
    for index, image in source.frames(start):
        if isinstance(image, ImageError):
            if on_error is None:
                raise image
            on_error(index, image)
            continue
        yield _one_frame(segmenter, index, image, boxes.by_frame.get(index, ()), hq)


def _one_frame(
    segmenter: Segmenter, index: int, image: np.ndarray, objects: Sequence[BoxedObject], hq: HQMode | None
) -> FrameMasks:
    labels = tuple(box.label for box in objects)
    if not objects:
        none = np.zeros((0, *image.shape[:2]), bool)
        return FrameMasks(index, image, (), none, np.zeros(0, np.float32), ())
    prompts = [Prompt(box=box.box) for box in objects]
    with naming_prompt(VideoPrompt(objects[0].id, index, prompts[0]), index):
        prompts = boxes_in_picture(prompts, (image.shape[0], image.shape[1]), f"Frame {index}")
        result = segmenter.segment(image, prompts=prompts, multimask=False, hq=hq)
    ids = tuple(box.id for box in objects)
    return FrameMasks(index, image, ids, result.masks, result.scores.astype(np.float32), labels)


def _from_json(text: str, path: Path) -> Iterator[tuple[int, BoxedObject]]:
    value = parse_json(text, f"a list of boxes in {path}", _SCHEMA, PromptError, f"Write {_FORM}.")
    for item in value["boxes"] if isinstance(value, dict) else value:
        x0, y0, x1, y1 = map(float, item["box"])
        label = item.get("label")
        yield int(item["frame"]), BoxedObject(int(item["id"]), (x0, y0, x1, y1), None if label is None else str(label))


def _is_mot(values: Sequence[float]) -> bool:
    """Whether a line's numbers are a frame from 1, an id, and a box with pixels."""
    return (
        len(values) >= 6
        and all(-_FAR < value < _FAR for value in values[:6])
        and values[0] >= 1
        and min(values[4:6]) > 0
    )


def _from_mot(text: str, path: Path) -> Iterator[tuple[int, BoxedObject]]:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            values = [float(part) for part in line.replace(",", " ").split()]
        except ValueError:
            values = []
        if not _is_mot(values):
            raise PromptError(f"Expected {_MOT} in {path}, got {line!r:.60} in line {number}. Mend the line.")
        frame, object_id, left, top, width, height = values[:6]
        if len(values) > 6 and values[6] == 0:
            continue
        if object_id < 1:
            raise PromptError(
                f"Expected object numbers from 1 in {path}, got {object_id:g} in line {number}. A detector gives "
                "-1: let a tracker number them first."
            )
        # A box ends on its last pixel.
        yield int(frame) - 1, BoxedObject(int(object_id), (left, top, left + width - 1, top + height - 1))
