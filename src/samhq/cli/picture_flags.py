"""Flags for how a model sees a picture: its channels, tiles, and a second look at full resolution."""

from __future__ import annotations

from dataclasses import dataclass

from cyclopts import Parameter

from samhq.batch.settings import BandSettings, RefineSettings, TileSettings
from samhq.cli.fields import grown_from
from samhq.errors import ConfigError


def bands_from_text(text: str) -> tuple[int, ...]:
    """The channel numbers in `4,3,2`, or a single one.

    >>> bands_from_text("4,3,2")
    (4, 3, 2)

    Raises:
        ConfigError: neither one whole number from 1 nor three.
    """
    parts = text.split(",")
    if len(parts) not in (1, 3) or not all(part.strip().isdecimal() and int(part) for part in parts):
        raise ConfigError(f"expected one channel or three, counted from 1, got {text!r}. Write --bands 4,3,2.")
    return tuple(map(int, parts))


def stretch_from_text(text: str) -> tuple[float, float]:
    """Two percentiles from `2,98`.

    >>> stretch_from_text("2,98")
    (2.0, 98.0)

    Raises:
        ConfigError: not two numbers of 0..100, the lower first.
    """
    try:
        low, high = map(float, text.split(","))
    except ValueError:
        low = high = -1.0
    if not 0 <= low < high <= 100:
        raise ConfigError(f"expected two percentiles, the lower first, got {text!r}. Write --stretch 2,98.")
    return low, high


@Parameter(name="*")
@dataclass(frozen=True)
@grown_from(BandSettings, words={"bands": bands_from_text, "stretch": stretch_from_text})
class BandFlags(BandSettings):
    """Which channels of a picture the model sees, and how bright."""


@Parameter(name="*")
@dataclass(frozen=True)
class RefineFlags(BandFlags, RefineSettings):
    """How objects of a picture are segmented from prompts."""


@Parameter(name="*")
@dataclass(frozen=True)
class TileFlags(BandFlags, TileSettings):
    """How everything in a picture is segmented."""


#: The flags' defaults.
ALL_AS_IT_IS, ONE_LOOK, NO_TILES = BandFlags(), RefineFlags(), TileFlags()
