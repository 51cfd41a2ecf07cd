"""The means of an evaluation on drawn scenes, over all objects and over the thin ones."""

from __future__ import annotations

from dataclasses import dataclass

from samhq.config import HQMode
from samhq.datasets.drawn.pictures import THIN
from samhq.evaluation.result import Evaluation, means


@dataclass(frozen=True)
class ThinScores:
    """Means over `count` objects, 0..1; `thin_*` over the thin ones among them, NaN where there is none."""

    kind: str
    hq: HQMode
    count: int
    iou: float
    boundary_iou: float
    thin_iou: float
    thin_boundary_iou: float

    def __str__(self) -> str:
        return (
            f"{self.kind:11} {self.hq:5} n={self.count:4}  IoU {self.iou:.3f}  boundary {self.boundary_iou:.3f}  "
            f"thin {self.thin_iou:.3f}/{self.thin_boundary_iou:.3f}"
        )


def thin_scores(evaluation: Evaluation) -> list[ThinScores]:
    """One for each kind of prompt and HQ mode, in the order of the rows."""
    kinds = dict.fromkeys((row.prompt, row.hq) for row in evaluation.rows)
    found = []
    for prompt, hq in kinds:
        rows = [row for row in evaluation.rows if (row.prompt, row.hq) == (prompt, hq)]
        every, thin = means(rows), means([row for row in rows if row.category == THIN])
        found.append(ThinScores(prompt, hq, every.count, every.iou, every.boundary_iou, thin.iou, thin.boundary_iou))
    return found
