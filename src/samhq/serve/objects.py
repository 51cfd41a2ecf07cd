"""Objects of a picture as rows of the project file and as JSON values. Knows nothing about commands."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from samhq.errors import ImageError
from samhq.image.windows import Window
from samhq.masks import rle
from samhq.masks.regions import Piece
from samhq.results.annotation import Annotation
from samhq.serve.faults import Fault
from samhq.serve.messages import Mask, ObjectState

#: The columns of an object that can change: all except its id and its picture.
COLUMNS = (
    *("class_id", "counts", "x", "y", "width", "height", "area", "score", "source", "z", "locked", "hidden"),
    *("prompt", "run_id"),
)
#: A row of an object: `id` and the columns.
Row = dict[str, Any]


def new_id() -> str:
    """A new object's id."""
    return uuid.uuid4().hex


def code_of_sent_mask(mask: Mask, size_hw: tuple[int, int]) -> rle.RLE:
    """The RLE of a mask from a request; it has the picture's size.

    Raises:
        Fault: it is damaged, of another size, or empty.
    """
    code = {"size": list(mask.size), "counts": mask.counts}
    if tuple(mask.size) != size_hw:
        raise Fault(
            422, f"Expected a mask of the picture's size {list(size_hw)}, got {list(mask.size)}. Draw it again."
        )
    try:
        area = rle.area(code)
    except ImageError as error:
        raise Fault(422, str(error)) from error
    if not area:
        raise Fault(422, "Expected a mask with at least one pixel, got an empty one. Delete the object instead.")
    return code


def mask_columns(code: rle.RLE) -> Row:
    """The columns that follow from a mask's RLE."""
    annotation = Annotation(code)
    x, y, width, height = annotation.bbox_xywh
    counts = annotation.code["counts"]
    return {"counts": counts, "x": x, "y": y, "width": width, "height": height, "area": annotation.area}


def code_of(row: Mapping[str, Any], size_hw: tuple[int, int]) -> rle.RLE:
    """The RLE of an object's row."""
    return {"size": list(size_hw), "counts": row["counts"]}


def box_of(row: Mapping[str, Any]) -> Window:
    """The box of an object's row."""
    return Window(row["x"], row["y"], row["x"] + row["width"], row["y"] + row["height"])


def without(row: Row, others: Sequence[Row], size_hw: tuple[int, int]) -> rle.RLE | None:
    """The RLE of an object without the pixels of others; None if it shares no pixel with them."""
    box, code = box_of(row), code_of(row, size_hw)
    touching = [other for other in others if box_of(other).meet(box).area]
    if not touching:
        return None
    mask = rle.decode_window(code, (box.x0, box.y0, row["width"], row["height"]))
    before = int(mask.sum())
    for other in touching:
        shared = box_of(other).meet(box)
        part = rle.decode_window(code_of(other, size_hw), (shared.x0, shared.y0, *shared.hw[::-1]))
        mask[shared.slices(box)] &= ~part
    return None if int(mask.sum()) == before else Piece.of(np.ascontiguousarray(mask), box.x0, box.y0).rle(size_hw)


def state_of(row: Mapping[str, Any], size_hw: tuple[int, int]) -> ObjectState:
    """An object as JSON values."""
    # The rows are our own: checking 10,000 of them again would take longer than reading them.
    return ObjectState.model_construct(
        id=row["id"],
        class_id=row["class_id"],
        mask=Mask.model_construct(size=size_hw, counts=row["counts"]),
        bbox=(row["x"], row["y"], row["width"], row["height"]),
        area=row["area"],
        score=row["score"],
        source=row["source"],
        z=row["z"],
        locked=bool(row["locked"]),
        hidden=bool(row["hidden"]),
    )


def objects_of(database: sqlite3.Connection, image_id: int) -> list[Row]:
    """The rows of a picture's objects, in drawing order."""
    query = f"SELECT id, {', '.join(COLUMNS)} FROM object WHERE image_id = ? ORDER BY z, id"
    return [dict(row) for row in database.execute(query, (image_id,))]
