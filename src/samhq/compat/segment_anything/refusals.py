"""samhq's errors as subclasses of the built-in errors that the published packages raise, for old `except` clauses."""

from __future__ import annotations

from samhq.errors import ConfigError, ImageError, PromptError


class NoImageError(PromptError, RuntimeError):
    """A prompt before any picture; the published predictor raises `RuntimeError`."""


class RefusedPromptError(PromptError, AssertionError, RuntimeError):
    """A prompt that fails an assertion, or gives torch's shape error, in the published code."""


class RefusedImageError(ImageError, AssertionError):
    """A picture or a colour order that fails an assertion in the published predictor."""


class UnknownModelError(ConfigError, KeyError):
    """A key that a registry does not have; a `KeyError`, as from a plain dict."""

    __str__ = Exception.__str__  # KeyError would show the message in quotes.
