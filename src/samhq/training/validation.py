"""How good a network is on pictures that it does not learn from, as a few named numbers.

The measures themselves are `samhq.evaluate`'s. Knows nothing about optimisers or steps.
"""

from __future__ import annotations

import math

from samhq.config import HQMode
from samhq.datasets.sample import Pictures
from samhq.evaluation.run import evaluate
from samhq.evaluation.scenes import evaluate_scenes
from samhq.model.sam import Sam
from samhq.training.drawn import unseen_scenes

#: The ways of asking that a run is judged by.
PROMPTS = ("box", "1p")


def scene_scores(sam: Sam, count: int) -> dict[str, float]:
    """Scores on drawn scenes that no run trains on: "box iou", "box boundary_iou", the same for "1 point", "3 points".

    With HQ heads these are of the sum of both masks, and those of SAM's alone begin with "box off".
    """
    modes: tuple[HQMode, ...] = ("add", "off") if sam.config.hq else ("off",)
    found: dict[str, float] = {}
    for score in evaluate_scenes(sam, unseen_scenes(count, sam.config.side), modes=modes):
        prefix = _prefix(score.kind, score.hq, modes)
        found |= {f"{prefix} iou": score.iou, f"{prefix} boundary_iou": score.boundary_iou}
    return found


def picture_scores(sam: Sam, pictures: Pictures, *, published: bool = False) -> dict[str, float]:
    """Means over all objects: "box iou", "box boundary_iou", "box thin", and the same for "1p".

    With HQ heads these are of the sum of both masks, and those of SAM's alone begin with "box off". `published`
    squashes pictures to squares and takes the HQ mask alone, as SAM-HQ's own validation does. Thin scores are there
    where some object has thin structures.

    Raises:
        ConfigError: no picture has an object.
        ImageError: a picture cannot be read.
    """
    first: HQMode = "only" if published else "add"
    modes: tuple[HQMode, ...] = (first, "off") if sam.config.hq else ("off",)
    protocol = "published" if published else "exact"
    found: dict[str, float] = {}
    for summary in evaluate(sam, pictures, prompts=PROMPTS, protocol=protocol, hq=modes).summaries():
        prefix = _prefix(summary.prompt, summary.hq, modes)
        scores = {"iou": summary.all.iou, "boundary_iou": summary.all.boundary_iou, "thin": summary.thin}
        found |= {f"{prefix} {name}": value for name, value in scores.items() if not math.isnan(value)}
    return found


def _prefix(prompt: str, hq: HQMode, modes: tuple[HQMode, ...]) -> str:
    return prompt if hq == modes[0] else f"{prompt} {hq}"
