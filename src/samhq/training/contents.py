"""What the pictures of a source held when they were last read: a content hash for each stamp, kept in a JSON file.

So that who knows things by content need not read a picture that stayed as it was. Several runs may share the file:
it is whole or not there, and what another one wrote is kept. One that is damaged, or of another version, counts as
none. Knows nothing about what a content hash is of.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

from samhq.checkpoint import files
from samhq.errors import CheckpointError
from samhq.storage import digest

FOLDER = "contents"  #: in a cache's folder, one file for each source
_LAYOUT = 1  #: of the file; another one means that pictures are read again

#: Of each picture by name: its stamp, and the hash of what it held then.
Known = dict[str, list[str]]


class KnownContents:
    """The content hashes of one source's pictures, by name and stamp; the file is `path`."""

    def __init__(self, path: Path, source: Sequence[str], known: Known) -> None:
        self.path, self.source, self.known, self.changed = path, list(source), known, False

    @classmethod
    def open(cls, folder: Path, source: Sequence[str]) -> KnownContents:
        """What the cache in `folder` knows of a source, which is named so that no other one is named alike."""
        path = folder / FOLDER / f"{digest.of_json(list(source))[:40]}.json"
        return cls(path, source, _read(path))

    def get(self, name: str, stamp: str | None) -> str | None:
        """The content hash of a picture; None where it is unknown, or where the picture may have changed."""
        found = self.known.get(name)
        return found[1] if found is not None and stamp is not None and found[0] == stamp else None

    def note(self, name: str, stamp: str | None, content: str) -> None:
        """Takes in what a picture holds; the stamp is from before it was read, so that a later change shows."""
        if stamp is not None and self.known.get(name) != [stamp, content]:
            self.known[name] = [stamp, content]
            self.changed = True

    def save(self, say: Callable[[str], None]) -> None:
        """Writes what is new; where the place cannot be written, a sentence says what that costs."""
        if not self.changed:
            return
        known = _read(self.path) | self.known
        try:
            files.write_json(self.path, {"source": self.source, "pictures": known, "check": _check(known)})
        except CheckpointError as error:  # all that is lost is time: a cache that is only read is no fault
            say(f"The next start reads all pictures again: {error}")
        self.changed = False


def _read(path: Path) -> Known:
    try:
        found = files.read_json(path)
    except CheckpointError:  # not there, or damaged
        return {}
    pictures = found.get("pictures")
    return pictures if isinstance(pictures, dict) and found.get("check") == _check(pictures) else {}


def _check(known: Known) -> str:
    """What a file says that is as it was written, by samhq as it is: another one may read pictures otherwise."""
    return digest.of_json([_LAYOUT, version("samhq"), known])
