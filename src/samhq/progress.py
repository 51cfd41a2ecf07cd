"""The progress bar on stderr, and lines that do not break it. Knows nothing about the work it counts."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from samhq.errors import SamHQWarning
from samhq.storage.names import printable

Item = TypeVar("Item")
#: Called with the number of items done and the number of all items.
Watch = Callable[[int, int], None]


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
    With `leave=False` the bar disappears at the end.
    """
    if not show:
        return items
    from tqdm import tqdm

    return tqdm(items, desc=label, unit=unit, total=total, leave=leave)


@contextmanager
def progress_bar(unit: str, *, total: int | None = None, done: int = 0) -> Iterator[Watch]:
    """A bar, as a function to call with the number of items done and the number of all items.

    `done` items were finished before; rate and remaining time do not count them. A terminal shows up to ten updates a
    second, a log file gets a line every half minute.
    """
    from tqdm import tqdm

    interval = 0.1 if sys.stderr.isatty() else 30
    with tqdm(total=total, initial=done, unit=unit, file=sys.stderr, mininterval=interval) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield show


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
