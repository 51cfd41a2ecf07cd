"""The result of an evaluation: rows, means, tables in Markdown, JSON and CSV, and several models side by side.

Knows numbers and text; nothing of models, pictures or masks.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, TextIO, get_args

from samhq.config import HQMode
from samhq.evaluation.clicks import MOST, TARGETS, noc, reached
from samhq.evaluation.journal import Scored
from samhq.evaluation.rows import COLUMNS, Row, Size
from samhq.plural import plural
from samhq.storage.atomic import whole_file

#: Numbers of clicks for which the mean IoU is shown.
SHOWN_CLICKS = (1, 3, 5, 10, 20)


@dataclass(frozen=True)
class Means:
    """Means over `count` objects, 0..1; NaN for no objects."""

    count: int
    iou: float
    boundary_iou: float


@dataclass(frozen=True)
class Summary:
    """One kind of prompt: means over all objects, over objects of each size, and of the available thin scores.

    For clicks also `noc` and `failures` for each target, the mean number of clicks and the number of objects that never
    reached it, and `curve`, the mean IoU after each click.
    """

    prompt: str
    hq: HQMode
    all: Means
    sizes: dict[Size, Means]
    thin: float
    thin_count: int
    noc: dict[str, float]
    failures: dict[str, int]
    curve: tuple[float, ...]


@dataclass(frozen=True)
class Evaluation:
    """The rows of one model on one data set, and the numbers of objects left out: without pixels, and crowds."""

    model: str
    source: str
    protocol: str
    rows: tuple[Row, ...]
    pictures: int
    empty: int = 0
    crowds: int = 0

    @classmethod
    def of(cls, model: str, source: str, protocol: str, scored: Sequence[Scored]) -> Evaluation:
        """The evaluation from the rows of all pictures."""
        rows = tuple(row for record in scored for row in record.rows)
        empty, crowds = sum(record.empty for record in scored), sum(record.crowds for record in scored)
        return cls(model, source, protocol, rows, len(scored), empty, crowds)

    def summaries(self) -> list[Summary]:
        """One for each kind of prompt and HQ mode, in the order of the rows."""
        kinds: dict[tuple[str, HQMode], list[Row]] = {}
        for row in self.rows:
            kinds.setdefault((row.prompt, row.hq), []).append(row)
        return [summary_of(prompt, hq, rows) for (prompt, hq), rows in kinds.items()]

    def summary(self, prompt: str, hq: HQMode | None = None) -> Summary:
        """The summary of one kind of prompt, in words such as "box" or "1p"; of its first HQ mode by default.

        Raises:
            KeyError: it was not measured.
        """
        for summary in self.summaries():
            if summary.prompt == prompt and hq in (None, summary.hq):
                return summary
        raise KeyError((prompt, hq))

    def table(self) -> str:
        """The means as Markdown tables, in per cent."""
        return side_by_side([self])

    def to_json(self) -> dict[str, Any]:
        """The means, without the rows, as JSON values; None for a missing number."""
        keys = ("model", "source", "protocol", "pictures", "empty", "crowds")
        return {key: getattr(self, key) for key in keys} | {
            "summaries": [as_json(asdict(summary)) for summary in self.summaries()]
        }

    def save(self, folder: Path) -> list[Path]:
        """Writes `objects.csv`, `summary.json` and `summary.md`; returns their paths.

        Raises:
            OSError: the folder cannot be made or written.
        """
        paths = write_tables(folder, [self])
        with whole_file(folder / "objects.csv") as part, _text(part) as stream:
            writer = csv.writer(stream)
            writer.writerow([*COLUMNS, "size"])
            for row in self.rows:
                writer.writerow([*(_cell(getattr(row, name)) for name in COLUMNS), row.size])
        return [folder / "objects.csv", *paths]


def summary_of(prompt: str, hq: HQMode, rows: Sequence[Row]) -> Summary:
    """The means of the rows of one kind of prompt."""
    thin = [row.thin for row in rows if row.thin is not None]
    curves = [row.clicks for row in rows if row.clicks]
    targets = TARGETS if curves else ()
    by_size = {}
    for size in get_args(Size):
        by_size[size] = mean_scores([row for row in rows if row.size == size])
    return Summary(
        prompt,
        hq,
        mean_scores(rows),
        by_size,
        _mean(thin),
        len(thin),
        {_percent(target): _mean([noc(curve, target) for curve in curves]) for target in targets},
        {_percent(target): sum(not reached(curve, target) for curve in curves) for target in targets},
        tuple(map(fmean, zip(*curves, strict=True))),
    )


def mean_scores(rows: Sequence[Row]) -> Means:
    """Means of IoU and boundary IoU; every object has the same weight, whatever its size."""
    return Means(len(rows), _mean([row.iou for row in rows]), _mean([row.boundary_iou for row in rows]))


def side_by_side(evaluations: Sequence[Evaluation]) -> str:
    """Markdown tables of several evaluations, a row for each model, kind of prompt and HQ mode; values in per cent."""
    parts = [_about(evaluations)]
    pairs = [(evaluation.model, summary) for evaluation in evaluations for summary in evaluation.summaries()]
    order = list(dict.fromkeys((summary.prompt, summary.hq) for _, summary in pairs))
    # For each kind of prompt, the models are listed one below the other.
    pairs.sort(key=lambda pair: order.index((pair[1].prompt, pair[1].hq)))
    with_prompts = [pair for pair in pairs if not pair[1].curve]
    clicked = [pair for pair in pairs if pair[1].curve]
    if with_prompts:
        head = ["model", "prompt", "HQ", "objects", "mIoU", "mBIoU", "thin", *get_args(Size)]
        parts.append(markdown(head, [_prompt_row(model, summary) for model, summary in with_prompts]))
    if clicked:
        noc_names = [f"NoC@{_percent(t)}" for t in TARGETS] + [f"not {_percent(t)}" for t in TARGETS]
        head = ["model", "HQ", "objects", *noc_names, *(f"IoU@{n}" for n in SHOWN_CLICKS), f"mBIoU@{MOST}"]
        parts.append(markdown(head, [_click_row(model, summary) for model, summary in clicked]))
    return "\n\n".join(parts) + "\n"


def write_tables(folder: Path, evaluations: Sequence[Evaluation]) -> list[Path]:
    """Writes `summary.json` and `summary.md` of several evaluations; returns their paths.

    Raises:
        OSError: the folder cannot be made or written.
    """
    texts = {
        "summary.json": json.dumps([evaluation.to_json() for evaluation in evaluations], indent=1) + "\n",
        "summary.md": side_by_side(evaluations),
    }
    for name, text in texts.items():
        with whole_file(folder / name) as part:
            part.write_text(text, encoding="utf-8", errors="backslashreplace")
    return [folder / name for name in texts]


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown, its columns as wide as their longest cell.

    >>> print(markdown(["a", "b"], [["1", "long"]]))
    | a | b    |
    | - | ---- |
    | 1 | long |
    """
    every = [list(head), *map(list, rows)]
    widths = [max(map(len, column)) for column in zip(*every, strict=True)]
    every.insert(1, ["-" * width for width in widths])
    return "\n".join("| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in every)


def per_cent(value: float) -> str:
    """A share in per cent as text, with one decimal; a dash for NaN.

    >>> per_cent(0.7864), per_cent(math.nan)
    ('78.6', '-')
    """
    return "-" if math.isnan(value) else f"{100 * value:.1f}"


def _about(evaluations: Sequence[Evaluation]) -> str:
    first = evaluations[0]
    left_out = []
    if first.empty:
        left_out.append(f"{first.empty} without pixels")
    if first.crowds:
        left_out.append(plural(first.crowds, "crowd"))
    heading = f"{first.source}: {plural(first.pictures, 'picture')}, protocol {first.protocol}, values in %"
    return f"{heading}; left out: {', '.join(left_out)}." if left_out else f"{heading}."


def _prompt_row(model: str, summary: Summary) -> list[str]:
    whole = [str(summary.all.count), per_cent(summary.all.iou), per_cent(summary.all.boundary_iou)]
    thin = f"{per_cent(summary.thin)} ({summary.thin_count})" if summary.thin_count else "-"
    sizes = [
        f"{per_cent(m.iou)} / {per_cent(m.boundary_iou)} ({m.count})" if m.count else "-"
        for m in summary.sizes.values()
    ]
    return [model, summary.prompt, summary.hq, *whole, thin, *sizes]


def _click_row(model: str, summary: Summary) -> list[str]:
    counts = [f"{value:.2f}" for value in summary.noc.values()] + [str(n) for n in summary.failures.values()]
    curve = [per_cent(summary.curve[number - 1]) for number in SHOWN_CLICKS]
    return [model, summary.hq, str(summary.all.count), *counts, *curve, per_cent(summary.all.boundary_iou)]


def _mean(values: Sequence[float]) -> float:
    return fmean(values) if values else math.nan


def _percent(target: float) -> str:
    return f"{100 * target:.0f}"


def _text(path: Path) -> TextIO:
    """Opens a file for CSV; file names in it may hold bytes that are not text."""
    return path.open("w", newline="", encoding="utf-8", errors="backslashreplace")


def _cell(value: Any) -> Any:
    """A value as text for CSV: the numbers of a tuple separated by spaces, nothing for None."""
    if isinstance(value, tuple):
        return " ".join(f"{number:.4f}" for number in value)
    return "" if value is None else value


def as_json(value: Any) -> Any:
    """The value with None in place of NaN and infinity, which JSON cannot hold; also inside mappings and lists.

    >>> as_json({"iou": 0.5, "thin": [math.nan, math.inf]})
    {'iou': 0.5, 'thin': [None, None]}
    """
    if isinstance(value, Mapping):
        return {key: as_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_json(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
