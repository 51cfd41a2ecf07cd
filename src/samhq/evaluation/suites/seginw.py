"""SegInW: the mean AP over 25 small data sets of every kind, with masks made from an open-vocabulary detector's boxes.

Source: SysCV/sam-hq, seginw/test_ap_on_seginw.py and seginw/README.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from samhq.config import HQMode
from samhq.datasets.coco import open_coco_pictures
from samhq.errors import ConfigError
from samhq.evaluation.result import as_json, markdown, per_cent
from samhq.evaluation.suites.detections import DetectionScores, evaluate_detections, spread_places
from samhq.inference.segment import Segmenter
from samhq.model.sam import Sam

SETS = 25  #: Number of data sets in SegInW.
_ANNOTATIONS = "_annotations_min1cat.coco.json"


@dataclass(frozen=True)
class SegInW:
    """The scores of one model on each set by name; the published figure is the mean of their AP.

    Means are over `measured`, the sets that have true objects; every set has the same weight; NaN for no set.
    """

    model: str
    hq: HQMode
    sets: dict[str, DetectionScores]

    @property
    def measured(self) -> tuple[DetectionScores, ...]:
        """The scores of the sets that have an AP, that is, true objects."""
        return tuple(scores for scores in self.sets.values() if not math.isnan(scores.masks.ap))

    @property
    def mean(self) -> float:
        """The mean AP."""
        return _mean(scores.masks.ap for scores in self.measured)

    @property
    def mean_borders(self) -> float:
        """The mean boundary AP."""
        return _mean(scores.borders.ap for scores in self.measured)

    @property
    def mean_box(self) -> float:
        """The mean AP of the detector's boxes, NaN without a detector."""
        return _mean(scores.box_ap for scores in self.measured)

    def table(self) -> str:
        """AP, boundary AP and box AP of each set and their means, as a Markdown table in per cent."""
        return seginw_table([self])

    def to_json(self) -> dict[str, Any]:
        """The numbers as JSON values, None for NaN; `measured` is the number of sets in the mean."""
        sets = {name: scores.to_json() for name, scores in self.sets.items()}
        measured = {"mean": as_json(self.mean), "mean_box": as_json(self.mean_box), "measured": len(self.measured)}
        return {"model": self.model, "hq": self.hq, **measured, "sets": sets}


def seginw_table(results: Sequence[SegInW]) -> str:
    """A Markdown table of several models, a row for each set, AP / boundary AP / box AP in per cent."""
    head = ["set", *(f"{result.model} {result.hq}" for result in results)]
    rows = []
    for name in results[0].sets:
        scores = [result.sets[name] for result in results]
        rows.append([name, *(_cell(s.masks.ap, s.borders.ap, s.box_ap) for s in scores)])
    measured = len(results[0].measured)
    means = [_cell(result.mean, result.mean_borders, result.mean_box) for result in results]
    rows.append([f"mean of {measured}", *means])
    note = "" if measured == SETS else f" SegInW has {SETS} sets: this mean is not the published figure."
    return f"SegInW, AP / boundary AP / box AP, values in %.{note}\n\n{markdown(head, rows)}\n"


def evaluate_seginw(
    model: Segmenter | Sam | str | None,
    root: str | Path,
    detections: str | Path | None = None,
    *,
    hq: HQMode | None = None,
    limit: int | None = None,
    name: str | None = None,
    results: str | Path | None = None,
    progress: bool = False,
) -> SegInW:
    """Scores on every set below a folder, ROOT/SET/valid/_annotations_min1cat.coco.json, and their mean AP.

    `detections` is a folder with SET.json for each set, as `detect_seginw` writes it; None uses the true boxes. `limit`
    applies to each set. `results` is a folder for the masks, seginw-SET_val.json, as SAM-HQ's script names them.

    Raises:
        ConfigError: the folder has no set, or a set has no detections.
        ImageError: as `evaluate_detections`.
    """
    files = seginw_files(root)
    # A missing file is found before the first network runs.
    boxes = {known: _boxes_of(known, detections) for known in files}
    sets = {
        known: evaluate_detections(
            model,
            path,
            boxes[known],
            hq=hq,
            images=path.parent,
            limit=limit,
            name=name,
            results=None if results is None else Path(results) / f"seginw-{known}_val.json",
            progress=progress,
        )
        for known, path in files.items()
    }
    first = next(iter(sets.values()))
    return SegInW(first.model, first.hq, sets)


def detect_seginw(
    detector: Any, root: str | Path, folder: str | Path, *, limit: int | None = None, progress: bool = False
) -> Path:
    """Writes a detector's boxes on the pictures of every set, as SET.json in a folder; returns the folder.

    `detector` is a value that `samhq.text.load.load_detector` takes. The detector searches for the categories of each
    set. Its best 100 pairs of a box and a class count for a picture, whatever their scores.

    Raises:
        ConfigError, CheckpointError, MissingExtraError: the folder has no set, or as `load_detector`.
        ImageError, PromptError: as `samhq.evaluation.detector_boxes.write_boxes`.
    """
    from samhq.evaluation.detector_boxes import load_for_ap, write_boxes

    files, loaded = seginw_files(root), load_for_ap(detector)
    for known, path in files.items():
        pictures = open_coco_pictures(path, path.parent)
        places = spread_places(len(pictures), limit)
        write_boxes(loaded, pictures, Path(folder) / f"{known}.json", places=places, label=known if progress else None)
    return Path(folder)


def seginw_files(root: str | Path) -> dict[str, Path]:
    """The annotation file of every set below a folder, by the set's name.

    Raises:
        ConfigError: the folder has no set.
    """
    files = {path.parts[-3]: path for path in sorted(Path(root).glob(f"*/valid/{_ANNOTATIONS}"))}
    if not files:
        raise ConfigError(f"Expected sets as SET/valid/{_ANNOTATIONS} in {root}, got none. Unpack seginw.zip there.")
    return files


def _boxes_of(name: str, folder: str | Path | None) -> Path | None:
    if folder is None:
        return None
    path = Path(folder) / f"{name}.json"
    if not path.is_file():
        raise ConfigError(f"Expected detections of {name} in {path}, got no such file. Add it.")
    return path


def _cell(*numbers: float) -> str:
    return " / ".join(map(per_cent, numbers))


def _mean(numbers: Iterable[float]) -> float:
    values = list(numbers)
    return fmean(values) if values else math.nan
