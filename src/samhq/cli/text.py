"""Flags for finding objects by class names or examples: these, the detector, and which boxes to keep.

Imports detectors only inside functions, so that help is fast.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from cyclopts import Parameter, Token

from samhq.batch.search import ClassThreshold, DetectorSettings, ExampleBox, ExampleSettings, TextSettings
from samhq.cli.fields import grown_from
from samhq.cli.prompts import box_from_text, repeated_flag
from samhq.errors import PromptError

Examples = TypeVar("Examples", bound="ExampleFlags")


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


def _examples(_: Any, tokens: Sequence[Token]) -> tuple[ExampleBox, ...]:
    return tuple(ExampleBox(*box_from_text(token.value, "--like")) for token in tokens)


def _limits(_: Any, tokens: Sequence[Token]) -> tuple[ClassThreshold, ...]:
    return tuple(limit_from_text(token.value) for token in tokens)


@Parameter(name="*")
@dataclass(frozen=True)
@grown_from(
    DetectorSettings,
    threshold=Parameter(converter=_limits, n_tokens=1, negative="", accepts_keys=False, show_default=False),
)
class DetectorFlags(DetectorSettings):
    """Which detector to use, and which of its boxes to keep."""


@Parameter(name="*")
@dataclass(frozen=True)
@grown_from(ExampleSettings, like=repeated_flag(_examples))
class ExampleFlags(ExampleSettings):
    """Examples of the objects to find."""

    def check_examples(self) -> None:
        """Refuses flags about examples without one, and a picture of examples that is not there.

        Raises:
            PromptError: one of these.
        """
        if not self.like and (self.like_in is not None or self.like_name != ExampleSettings.like_name):
            raise PromptError(
                "Expected --like with --like-in and --like-name, got none. Write --like x0,y0,x1,y1, the box of an "
                "example."
            )
        if self.like_in is not None and not self.like_in.is_file():
            raise PromptError(f"Expected a picture as --like-in, got {self.like_in}, which is no file. Check the path.")

    def found_in(self: Examples, pictures: Sequence[Path]) -> Examples:
        """The same flags with the picture of their boxes: the only picture, if the flags name none.

        Raises:
            PromptError: several pictures, and no --like-in.
        """
        self.check_examples()
        if not self.like or self.like_in is not None:
            return self
        if len(pictures) != 1:
            raise PromptError(
                f"Expected --like-in PICTURE with --like for several pictures, got {len(pictures)} pictures without "
                "it. Name the picture of the box."
            )
        return replace(self, like_in=pictures[0])


@Parameter(name="*")
@dataclass(frozen=True)
class TextFlags(DetectorFlags, ExampleFlags, TextSettings):
    """Class names or examples in place of prompts."""

    def check(self) -> None:
        """Refuses flags for a detector without class names and examples.

        Raises:
            PromptError: class names that cannot be used; names and examples; a detector or thresholds without them.
        """
        check_one_search(self.text, self.like)
        if self.like:
            self.check_examples()
        if self.wanted:
            self.thresholds()
            return
        if self != TextFlags():
            raise PromptError(
                "Expected --text or --like with --detector, --threshold, --nms, --max-detections, --short-side, "
                "--detector-batch, --like-in and --like-name, got none. Write --text 'cup, red car'."
            )


def check_one_search(text: str | None, like: Sequence[ExampleBox]) -> None:
    """Refuses class names that cannot be used, and class names beside examples.

    Raises:
        PromptError: one of these.
    """
    from samhq.text.classes import as_classes

    if text is None:
        return
    if like:
        raise PromptError("Expected --text or --like, got both. Run the command once for each.")
    as_classes(text)


#: The flags' defaults.
NO_TEXT, PLAIN_SEARCH, NO_EXAMPLE = TextFlags(), DetectorFlags(), ExampleFlags()
