"""The served folder: its pictures, and which paths are inside it. Links that lead out of it are not followed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from samhq.errors import ConfigError
from samhq.image.suffixes import SUFFIXES, is_picture_file
from samhq.serve.faults import Fault


class Root:
    """The one folder whose files may be read.

    Raises:
        ConfigError: there is no such folder.
    """

    def __init__(self, folder: Path) -> None:
        try:
            self.folder = folder.expanduser().resolve(strict=True)
        except OSError as error:
            raise ConfigError(f"Expected a folder of pictures, got {folder}: {error.strerror}. Check it.") from error
        if not self.folder.is_dir():
            raise ConfigError(f"Expected a folder of pictures, got the file {folder}. Name the folder that it is in.")

    def inside(self, path: str) -> Path:
        """The file or folder at a path, which is absolute or relative to the folder.

        Raises:
            Fault: it does not exist, or it lies outside the folder, also through links.
        """
        try:
            real = (self.folder / path).resolve(strict=True)
        except (OSError, ValueError, RuntimeError):  # not there, a NUL in the name, or links in a circle
            real = None
        if real is None or not real.is_relative_to(self.folder):
            # The same message for both, so that it does not reveal which files exist elsewhere.
            raise Fault(404, f"Expected a file inside of the folder that is served, got {path!r:.120}. Check the path.")
        return real

    def relative(self, path: Path) -> str:
        """A path below the folder with "/" between its parts."""
        return path.relative_to(self.folder).as_posix()

    def pictures(self, folder: Path | None = None) -> Iterator[str]:
        """The picture files directly in the folder, or in one below it, by name; links that lead out are left out."""
        for path in sorted((folder or self.folder).iterdir()):
            try:
                real = path.resolve(strict=True)
            except (OSError, RuntimeError):
                continue
            if real.is_relative_to(self.folder) and is_picture_file(path, SUFFIXES):
                yield self.relative(path)
