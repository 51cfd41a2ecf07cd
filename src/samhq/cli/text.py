"""Flags for finding objects by class names: the names, the detector, and which boxes to keep.

Imports detectors only inside functions, so that help is fast.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from cyclopts import Parameter, Token

from samhq.batch.search import ClassThreshold, DetectorSettings, TextSettings
from samhq.errors import PromptError


def limit_from_text(text: str) -> ClassThreshold:
    """The threshold in `0.3` or `cup=0.3`.

    >>> limit_from_text("red car=0.3"), limit_from_text("0.25")
    (ClassThreshold(name='red car', score=0.3), ClassThreshold(name='', score=0.25))

    Raises:
        PromptError: no number from 0 to 1.
    """
    name, _, number = text.rpartition("=")
    try:
        score = float(number)
    except ValueError:
        score = math.nan
    if not 0 <= score <= 1:
        raise PromptError(f"expected a score from 0 to 1, or class=score, got {text!r}. Write --threshold cup=0.35.")
    return ClassThreshold(name.strip(), score)


def _limits(_: Any, tokens: Sequence[Token]) -> tuple[ClassThreshold, ...]:
    return tuple(limit_from_text(token.value) for token in tokens)


@Parameter(name="*")
@dataclass(frozen=True)
class DetectorFlags(DetectorSettings):
    """Which detector to use, and which of its boxes to keep."""

    threshold: Annotated[
        tuple[ClassThreshold, ...],
        Parameter(converter=_limits, n_tokens=1, negative="", accepts_keys=False, show_default=False),
    ] = ()
    """Lowest score of a box to keep: 0.3, or cup=0.35 for one class. Repeat for more. [default: the detector's own,
    0.25 or 0.1 for OWL]"""


@Parameter(name="*")
@dataclass(frozen=True)
class TextFlags(DetectorFlags, TextSettings):
    """Class names in place of prompts."""

    def check(self) -> None:
        """Refuses flags for a detector without class names.

        Raises:
            PromptError: class names that cannot be used; a detector or thresholds without class names.
        """
        from samhq.text.classes import as_classes

        if self.text is not None:
            as_classes(self.text)
            self.thresholds()
            return
        if self != TextFlags():
            raise PromptError(
                "Expected --text with --detector, --threshold, --nms, --max-detections and --short-side, got none. "
                'Write --text "cup, red car".'
            )


NO_TEXT, PLAIN_SEARCH = TextFlags(), DetectorFlags()  #: The values of the flags when none is given.
