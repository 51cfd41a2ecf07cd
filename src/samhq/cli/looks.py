"""Flags for how a model sees a picture: its channels, tiles, and a second look at full resolution."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from cyclopts import Parameter, Token

from samhq.batch.settings import BandSettings, RefineSettings, TileSettings
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


def _one_word(read: Callable[[str], Any]) -> Parameter:
    """A flag whose value is one word, which may contain commas."""

    def convert(_: Any, tokens: Sequence[Token]) -> Any:
        return read(tokens[-1].value)

    return Parameter(converter=convert, n_tokens=1, accepts_keys=False, negative="", show_default=False)


@Parameter(name="*")
@dataclass(frozen=True)
class BandFlags(BandSettings):
    """Which channels of a picture the model sees, and how bright."""

    bands: Annotated[tuple[int, ...] | None, _one_word(bands_from_text)] = None
    """Channels for red, green and blue, or one for grey, counted from 1: 4,3,2. Needs the extra `geo`."""

    stretch: Annotated[tuple[float, float] | None, _one_word(stretch_from_text)] = None
    """Percentiles of each channel that become black and white, for 16-bit, float and satellite pictures: 2,98. Needs
    the extra `geo`."""


@Parameter(name="*")
@dataclass(frozen=True)
class RefineFlags(BandFlags, RefineSettings):
    """How the model looks at a picture with prompts."""


@Parameter(name="*")
@dataclass(frozen=True)
class TileFlags(BandFlags, TileSettings):
    """How the model looks at a picture without prompts."""


#: The values of the flags when none is given.
ALL_AS_IT_IS, PLAIN_LOOK, NO_TILES = BandFlags(), RefineFlags(), TileFlags()
