"""A dataset as tars in WebDataset's layout: a picture and the JSON record of its masks, one after the other.

The record is that of `samhq.results.sa1b`, so the tars are laid out as those of the SA-1B dataset are.

Source: github.com/webdataset/webdataset, README, "Creating a WebDataset"; segment-anything, README, "Dataset".
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import chain
from pathlib import Path

from PIL import Image

from samhq.results.picture import Picture
from samhq.results.sa1b import sa1b_record
from samhq.storage.atomic import whole_file
from samhq.storage.names import numbered

TAR_BYTES = 1 << 30  #: A tar gets no further sample once its content is larger than this.


@contextmanager
def open_webdataset(folder: Path, *, tar_bytes: int = TAR_BYTES) -> Iterator[Callable[[Picture], list[Path]]]:
    """A function that adds a picture to `samples-000000.tar` and so on; every tar is written atomically.

    The members of a sample are KEY.json and the picture as KEY with its suffix: a copy of the known `source`, or a PNG
    of the `image` in memory; without either only the record. KEY is the stem with "_" for ".", since WebDataset splits
    names at the first dot; equal keys get a number. The same pictures give the same bytes.
    """
    keys: set[str] = set()
    with ExitStack() as stack:
        tars = _Tars(folder, tar_bytes, stack)

        def add(picture: Picture) -> list[Path]:
            plain = picture.stem.replace(".", "_")
            key = next(name for name in chain([plain], numbered(plain)) if name not in keys)
            keys.add(key)
            record = json.dumps(sa1b_record(picture)).encode("utf-8")
            tars.add([*_pixels(picture, key), (f"{key}.json", record)])
            return []

        yield add


def _pixels(picture: Picture, key: str) -> list[tuple[str, bytes]]:
    """The picture's member, if its file or its pixels are known."""
    if picture.source is not None:
        return [(f"{key}{picture.source.suffix.lower()}", picture.source.read_bytes())]
    if picture.image is None:
        return []
    png = io.BytesIO()
    Image.fromarray(picture.image).save(png, "PNG")
    return [(f"{key}.png", png.getvalue())]


class _Tars:
    """Tars that are filled one after the other."""

    def __init__(self, folder: Path, most: int, stack: ExitStack) -> None:
        self._folder, self._most, self._stack = folder, most, stack
        self._tar: tarfile.TarFile | None = None
        self._filled = self._count = 0

    def add(self, members: list[tuple[str, bytes]]) -> None:
        """Adds the members of one sample, which are never split."""
        if self._tar is None or self._filled > self._most:
            self._tar = self._next()
        for name, content in members:
            about = tarfile.TarInfo(name)
            about.size = len(content)
            self._tar.addfile(about, io.BytesIO(content))
            self._filled += len(content)

    def _next(self) -> tarfile.TarFile:
        self._stack.close()
        part = self._stack.enter_context(whole_file(self._folder / f"samples-{self._count:06d}.tar"))
        self._count, self._filled = self._count + 1, 0
        return self._stack.enter_context(tarfile.open(part, "w"))
