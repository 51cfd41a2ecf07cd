"""Output folders and files: creates, locks, and checks that a name is free. Knows nothing about results."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from samhq.errors import ConfigError
from samhq.image.suffixes import SUFFIXES
from samhq.storage.locks import only_one

_FILES = (*SUFFIXES, ".json", ".geojson", ".txt", ".csv", ".svg", ".mp4")  #: Suffixes of what results are written to.


def make_folder(path: Path) -> None:
    """Makes a folder and its parents if they do not exist.

    Raises:
        ConfigError: it cannot be made, or a name of a file.
    """
    if path.suffix.lower() in _FILES and not path.is_dir():
        raise ConfigError(f"Expected a folder for the results, got {path}, the name of a file. Write --output out.")
    with _as_config_error(path):
        path.mkdir(parents=True, exist_ok=True)


@contextmanager
def folder_for_one(path: Path, work: str) -> Iterator[None]:
    """A context with a folder that no other such process uses; `work` describes it in the error's message.

    The folder is made if it does not exist, and removed again if nothing is written into it.

    Raises:
        ConfigError: it cannot be made, or another process works in it.
    """
    with ExitStack() as stack:
        with _as_config_error(path):
            stack.enter_context(only_one(path, work))
        yield


@contextmanager
def _as_config_error(path: Path) -> Iterator[None]:
    try:
        yield
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
