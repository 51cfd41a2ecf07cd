"""Output folders and files: creates folders, and checks that a name is free. Knows nothing about results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from samhq.errors import ConfigError


def make_folder(path: Path) -> None:
    """Makes a folder and its parents if they do not exist.

    Raises:
        ConfigError: it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"Expected a folder for the results, got {path}: {error.strerror}. Give another.") from None


def check_free(paths: Sequence[Path]) -> None:
    """Refuses to go on if one of these files exists.

    Raises:
        ConfigError: one exists.
    """
    taken = next((path for path in paths if path.exists()), None)
    if taken is not None:
        raise ConfigError(
            f"Expected a name that is free, got {taken}, which exists. Give another, or --force to replace it."
        )
