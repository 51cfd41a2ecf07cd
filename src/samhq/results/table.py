"""The table of whole-image masks that segment-anything's script `amg.py` writes.

Source: segment-anything, scripts/amg.py, which defines the columns.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from samhq.storage.atomic import whole_file

COLUMNS = (
    "id", "area", "bbox_x0", "bbox_y0", "bbox_w", "bbox_h", "point_input_x", "point_input_y",
    "predicted_iou", "stability_score", "crop_box_x0", "crop_box_y0", "crop_box_w", "crop_box_h",
)  # fmt: skip


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
