"""samhq's errors as subclasses of the built-in errors that SAM 2's package raises, for old `except` clauses."""

from __future__ import annotations

from samhq.errors import ImageError, PromptError


class NoImageError(PromptError, RuntimeError):
    """A prompt before any picture; the published predictor raises `RuntimeError`."""


class RefusedPromptError(PromptError, AssertionError, RuntimeError):
    """A prompt that fails an assertion, or gives torch's shape error, in the published code."""


class RefusedImageError(ImageError, NotImplementedError, AssertionError):
    """A picture that the published predictor does not accept."""
