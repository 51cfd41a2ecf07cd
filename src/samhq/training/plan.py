"""The length of a run, its picture sides and its batches: a timeline of stages.

Knows nothing about training itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from samhq.errors import ConfigError

Unit = Literal["minutes", "steps", "epochs"]
_SUFFIX: dict[str, Unit] = {"m": "minutes", "e": "epochs"}
#: Finished epochs are sums of small parts; differences up to this are rounding.
_NOTHING = 1e-6


@dataclass(frozen=True)
class ScheduleStage:
    """A stretch of the run at one picture side: `side` pixels, `batch` pictures at a time, for `amount` units."""

    side: int
    batch: int
    amount: float
    unit: Unit = "steps"

    def __post_init__(self) -> None:
        if self.side <= 0 or self.side % 16 or self.batch <= 0 or not 0 < self.amount < math.inf:
            raise ConfigError(
                f"Expected a side that is a multiple of 16, a batch and a length above 0, got {self}. "
                "Write a stage as side:batch:length, for example 224:8:40m."
            )

    def __str__(self) -> str:
        ending = {unit: suffix for suffix, unit in _SUFFIX.items()}.get(self.unit, "")
        return f"{self.side}:{self.batch}:{self.amount:g}{ending}"


@dataclass(frozen=True)
class Schedule:
    """Stages one after the other, all measured in one unit."""

    stages: tuple[ScheduleStage, ...]

    @property
    def unit(self) -> Unit:
        """The unit of the plan."""
        return self.stages[0].unit

    @property
    def length(self) -> float:
        """The whole plan in `unit`."""
        return sum(stage.amount for stage in self.stages)

    def at(self, spent: float) -> ScheduleStage | None:
        """The stage at `spent` units from the start; None past the end.

        >>> Schedule(parse_stages("112:16:10,224:8:5")).at(10).side
        224
        """
        for stage in self.stages:
            if spent < stage.amount - _NOTHING:
                return stage
            spent -= stage.amount
        return None


def parse_stages(text: str) -> tuple[ScheduleStage, ...]:
    """Stages from `side:batch:length,...`; a length is in steps, in minutes if it ends in `m`, in epochs with `e`.

    >>> [str(stage) for stage in parse_stages("112:16:45m,224:8:1.5m")]
    ['112:16:45m', '224:8:1.5m']

    Raises:
        ConfigError: a stage of another form, or lengths of several units in one plan.
    """
    stages = tuple(_parse_stage(part.strip()) for part in text.split(","))
    if len({stage.unit for stage in stages}) != 1:
        raise ConfigError(f"Expected lengths in one unit, got {text!r}. Give all as steps, minutes or epochs.")
    return stages


def _parse_stage(text: str) -> ScheduleStage:
    try:
        side, batch, length = text.split(":")
        unit = _SUFFIX.get(length[-1:], "steps")
        return ScheduleStage(int(side), int(batch), float(length if unit == "steps" else length[:-1]), unit)
    except ValueError as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(
            f"Expected a stage as side:batch:length, got {text!r}. Write 224:8:40m for minutes, 224:8:500 for steps."
        ) from error
