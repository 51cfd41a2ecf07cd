"""The result of whole-image segmentation: masks as outlines and as segment-anything's records, to filter and save.

Knows nothing of networks; `samhq.inference.everything` makes these results.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from samhq.errors import ConfigError, did_you_mean
from samhq.image.draw import colour
from samhq.image.write import MaskWindow, write_masks, write_overlay
from samhq.masks import runs
from samhq.options import real_number
from samhq.plural import plural
from samhq.results.automatic_config import REFILTERED, AutomaticConfig, config_record
from samhq.results.label_map import write_label_map
from samhq.results.picture import Picture, picture_from_records
from samhq.results.proposals import Proposals, keep
from samhq.results.record_file import stem_for, write_record
from samhq.results.records import OutputMode, Records
from samhq.results.sa1b import sa1b_record
from samhq.results.show import box_columns, plot, png
from samhq.results.table import write_table
from samhq.shapes import UInt, UInt8

CONFIG = "config"  #: The entry of a record that holds the options of the run.
_ROWS = 256  #: Pixels of a picture that are tinted at a time.

_LEAST = ("pred_iou_thresh", "stability_score_thresh")  #: Masks below the run's own value are lost.
#: The same for results read from a record.
_LEAST_SAVED, _MOST_SAVED = ("min_mask_region_area",), ("box_nms_thresh", "crop_nms_thresh")
_MOST_DRAFTED = ("box_nms_thresh",)  #: `draft_first` drops copies of better masks while it runs.


@dataclass(frozen=True, eq=False)
class Everything:
    """The masks of one picture, uint8 [H,W,3], in the order of segment-anything's generator.

    `proposals` are the masks that the network found. `config` has the options that choose among them now, `ran` those
    of the run. `model` is the model's name, and `file_name` is the picture's path, if it was read from a file. `saved`
    is true for a result read from a record: then the proposals are only those that `ran` kept, in their order.
    """

    image: np.ndarray
    proposals: Proposals
    config: AutomaticConfig
    ran: AutomaticConfig
    model: str
    file_name: str | None = None
    saved: bool = False

    def __repr__(self) -> str:
        height, width = self.proposals.size_hw
        why = f": {self.why_empty}" if self.why_empty else ""
        return f"Everything({plural(len(self), 'mask')}, {height}x{width}, {self.model}{why})"

    @property
    def why_empty(self) -> str:
        """The reason why there are no masks, and what to try; empty if there are masks or the reason is not known.

        Names fields of `AutomaticConfig`.
        """
        best, config = self.proposals.best, self.config
        if len(self) or best.iou is None:
            return ""
        if best.iou <= config.pred_iou_thresh:
            return f"the highest predicted IoU is {best.iou:.3f}; lower pred_iou_thresh from {config.pred_iou_thresh:g}"
        if best.stability is not None and best.stability < config.stability_score_thresh:
            threshold = f"stability_score_thresh from {config.stability_score_thresh:g}"
            return f"the highest stability score is {best.stability:.3f}; lower {threshold}"
        return "every mask is empty or cut off by a crop; raise points_per_side, or try fewer layers of crops"

    @cached_property
    def kept(self) -> Proposals:
        """The proposals that `config` keeps."""
        return self.proposals if self.saved and self.config is self.ran else keep(self.proposals, self.config)

    def __len__(self) -> int:
        return len(self.kept)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.records)

    def __getitem__(self, index: int | slice) -> dict[str, Any] | list[dict[str, Any]]:
        """The record with this number, or several as a list."""
        return self.records[index]

    @property
    def records(self) -> Records:
        """segment-anything's records with bool masks [H,W]; each is unpacked on access."""
        return Records(self.kept, "binary_mask")

    def as_records(self, output_mode: OutputMode = "coco_rle") -> list[dict[str, Any]]:
        """segment-anything's records as a list; by default with compressed RLE, ready for JSON.

        Raises:
            ConfigError: another `output_mode`.
        """
        return list(Records(self.kept, output_mode))

    @property
    def scores(self) -> np.ndarray:
        """The predicted IoU of every mask, float32 [M]."""
        return self.kept.iou

    @property
    def boxes(self) -> np.ndarray:
        """Tight boxes [M,4] as (x0, y0, x1, y1) in image pixels, last pixel included."""
        return self.kept.boxes

    @cached_property
    def areas(self) -> np.ndarray:
        """The number of pixels of every mask, int64 [M]."""
        return np.array([runs.pixels_on(changes) for changes in self.kept.changes], np.int64)

    @property
    def covered(self) -> float:
        """The share of the picture that at least one mask covers, in 0..1."""
        height, width = self.kept.size_hw
        return runs.area_of_all(self.kept.changes) / (height * width)

    def mask(self, index: int) -> np.ndarray:
        """One mask, bool [H,W]."""
        return runs.mask_of(self.kept.changes[index], self.kept.size_hw)

    def filter(self, **thresholds: Any) -> Everything:
        """The same run with other thresholds, without running the decoder again.

        Takes `pred_iou_thresh`, `stability_score_thresh`, `box_nms_thresh`, `crop_nms_thresh` and
        `min_mask_region_area`. Masks that the run rejected are lost, unless it ran with `keep_all`. A result read from
        a record has also lost masks that were dropped as duplicates and regions that were cleaned away.

        After a run with `draft_first`, the stability threshold cannot change and `box_nms_thresh` cannot rise.

        Raises:
            ConfigError: another name, or a threshold that needs lost masks.
        """
        for name in thresholds:
            if name not in REFILTERED:
                known = did_you_mean(name, REFILTERED)
                raise ConfigError(f"Expected a threshold that can be changed later, got {name!r}. {known}")
        config = self.config.replace(**thresholds)
        for name in _LEAST + (_LEAST_SAVED if self.saved else ()):
            ran, limit = max(getattr(self.ran, name), 0.0), max(getattr(config, name), 0.0)
            if limit < ran:
                raise _lost(f"{name} of at least {ran}", limit)
        drafted = self.ran.draft_first
        if drafted and config.stability_score_thresh != self.ran.stability_score_thresh:
            raise _lost(f"stability_score_thresh {self.ran.stability_score_thresh}", config.stability_score_thresh)
        for name in _MOST_SAVED if self.saved else _MOST_DRAFTED if drafted else ():
            ran, limit = getattr(self.ran, name), getattr(config, name)
            if limit > ran:
                raise _lost(f"{name} of at most {ran}", limit)
        return replace(self, config=config)

    def label_map(self) -> UInt[np.ndarray, "H W"]:
        """The number of the mask at each pixel, from 1; 0 without a mask. Where masks overlap, the smallest wins."""
        height, width = self.kept.size_hw
        labels = np.zeros(height * width, np.min_scalar_type(len(self)))
        for row in np.argsort(-self.areas, kind="stable").tolist():
            for start, stop in self.kept.changes[row].reshape(-1, 2).tolist():
                labels[start:stop] = row + 1
        return np.ascontiguousarray(labels.reshape(width, height).T)

    def overlay(self, alpha: float = 0.5) -> UInt8[np.ndarray, "H W 3"]:
        """A copy of the picture with every mask tinted, small ones over large ones, and borders in white."""
        alpha = real_number("alpha", alpha, 0, 1)
        labels = self.label_map()
        colours = np.array([(0, 0, 0), *map(colour, range(len(self)))], np.float32) * alpha
        canvas = self.image.copy()
        border = np.zeros(labels.shape, np.bool_)
        border[:, 1:] = labels[:, 1:] != labels[:, :-1]
        border[1:] |= labels[1:] != labels[:-1]
        for start in range(0, len(canvas), _ROWS):
            part, numbers = canvas[start : start + _ROWS], labels[start : start + _ROWS]
            tinted = (part * np.float32(1 - alpha) + colours[numbers] + 0.5).astype(np.uint8)
            np.copyto(part, tinted, where=(numbers > 0)[..., None])
        canvas[border] = 255
        return canvas

    def _repr_png_(self) -> bytes:
        return png(self.overlay())

    def plot(self, axes: Any = None, *, alpha: float = 0.5) -> Any:
        """matplotlib's `Axes` with the overlay; `axes` or, if None, those of a new figure.

        Raises:
            MissingExtraError: matplotlib is not installed.
        """
        return plot(self.overlay(alpha), axes, plural(len(self), "mask"))

    def to_records(self) -> list[dict[str, Any]]:
        """A flat dict of plain numbers and text for each mask, for `pandas.DataFrame` and other tables.

        `file_name`, `model`, `mask` (the number from 0), `score` (predicted IoU), `stability_score`, `area` in pixels,
        the tight box `x0`, `y0`, `x1`, `y1`, last pixel included, and the point `point_x`, `point_y` of the mask.
        """
        kept = self.kept
        return [
            {
                "file_name": self.file_name,
                "model": self.model,
                "mask": number,
                "score": float(kept.iou[number]),
                "stability_score": float(kept.stability[number]),
                "area": int(self.areas[number]),
                **box_columns(kept.boxes[number]),
                "point_x": float(kept.points[number, 0]),
                "point_y": float(kept.points[number, 1]),
            }
            for number in range(len(self))
        ]

    def save(
        self,
        directory: str | os.PathLike[str],
        stem: str | None = None,
        *,
        masks: bool = True,
        overlay: bool = True,
        record: bool = True,
        labels: bool = False,
        file_name: str | None = None,
    ) -> list[Path]:
        """Writes masks with a table, an overlay, a JSON record and a label map; returns their paths.

        The default of `stem` is the stem of the picture's file, or "result". It gets a number if it would overwrite
        another picture's files; a given `stem` overwrites existing files. Names: `STEM/0.png` and so on with
        `STEM/metadata.csv`, as segment-anything's `amg.py` writes them; `STEM_overlay.jpg`; `STEM.json`, in the form of
        SA-1B; `STEM_labels.png`. The record calls the picture `file_name`, by default the path it was read from, or
        else the stem. Writing the record deletes the unmodified files that a previous record of another whole-image
        result listed. Without `record` nothing is deleted.

        Raises:
            OSError: the folder cannot be made or written.
            ConfigError: more than 65535 masks for `labels`.
        """
        folder, known = Path(directory).expanduser(), file_name or self.file_name
        stem = stem_for(folder, known, whole_image=True) if stem is None else stem
        name = known or stem
        written: list[Path] = []
        if masks:
            written += self._write_masks(folder / stem)
        if overlay:
            written.append(write_overlay(folder, stem, self.overlay()))
        if labels:
            written.append(write_label_map(self._picture(name, stem), folder / f"{stem}_labels.png"))
        if record:
            content = sa1b_record(self._picture(name, stem)) | {CONFIG: config_record(self.config)}
            written.append(write_record(folder / f"{stem}.json", content, written))
        return written

    def _write_masks(self, folder: Path) -> list[Path]:
        """Writes `0.png`, `1.png` and so on, with 255 on the mask, and `metadata.csv` with one row for each."""
        written = write_masks([folder / f"{number}.png" for number in range(len(self))], self._window)
        return [*written, write_table(folder / "metadata.csv", self.as_records("coco_rle"))]

    def _window(self, index: int) -> MaskWindow:
        """One mask in its box: a large picture may have thousands."""
        mask, corner_xy = runs.cropped(self.kept.changes[index], self.kept.size_hw[0])
        return MaskWindow(mask, corner_xy, self.kept.size_hw)

    def _picture(self, file_name: str, stem: str) -> Picture:
        records = self.as_records("coco_rle")
        return picture_from_records(records, file_name, self.kept.size_hw, stem=stem, model=self.model)


def _lost(expected: str, requested: float) -> ConfigError:
    return ConfigError(
        f"Expected {expected}, with which the masks were made, got {requested}. Make them again with that; "
        "segment_everything with keep_all=True leaves all thresholds free."
    )
