"""Whole-image masks as the records of segment-anything's automatic mask generator. Knows nothing of networks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, get_args, overload

from samhq.errors import ConfigError, did_you_mean
from samhq.masks import runs
from samhq.results.proposals import Proposals

#: The form of a record's mask: bool [H,W], COCO's RLE with counts as a list, or compressed into a str.
OutputMode = Literal["binary_mask", "uncompressed_rle", "coco_rle"]


class Records(Sequence[dict[str, Any]]):
    """segment-anything's records. Each is made on access, because all masks at full size could take gigabytes."""

    def __init__(self, kept: Proposals, output_mode: OutputMode) -> None:
        self._kept, self._mode = kept, as_output_mode(output_mode)

    def __len__(self) -> int:
        return len(self._kept)

    @overload
    def __getitem__(self, index: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, index: slice) -> list[dict[str, Any]]: ...
    def __getitem__(self, index: int | slice) -> dict[str, Any] | list[dict[str, Any]]:
        """The record with this number, or several as a list."""
        rows = range(len(self))[index]
        return mask_record(self._kept, rows, self._mode) if isinstance(rows, int) else [self[row] for row in rows]


def as_output_mode(mode: Any) -> OutputMode:
    """The mode, checked.

    Raises:
        ConfigError: not one of the three.
    """
    modes = get_args(OutputMode)
    if mode not in modes:
        raise ConfigError(f"Expected an output_mode, got {mode!r}. {did_you_mean(str(mode), modes)}")
    return mode


def mask_record(kept: Proposals, row: int, output_mode: OutputMode) -> dict[str, Any]:
    """One mask as segment-anything writes it. Boxes are (x, y, w, h) with w and h one less than in pixels."""
    x0, y0, x1, y1 = kept.boxes[row].tolist()
    left, top, right, bottom = kept.crops[kept.crop[row]]
    shown: Callable[..., Any] = {
        "binary_mask": runs.mask_of,
        "uncompressed_rle": runs.as_counts,
        "coco_rle": runs.as_text,
    }[output_mode]
    return {
        "segmentation": shown(kept.changes[row], kept.size_hw),
        "area": runs.pixels_on(kept.changes[row]),
        "bbox": [x0, y0, x1 - x0, y1 - y0],
        "predicted_iou": float(kept.iou[row]),
        "point_coords": [kept.points[row].tolist()],
        "stability_score": float(kept.stability[row]),
        "crop_box": [left, top, right - left, bottom - top],
    }
