"""The progress bar on stderr, and lines that do not break it. Knows nothing about the work it counts."""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import contextmanager
from typing import Any, TypeVar

from samhq.errors import SamHQWarning
from samhq.plural import plural
from samhq.storage.names import printable

Item = TypeVar("Item")
#: Called with the number of items done and the number of all items.
Watch = Callable[[int, int], None]
_PAUSE_S = 30.0  #: Seconds between lines about progress in a file or a pipe.


def counted(
    items: Iterable[Item],
    unit: str,
    label: str | None = None,
    *,
    show: bool = True,
    total: int | None = None,
    leave: bool = True,
) -> Iterable[Item]:
    """The items, with a progress bar that counts them as they are taken; without `show` just the items.

    `unit` names one item, `label` stands before the bar, and `total` is the number of items if they have no length.
    With `leave=False` the bar disappears at the end. A file or pipe gets lines as `progress_bar` writes them.
    """
    if not show:
        return items
    if not _draws():
        size = len(items) if total is None and isinstance(items, Sized) else total
        return _Lines(unit, label, size).watch(items)
    from tqdm import tqdm

    return tqdm(items, desc=label, unit=unit, total=total, leave=leave)


@contextmanager
def progress_bar(unit: str, *, total: int | None = None, done: int = 0) -> Iterator[Watch]:
    """A bar, as a function to call with the number of items done and the number of all items.

    `done` items were finished before; rate and remaining time do not count them. A terminal and a notebook show a bar;
    a file or a pipe gets a whole line every half minute, and none in the first.
    """
    if not _draws():
        yield _Lines(unit, None, total, done).show
        return
    from tqdm import tqdm

    with tqdm(total=total, initial=done, unit=unit, file=sys.stderr, mininterval=0.1) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield show


def _draws() -> bool:
    """Whether stderr shows a line that is drawn again and again: a terminal or a notebook."""
    return sys.stderr.isatty() or type(sys.stderr).__module__.startswith("ipykernel")


class _Lines:
    """Progress as lines on stderr, one every `_PAUSE_S` seconds; `done` items were finished before."""

    def __init__(self, unit: str, label: str | None, total: int | None, done: int = 0) -> None:
        self._unit, self._label, self._total, self._before = unit, label, total, done
        self._began = self._spoken = time.monotonic()

    def show(self, done: int, total: int | None) -> None:
        """Prints a line if the last one is old enough."""
        now = time.monotonic()
        if now - self._spoken < _PAUSE_S:
            return
        self._spoken, rate = now, (done - self._before) / (now - self._began)
        counts = plural(done, self._unit) if total is None else f"{done} of {plural(total, self._unit)}"
        left = f", {(total - done) / rate:.0f} s left" if rate and total is not None else ""
        label = f"{self._label}: " if self._label else ""
        print_line(f"samhq: {label}{counts}, {rate:.2f} a second{left}", stream=sys.stderr)

    def watch(self, items: Iterable[Item]) -> Iterator[Item]:
        """The items, with lines about them as they are taken."""
        for number, item in enumerate(items, 1):
            yield item
            self.show(number, self._total)


@contextmanager
def warnings_as_lines() -> Iterator[None]:
    """A context in which samhq's own warnings are single lines on stderr; others are shown as Python does."""
    with warnings.catch_warnings():
        others = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
            if issubclass(category, SamHQWarning):
                print_line(f"samhq: warning: {message}", stream=sys.stderr)
            else:
                others(message, category, *where, **more)

        warnings.showwarning = show
        yield


def print_line(line: str, stream: Any = None) -> None:
    """Prints a line on stdout, or on another stream. A visible progress bar moves below it.

    Control characters, which file names may contain, are printed as escapes.
    """
    line = printable(line)
    bars = sys.modules.get("tqdm")
    if bars is None:
        print(line, file=stream or sys.stdout)
    else:
        bars.tqdm.write(line, file=stream or sys.stdout)
