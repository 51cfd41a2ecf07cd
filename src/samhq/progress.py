"""The progress bar on stderr, and lines that do not break it. Knows nothing about the work it counts."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from samhq.storage.names import printable

Item = TypeVar("Item")
#: Is told how many are done, and how many there are.
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
    """The items, with a bar that counts them as they are taken; the items alone unless `show`.

    `unit` is what one item is, `label` stands before the bar, `total` is the number of items where they have no
    length. Without `leave` the bar vanishes at its end.
    """
    if not show:
        return items
    from tqdm import tqdm

    return tqdm(items, desc=label, unit=unit, total=total, leave=leave)


@contextmanager
def progress_bar(unit: str, *, total: int | None = None, done: int = 0) -> Iterator[Watch]:
    """A bar that moves when the function it gives is called with the items done and all items.

    `done` items were finished before: rate and remaining time are of the others. On a terminal the bar is drawn ten
    times a second at most; a log file gets a line every half minute.
    """
    from tqdm import tqdm

    interval = 0.1 if sys.stderr.isatty() else 30
    with tqdm(total=total, initial=done, unit=unit, file=sys.stderr, mininterval=interval) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield show


def print_line(line: str, stream: Any = None) -> None:
    """A line on stdout, or on another stream; a bar that is being shown moves below it.

    File names may hold control characters: they are shown as escapes.
    """
    line = printable(line)
    bars = sys.modules.get("tqdm")
    if bars is None:
        print(line, file=stream or sys.stdout)
    else:
        bars.tqdm.write(line, file=stream or sys.stdout)
