"""The defaults of a training run's fields, by kind of run: one table.

Knows nothing about torch, models or data.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from samhq.errors import ConfigError, did_you_mean


@dataclass(frozen=True)
class LossWeights:
    """The weight of each part of the loss."""

    bce: float = 1.0
    """Binary cross-entropy, averaged over a mask's pixels or points."""

    focal: float = 0.0
    """Focal loss: binary cross-entropy with each pixel weighted by the square of its error."""

    dice: float = 1.0
    """One minus the soft overlap."""

    sam: float = 1.0
    """Weight of the SAM mask that a prompt uses; 0 if SAM does not learn."""

    iou: float = 1.0
    """Squared error of the predicted IoU."""

    minor: float = 0.3
    """Weight of the masks that a prompt does not use (mask 0 for a single click, else masks 1 to 3)."""

    hq: float = 0.5
    """Weight of the HQ mask alone."""

    hq_sum: float = 1.0
    """Weight of the HQ mask added to SAM's, which is detached."""

    fine: int = 1
    """For drawn scenes, if `points` is 0: HQ masks are compared 1, 2 or 4 times finer than low resolution."""

    points: int = 0
    """Number of points on which masks are compared at the picture's side, mostly uncertain ones. 0: every pixel; SAM's
    masks are then compared at low resolution and, on labelled data, HQ masks at the picture's side."""

    corrected: float = 1.0
    """Weight of the rounds after the first, each with a click on an error."""


#: Fields of `LossWeights` that are whole numbers.
_WHOLE = ("fine", "points")
#: Points of the published loss: a grid of 112 by 112.
PUBLISHED_POINTS = 112 * 112
_HQ_LOSS = LossWeights(sam=0, minor=0, iou=0, hq=0.5, hq_sum=1, points=PUBLISHED_POINTS)
_EVERY_KIND = "box:0.32,point:0.28,points:0.18,box_points:0.12,mask:0.1"

_SCRATCH: dict[str, Any] = {
    "init": "random",
    "data": "scenes",
    "epochs": 1.0,
    "batch": 8,
    "accumulate": 1,
    "stages": "112:16:45m,224:8:45m",
    "prompts_per_picture": 8,
    "kinds": _EVERY_KIND,
    "correct": 0.5,
    "scale": (1.0, 1.0),
    "weights": LossWeights(),
    "optimiser": "adamw",
    "learning_rate": 1e-3,
    "shape": "linear",
    "hold": 0.3,
    "final_rate": 0.01,
    "warmup": 100,
    "weight_decay": 0.05,
    "beta2": 0.98,
    "clip": 1.0,
    "average": 0.999,
    "best": "iou",
    "validate_minutes": 10.0,
}
_FINETUNE: dict[str, Any] = _SCRATCH | {
    "init": "starter",
    "data": None,
    "epochs": 10.0,
    "validate_minutes": 0.0,
    "batch": 4,
    "stages": "",
    "prompts_per_picture": 4,
    "correct": 0.25,
    "scale": (0.5, 1.5),
    "weights": LossWeights(points=PUBLISHED_POINTS),
    "learning_rate": 5e-4,
    "hold": 0.2,
    "warmup": 20,
    "weight_decay": 0.01,
    "beta2": 0.999,
}
_HQ: dict[str, Any] = _FINETUNE | {
    "epochs": 12.0,
    "best": "boundary_iou",
    "kinds": "tight_box,clicks,noise_mask",
    "correct": 0.0,
    "scale": (0.1, 2.0),
    "weights": _HQ_LOSS,
    "learning_rate": 1e-3,
    "weight_decay": 0.0,
}
#: The highest learning rate of fine-tuning that changes the encoder.
_ENCODER_RATE = 1e-4
#: Defaults of fields and weights of the loss, by mode and by `preset`. "paper" is SAM-HQ's published training
#: (arXiv 2306.01567, train/train.py); 8 accumulated batches of 4 replace its 8 GPUs.
RECIPES: dict[str, dict[str, Any]] = {
    "scratch": _SCRATCH,
    "finetune": _FINETUNE,
    "hq": _HQ,
    "paper": _HQ
    | {
        "accumulate": 8,
        "prompts_per_picture": 1,
        "kinds": "tight_box,clicks,noise_mask_255",
        "weights": dataclasses.replace(_HQ_LOSS, hq=1, hq_sum=0),
        "optimiser": "adam",
        "shape": "step",
        "hold": 10 / 12,
        "final_rate": 0.1,
        "warmup": 1,
        "clip": 0.0,
        "average": 0.0,
    },
}


def recipe_of(name: str, what: str) -> dict[str, Any]:
    """The defaults of a mode or preset; fine-tuning that also changes the encoder learns more slowly.

    >>> recipe_of("finetune", "all")["learning_rate"] < recipe_of("finetune", "decoder")["learning_rate"]
    True
    """
    recipe = RECIPES[name]
    return recipe | {"learning_rate": _ENCODER_RATE} if name == "finetune" and what in ("lora", "all") else recipe


def parse_loss(text: str, base: LossWeights) -> LossWeights:
    """The weights `base` with the changes in a text like `points:3136,hq:1`.

    >>> parse_loss("dice:2,points:100", LossWeights()).dice
    2.0

    Raises:
        ConfigError: an unknown part, a weight that is not a number from 0 up, or a `fine` that cannot be used.
    """
    changes: dict[str, Any] = {}
    fields = [field.name for field in dataclasses.fields(base)]
    for part in filter(None, (word.strip() for word in text.split(","))):
        name, _, value = part.partition(":")
        if name not in fields:
            raise ConfigError(f"Expected a part of the loss, got {name!r}. {did_you_mean(name, fields)}")
        try:
            changes[name] = (int if name in _WHOLE else float)(value)
        except ValueError as error:
            raise ConfigError(f"Expected NAME:NUMBER, got {part!r}. Write dice:2 for instance.") from error
        if not 0 <= changes[name] < float("inf"):
            raise ConfigError(f"Expected a number from 0 up, got {part!r}. Write dice:2, say.")
        if name == "fine" and changes[name] not in (1, 2, 4):
            raise ConfigError(f"Expected HQ masks judged 1, 2 or 4 times finer, got {part!r}. Write fine:2, say.")
    return dataclasses.replace(base, **changes)
