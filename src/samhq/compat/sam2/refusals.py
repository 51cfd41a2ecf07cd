"""samhq's errors under the built-in names that SAM 2's package raises, so that old `except` clauses fit."""

from __future__ import annotations

from samhq.errors import ImageError, PromptError


class NoImageError(PromptError, RuntimeError):
    """A prompt before any picture; the published predictor raises `RuntimeError`."""


class RefusedPromptError(PromptError, AssertionError, RuntimeError):
    """A prompt that the published code stops at, by an assertion or by a shape error out of torch."""


class RefusedImageError(ImageError, NotImplementedError, AssertionError):
    """A picture that the published predictor does not take."""
