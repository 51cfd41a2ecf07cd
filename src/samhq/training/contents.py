"""The content hashes of a source's pictures, by stamp, kept in a JSON file.

Lets content-keyed caches skip unchanged pictures. Several runs may share the file: it is written atomically, and
entries of other runs are kept. A file that is damaged, or of another version, is ignored. Knows nothing about the
definition of content hashes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

from samhq.checkpoint import files
from samhq.errors import CheckpointError
from samhq.storage import digest

FOLDER = "contents"  #: In a cache's folder, one file for each source.
_LAYOUT = 1  #: Version of the file; with another version pictures are read again.

#: For each picture by name: its stamp, and its content hash at that time.
Known = dict[str, list[str]]


class KnownContents:
    """The content hashes of one source's pictures, by name and stamp; the file is `path`."""

    def __init__(self, path: Path, source: Sequence[str], known: Known) -> None:
        self.path, self.source, self.known, self.changed = path, list(source), known, False

    @classmethod
    def open(cls, folder: Path, source: Sequence[str]) -> KnownContents:
        """The known contents of a source in the cache's `folder`; `source` must be a unique name of it."""
        path = folder / FOLDER / f"{digest.of_json(list(source))[:40]}.json"
        return cls(path, source, _read(path))

    def get(self, name: str, stamp: str | None) -> str | None:
        """The content hash of a picture; None if it is unknown, or if the picture may have changed."""
        entry = self.known.get(name)
        return entry[1] if entry is not None and stamp is not None and entry[0] == stamp else None

    def note(self, name: str, stamp: str | None, content: str) -> None:
        """Adds a picture's content hash; the stamp must be from before it was read, so that later changes show."""
        if stamp is not None and self.known.get(name) != [stamp, content]:
            self.known[name] = [stamp, content]
            self.changed = True

    def save(self, say: Callable[[str], None]) -> None:
        """Writes new entries; if the file cannot be written, prints a sentence about the consequence."""
        if not self.changed:
            return
        known = _read(self.path) | self.known
        try:
            files.write_object(self.path, {"source": self.source, "pictures": known, "check": _check(known)})
        except CheckpointError as error:  # Only time is lost: a read-only cache is not an error.
            say(f"The next start reads all pictures again: {error}")
        self.changed = False


def _read(path: Path) -> Known:
    try:
        content = files.read_object(path)
    except CheckpointError:  # Missing or damaged.
        return {}
    pictures = content.get("pictures")
    return pictures if isinstance(pictures, dict) and content.get("check") == _check(pictures) else {}


def _check(known: Known) -> str:
    """A checksum of the file's content and samhq's version, because another version may read pictures differently."""
    return digest.of_json([_LAYOUT, version("samhq"), known])
