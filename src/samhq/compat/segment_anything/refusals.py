"""samhq's errors under the built-in names that the published packages raise, so that old `except` clauses fit."""

from __future__ import annotations

from samhq.errors import ConfigError, ImageError, PromptError


class NoImageError(PromptError, RuntimeError):
    """A prompt before any picture; the published predictor raises `RuntimeError`."""


class RefusedPromptError(PromptError, AssertionError, RuntimeError):
    """A prompt that the published code stops at, by an assertion or by a shape error out of torch."""


class RefusedImageError(ImageError, AssertionError):
    """A picture or a colour order that the published predictor stops at by an assertion."""


class UnknownModelError(ConfigError, KeyError):
    """A key that a registry does not have; in a plain dict a `KeyError`."""

    __str__ = Exception.__str__  # KeyError would show the message in quotes
