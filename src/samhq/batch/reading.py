"""Reads the pictures that a job needs next, in threads, while the network works on the present one.

Knows nothing about models and results.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samhq.batch.job import Item, Outcome
from samhq.batch.settings import AS_IT_IS, BandSettings

if TYPE_CHECKING:
    from samhq.image.read import ReadPicture

_THREADS = 4
_MOST_PIXELS = 16_000_000  #: Several pictures that are read ahead have at most this many pixels in all.
_MOST_OF_ONE = 64_000_000  #: A single picture that is read ahead has at most this many pixels.

_Stamp = tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class _Early:
    """A picture that is read or being read, its number of pixels, and the state of its file before."""

    picture: Future[tuple[_Stamp, Any]]
    pixels: int


class PictureReader:
    """Reads pictures by path; those that come next are read in threads.

    A picture is as `Segmenter.encode` takes it. `bands` chooses channels. Only pictures for which `wanted` is
    true are read ahead. A thread calls it, and then `prepare`, if that is set, to make the network's inputs.
    """

    prepare: Callable[[ReadPicture], ReadPicture] | None = None

    def __init__(self, bands: BandSettings = AS_IT_IS, wanted: Callable[[Path], bool] = lambda _: True) -> None:
        self._bands, self._wanted = bands, wanted
        self._early: dict[Path, _Early] = {}
        self._pool: ThreadPoolExecutor | None = None

    def read_ahead(self, paths: Sequence[Path]) -> None:
        """Starts to read pictures: `paths` has the picture of the call that follows, and the ones after it in order.

        The first one is not begun here, since its call reads it at once. Other pictures that were read are dropped.
        Pictures whose pixels would be too many, or whose size is not known, wait for their call.
        """
        for path in self._early.keys() - set(paths):
            self._early.pop(path).picture.cancel()
        held = sum(early.pixels for path, early in self._early.items() if path != paths[0])
        for path in dict.fromkeys(paths[1:]):
            if path in self._early:
                continue
            pixels = _pixels(path)
            if held + pixels > (_MOST_PIXELS if held else _MOST_OF_ONE):
                break
            held += pixels
            if pixels:
                self._early[path] = _Early(self._threads.submit(self._read, path), pixels)

    def __call__(self, path: Path) -> Any:
        """A picture. If it was read before, it stays until `read_ahead` no longer names it.

        Raises:
            ImageError, MissingExtraError: it cannot be read, if that is noticed here.
        """
        early = self._early.get(path)
        if early is not None and (picture := _unchanged(path, early.picture)) is not None:
            return picture
        return self._bands.picture(path)

    def close(self) -> None:
        """Ends the threads and drops all pictures."""
        self._early.clear()
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None

    @property
    def _threads(self) -> ThreadPoolExecutor:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(_THREADS, "samhq-read")
        return self._pool

    def _read(self, path: Path) -> tuple[_Stamp, Any]:
        """The picture with its pixels, or its path if it is not wanted."""
        from samhq.image.read import ReadPicture, read_image

        stamp = _stamp(path)
        if not self._wanted(path):
            return stamp, path
        picture = self._bands.picture(path)
        if isinstance(picture, Path):
            picture = ReadPicture(path, read_image(picture))
            picture = picture if self.prepare is None else self.prepare(picture)
        return stamp, picture


@dataclass(frozen=True)
class EachReadAhead:
    """A job's function of one picture, whose pictures are read ahead."""

    function: Callable[[Item], Outcome]
    pictures: PictureReader

    def __call__(self, item: Item) -> Outcome:
        """As the function itself."""
        return self.function(item)

    def read_ahead(self, items: Iterable[Item]) -> None:
        """Starts to read the pictures of the calls that follow; the first is that of the next call."""
        self.pictures.read_ahead([item.path for item in items])

    def close(self) -> None:
        """Ends the threads that read."""
        self.pictures.close()


def _unchanged(path: Path, early: Future[tuple[_Stamp, Any]]) -> Any:
    """The picture that was read, or None if reading failed or the file has changed since: then it is read again."""
    try:
        stamp, picture = early.result()
        return picture if stamp == _stamp(path) else None
    except Exception:  # noqa: BLE001  The picture's own call reads it again and reports what is wrong.
        return None


def _stamp(path: Path) -> _Stamp:
    """What changes when a file is replaced or written."""
    stat = os.stat(path)
    return stat.st_mtime_ns, stat.st_size, stat.st_ino


def _pixels(path: Path) -> int:
    """The number of pixels of a picture by its header; 0 if Pillow cannot say, or if the path can be read only once."""
    from samhq.errors import ImageError
    from samhq.image.files import shown_size_hw

    try:
        height, width = shown_size_hw(path, str(path)) if path.is_file() else (0, 0)
    except ImageError:
        return 0
    return height * width
