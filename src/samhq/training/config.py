"""Everything a training run is told: plain frozen values that fit on a command line.

Knows nothing about torch, models or data.
"""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from samhq.config import MODELS
from samhq.errors import ConfigError, did_you_mean

Unit = Literal["minutes", "steps"]
Precision = Literal["float32", "bfloat16", "float16"]


@dataclass(frozen=True)
class Stage:
    """A stretch of the run at one picture side: `side` pixels, `batch` pictures a step, for `amount` units."""

    side: int
    batch: int
    amount: float
    unit: Unit = "steps"

    def __post_init__(self) -> None:
        if self.side <= 0 or self.side % 16 or self.batch <= 0 or not 0 < self.amount < math.inf:
            raise ConfigError(
                f"Expected a side that is a multiple of 16, a batch and a length above 0, got {self}; "
                "write a stage as side:batch:length, for example 224:8:40m."
            )

    def __str__(self) -> str:
        return f"{self.side}:{self.batch}:{self.amount:g}{'m' if self.unit == 'minutes' else ''}"


def parse_stages(text: str) -> tuple[Stage, ...]:
    """Stages from `side:batch:length,...`; a length is steps, or minutes when it ends in `m`.

    >>> [str(stage) for stage in parse_stages("112:16:45m,224:8:1.5m")]
    ['112:16:45m', '224:8:1.5m']

    Raises:
        ConfigError: a stage of another form, or steps and minutes in one plan.
    """
    return tuple(_parse_stage(part.strip()) for part in text.split(","))


def _parse_stage(text: str) -> Stage:
    try:
        side, batch, length = text.split(":")
        unit: Unit = "minutes" if length.endswith("m") else "steps"
        return Stage(int(side), int(batch), float(length.removesuffix("m")), unit)
    except ValueError as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(
            f"Expected a stage as side:batch:length, got {text!r}; 224:8:40m is minutes, 224:8:500 is steps."
        ) from error


@dataclass(frozen=True)
class LossWeights:
    """How much each part of the loss counts."""

    bce: float = 1.0  #: binary cross-entropy, averaged over a mask's pixels
    focal: float = 0.0  #: the same, each pixel weighted by the square of its error
    dice: float = 1.0
    iou: float = 1.0  #: squared error of the predicted IoU
    minor: float = 0.3  #: of the masks that a prompt does not ask for (mask 0 for a lone click, else masks 1..3)
    hq: float = 0.5  #: of the HQ mask alone
    fine: int = 1  #: HQ masks are judged this many times finer than low resolution: 1, 2 or 4
    hq_sum: float = 1.0  #: of the HQ mask added to SAM's, where SAM's is taken as given
    corrected: float = 1.0  #: of the second round, after a click on an error


@dataclass(frozen=True)
class TrainConfig:
    """A training run from random weights on drawn scenes.

    `stages` are a timeline: a resumed run stands where its spent minutes (or steps) put it on the plan it is
    given, so a plan may be changed between two starts.
    """

    output: Path = Path("runs/starter")
    stages: tuple[Stage, ...] = (Stage(112, 16, 45, "minutes"), Stage(224, 8, 45, "minutes"))
    model: str = "sam_hq_vit_tiny"
    seed: int = 0
    prompts: int = 8  #: prompts of each picture
    correct: float = 0.5  #: share of prompts with a second, corrective round
    loss: LossWeights = LossWeights()
    learning_rate: float = 1e-3
    final_rate: float = 0.01  #: the last learning rate, as a share of the peak
    hold: float = 0.3  #: share of the plan before the learning rate begins to fall
    muon: bool = False  #: orthogonalised momentum for hidden matrices, AdamW for the rest
    shape: Literal["linear", "cosine"] = "linear"
    warmup: int = 100  #: steps of rising learning rate
    weight_decay: float = 0.05
    beta2: float = 0.98
    clip: float = 1.0  #: largest gradient norm
    average: float = 0.999  #: decay of the averaged weights
    norm_pictures: int = 256  #: pictures that re-estimate BatchNorm statistics before export
    precision: Precision = "float32"
    device: str = "cpu"
    threads: int = 1
    workers: int = 1  #: processes that draw scenes; 0 draws between steps
    log_steps: int = 20
    save_minutes: float = 5.0
    validate_minutes: float = 10.0
    validate_pictures: int = 24
    resume: bool = False

    def __post_init__(self) -> None:
        if self.model not in MODELS:
            raise ConfigError(f"Expected the name of a model, got {self.model!r}. {did_you_mean(self.model, MODELS)}")
        if not self.stages or len({stage.unit for stage in self.stages}) != 1:
            raise ConfigError("Expected one stage or more, all in minutes or all in steps; give every length one unit.")

    @property
    def unit(self) -> Unit:
        """What the plan is measured in."""
        return self.stages[0].unit

    @property
    def planned(self) -> float:
        """Length of the whole plan in `unit`."""
        return sum(stage.amount for stage in self.stages)

    def stage_at(self, spent: float) -> Stage | None:
        """The stage at `spent` units from the start; None past the end.

        >>> TrainConfig(stages=parse_stages("112:16:10,224:8:5")).stage_at(10).side
        224
        """
        for stage in self.stages:
            if spent < stage.amount:
                return stage
            spent -= stage.amount
        return None

    def to_json(self) -> str:
        """The whole configuration as JSON, to lie beside each checkpoint."""
        return json.dumps(dataclasses.asdict(self), default=str, indent=1)
