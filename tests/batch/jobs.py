"""Work for jobs in tests, importable by worker processes, without a network: a picture's negative, slowly."""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from samhq.batch.job import Item, Outcome, run_job
from samhq.errors import CheckpointError, ImageError, MissingExtraError
from samhq.storage.atomic import whole_file

#: What is raised for a picture with this content.
ERRORS: dict[bytes, Exception] = {
    b"full": OSError(errno.ENOSPC, "No space left on device"),
    b"quota": OSError(errno.EDQUOT, "Disk quota exceeded"),
    b"read-only": OSError(errno.EROFS, "Read-only file system"),
    b"unplugged": OSError(errno.EIO, "Input/output error"),
    b"extra": MissingExtraError("Expected a package, got none."),
    b"long": OSError(errno.ENAMETOOLONG, "File name too long"),
    b"large": OSError(errno.EFBIG, "File too large"),
    b"encoder": OSError("encoder error -2 when writing image file"),
    b"decoder": RuntimeError("Decoding of color planes failed"),
    b"memory": MemoryError(),
    b"unicode": UnicodeEncodeError("utf-8", "\udcff", 0, 1, "surrogates not allowed"),
}


@dataclass(frozen=True)
class Negative:
    """Writes every byte's complement; what a file contains says how it behaves."""

    output: Path
    seconds: float = 0.0
    broken: bool = False
    behind: bool = False  #: Leaves the writing to the job.

    def __call__(self) -> Callable[[Item], Outcome]:
        if self.broken:
            raise CheckpointError("Expected weights, got none.")
        (self.output.parent / f"loaded-{os.getpid()}").touch()
        return partial(negative, self)


def negative(work: Negative, item: Item) -> Outcome:
    content = item.path.read_bytes()
    if content == b"broken":
        raise ImageError(f"Expected a picture, got {item.path}.")
    said = f"{len(content)} bytes"
    if work.behind:
        return Outcome(summary=said, save=partial(written, work, item, content), held=len(content))
    return Outcome(written(work, item, content), said)


def written(work: Negative, item: Item, content: bytes) -> list[Path]:
    if content == b"bug":
        raise ZeroDivisionError("a bug")
    if content in ERRORS:
        raise ERRORS[content]
    if content == b"deadly":
        os.kill(os.getpid(), signal.SIGKILL)
    files = [work.output / f"{item.name}.neg", work.output / f"{item.name}.{item.prompts_hash}len"]
    for file, value in zip(files, (bytes(255 - b for b in content), str(len(content)).encode()), strict=True):
        with whole_file(file) as part:
            part.write_bytes(value[: len(value) // 2])
            time.sleep(work.seconds)
            part.write_bytes(value)
    return files


def items(folder: Path) -> list[Item]:
    return [Item(path, path.stem) for path in sorted(folder.glob("*.pic"))]


@dataclass(frozen=True)
class Ahead(Negative):
    """Also notes which pictures may be read before their calls."""

    def __call__(self) -> Any:
        return NotingAhead(super().__call__(), self.output.parent / "ahead")


@dataclass(frozen=True)
class NotingAhead:
    one: Callable[[Item], Any]
    notes: Path

    def __call__(self, item: Item) -> Any:
        return self.one(item)

    def read_ahead(self, coming: Sequence[Item]) -> None:
        with self.notes.open("a") as notes:
            print(*(item.name for item in coming), file=notes)

    def close(self) -> None:
        with self.notes.open("a") as notes:
            print("closed", file=notes)


@dataclass(frozen=True)
class Meeting(Negative):
    """A picture is saved only when the next one is computed."""

    def __call__(self) -> Any:
        one, computed = super().__call__(), [threading.Event() for _ in range(9)]
        computed[8].set()

        def each(item: Item) -> Outcome:
            number, outcome = int(item.name[1]), one(item)
            computed[number].set()
            if number == 7:
                computed[8].set()

            def save() -> Sequence[Path]:
                assert computed[number + 1].wait(30), "waited in vain"
                assert outcome.save is not None
                return outcome.save()

            return replace(outcome, save=save)

        return each


if __name__ == "__main__":
    pictures, out, behind = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[4:] == ["behind"]
    run_job(items(pictures), Negative(out, seconds=0.05, behind=behind), out, resume=True, workers=int(sys.argv[3]))
