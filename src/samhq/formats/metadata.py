"""A whole-image result's own files: a PNG for each mask and a table of them, an overlay, SA-1B's JSON, a label map.

Each file appears whole or not at all. Knows nothing about networks.

Source: segment-anything, scripts/amg.py, whose files and columns the masks' folder has.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from samhq.formats.annotation import picture_from_records
from samhq.formats.files import write_mask, write_overlay, write_record
from samhq.formats.labelmap import write_label_map
from samhq.formats.sa1b import sa1b_record
from samhq.image.read import as_array
from samhq.storage.atomic import whole_file

if TYPE_CHECKING:
    from samhq.inference.automatic import AutomaticConfig
    from samhq.inference.everything import Everything

CONFIG = "config"  #: where a record says what was asked

COLUMNS = (
    "id", "area", "bbox_x0", "bbox_y0", "bbox_w", "bbox_h", "point_input_x", "point_input_y",
    "predicted_iou", "stability_score", "crop_box_x0", "crop_box_y0", "crop_box_w", "crop_box_h",
)  # fmt: skip


def save_everything(
    result: Everything,
    directory: Path,
    stem: str,
    file_name: str,
    *,
    masks: bool,
    overlay: bool,
    record: bool,
    labels: bool,
) -> list[Path]:
    """Writes what is asked into `directory` and returns the paths in order; see `Everything.save`."""
    written: list[Path] = []
    if masks:
        written += write_masks(result, directory / stem)
    if overlay:
        written.append(write_overlay(result, directory, stem))
    if record or labels:
        picture = picture_from_records(
            result.as_records("coco_rle"), file_name, result.kept.size_hw, stem=stem, model=result.model
        )
        written += [write_label_map(picture, directory / f"{stem}_labels.png")] if labels else []
        content = sa1b_record(picture) | {CONFIG: config_record(result.config)}
        written += [write_record(directory / f"{stem}.json", content, written)] if record else []
    return written


def config_record(config: AutomaticConfig) -> dict[str, Any]:
    """What was asked, by the names of its fields, as JSON values."""
    said = {field.name: _plain(getattr(config, field.name)) for field in fields(config)}
    grids = config.point_grids
    return said | {"point_grids": None if grids is None else [as_array(grid).tolist() for grid in grids]}


def _plain(value: Any) -> Any:
    """A number of numpy's as one of Python's; all else as it is."""
    return value.item() if isinstance(value, np.generic) else value


def write_masks(result: Everything, folder: Path) -> list[Path]:
    """`0.png`, `1.png` ... with 255 on the mask, and `metadata.csv`, whose id says which is which."""
    written = [write_mask(folder / f"{number}.png", result.mask(number)) for number in range(len(result))]
    return [*written, write_table(folder / "metadata.csv", result.as_records("coco_rle"))]


def write_table(path: Path, records: Iterable[Mapping[str, Any]]) -> Path:
    """segment-anything's records as CSV, one row each under `COLUMNS`."""
    with whole_file(path) as part, part.open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(COLUMNS)
        for number, record in enumerate(records):
            scores = record["predicted_iou"], record["stability_score"]
            point, crop = record["point_coords"][0], record["crop_box"]
            table.writerow([number, record["area"], *record["bbox"], *point, *scores, *crop])
    return path
