"""The scores of a network on validation pictures, as a few named numbers.

`samhq.evaluate` computes the scores themselves. Knows nothing about optimisers or steps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from samhq.config import HQMode
from samhq.datasets.sample import Pictures
from samhq.evaluation.run import evaluate
from samhq.model.sam import Sam

#: The prompts for validation: on pictures, and on drawn scenes.
PROMPTS, SCENE_PROMPTS = ("box", "1p"), ("box", "1p", "3p")


def scene_scores(sam: Sam, scenes: Pictures) -> dict[str, float]:
    """As `picture_scores`, also with three points: "3p iou" and so on."""
    return picture_scores(sam, scenes, prompts=SCENE_PROMPTS)


def picture_scores(
    sam: Sam, pictures: Pictures, *, published: bool = False, prompts: Sequence[str] = PROMPTS
) -> dict[str, float]:
    """Means over all objects: "box iou", "box boundary_iou", "box thin", and the same for "1p", one point.

    For HQ models these score the sum of both masks; the names of scores of SAM's masks alone begin with "box off".
    `published` squashes pictures to squares and takes the HQ mask alone, as SAM-HQ's own validation does. Thin scores
    exist only if some object has thin structures.

    Raises:
        ConfigError: no picture has an object.
        ImageError: a picture cannot be read.
    """
    first: HQMode = "only" if published else "add"
    modes: tuple[HQMode, ...] = (first, "off") if sam.config.hq else ("off",)
    protocol = "published" if published else "exact"
    result: dict[str, float] = {}
    for summary in evaluate(sam, pictures, prompts=prompts, protocol=protocol, hq=modes).summaries():
        prefix = _prefix(summary.prompt, summary.hq, modes)
        scores = {"iou": summary.all.iou, "boundary_iou": summary.all.boundary_iou, "thin": summary.thin}
        result |= {f"{prefix} {name}": value for name, value in scores.items() if not math.isnan(value)}
    return result


def _prefix(prompt: str, hq: HQMode, modes: tuple[HQMode, ...]) -> str:
    return prompt if hq == modes[0] else f"{prompt} {hq}"
