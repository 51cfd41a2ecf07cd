"""When Python looks for reference cycles in the process of a command. Imports neither torch nor numpy.

Python starts to look for cycles after a few hundred new objects. While torch is imported, hundreds of thousands appear,
and all of them stay. At the end of the process Python looks through them again. Together this takes a third as long as
the import itself.
"""

from __future__ import annotations

import atexit
import gc
from typing import Any

#: New objects that start a collection even before `collect_as_usual`; importing torch makes half as many.
FIRST = 500_000


def collect_late() -> None:
    """Lets Python collect no cycles until `collect_as_usual`, or until there are `FIRST` new objects.

    For the process of a command that loads a model, at its start. The objects of imports are never looked at again,
    not even when the process ends.
    """
    if not _usual:
        _usual[:] = gc.get_threshold()
        gc.callbacks.append(_after_first)
        gc.set_threshold(FIRST)
        atexit.register(gc.freeze)


def collect_as_usual() -> None:
    """Lets Python collect cycles as often as before `collect_late`; no effect if that was not called.

    Called when a model is loaded, before work begins that could leave large arrays in cycles.
    """
    if _usual:
        gc.callbacks.remove(_after_first)
        gc.freeze()
        gc.set_threshold(*_usual)
        _usual.clear()


_usual: list[int] = []  #: The thresholds before `collect_late`; empty if it was not called.


def _after_first(phase: str, _: dict[str, Any]) -> None:
    """Called by `gc` around each collection."""
    if phase == "stop":
        collect_as_usual()
