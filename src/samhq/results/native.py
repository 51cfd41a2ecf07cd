"""Objects found at the full resolution of a large picture, and their files, written one object at a time.

Only the overlay needs the whole picture in memory. Knows nothing about networks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from samhq.image.draw import cutout
from samhq.image.draw import overlay as drawn
from samhq.image.picture_source import PictureSource
from samhq.image.windows import whole
from samhq.image.write import MaskWindow, write_mask, write_overlay, write_picture
from samhq.masks.regions import Piece
from samhq.results.prompt import Prompt, class_record
from samhq.results.record_file import segmentation_record, write_record
from samhq.results.segmentation import drawn_prompts
from samhq.shapes import UInt8


@dataclass(frozen=True, eq=False)
class Refined:
    """One object at the picture's full resolution.

    `score` is the predicted IoU of the deciding look, the mean over its tiles. `zoom` is the enlargement of that look
    relative to the first one; 1 if the first mask stayed.
    """

    piece: Piece
    score: float
    zoom: float = 1.0


def save_native(
    objects: Sequence[Refined],
    source: PictureSource,
    prompts: Sequence[Prompt],
    directory: Path,
    stem: str,
    *,
    overlay: bool,
    cutouts: bool,
    model: str,
    file_name: str,
) -> list[Path]:
    """Writes the objects that `segment_native` found for `prompts` in `source`, as `Segmentation.save` does.

    Files, names and order are the same as there.

    Raises:
        ImageError: the picture cannot be read, or has 2^32 pixels or more, which COCO's RLE cannot count.
    """
    pieces, size_hw = [refined.piece for refined in objects], source.size_hw
    annotations = [
        _annotation(number, refined, size_hw) | class_record(prompt)
        for number, (refined, prompt) in enumerate(zip(objects, prompts, strict=True))
    ]
    names = [f"{stem}_mask_{number}.png" for number in range(len(objects))]
    written = [
        write_mask(directory / name, MaskWindow(piece.mask, (piece.window.x0, piece.window.y0), size_hw))
        for name, piece in zip(names, pieces, strict=True)
    ]
    if overlay:
        written.append(write_overlay(directory, stem, _overlay(pieces, source, prompts)))
    if cutouts:
        places = [directory / f"{stem}_cutout_{number}.png" for number in range(len(objects))]
        written += [write_picture(path, _cutout(piece, source)) for path, piece in zip(places, pieces, strict=True)]
    content = segmentation_record(size_hw, model, prompts, annotations, names, file_name)
    return [*written, write_record(directory / f"{stem}.json", content, written)]


def _annotation(number: int, refined: Refined, size_hw: tuple[int, int]) -> dict[str, Any]:
    return {
        "prompt": number,
        "candidate": 0,
        "segmentation": refined.piece.rle(size_hw),
        "area": refined.piece.area,
        "bbox": list(refined.piece.bbox_xywh),
        "predicted_iou": refined.score,
    }


def _overlay(pieces: Sequence[Piece], source: PictureSource, prompts: Sequence[Prompt]) -> UInt8[np.ndarray, "H W 3"]:
    picture = whole(source.size_hw)
    points, labels, boxes = drawn_prompts(prompts)
    masks = np.stack([piece.inside(picture) for piece in pieces])
    return drawn(source.read(picture), masks, points=points, labels=labels, boxes=boxes)


def _cutout(piece: Piece, source: PictureSource) -> UInt8[np.ndarray, "h w 4"]:
    """The object with everything else transparent, cut to its box; one transparent pixel for an empty object."""
    if not piece.area:
        return np.zeros((1, 1, 4), np.uint8)
    return cutout(source.read(piece.window), piece.mask)
