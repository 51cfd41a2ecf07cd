"""Warnings of other packages that are ignored while a picture is read, by any number of threads at once."""

from __future__ import annotations

import threading
import warnings
from typing import Any


class IgnoredWarnings:
    """A context in which warnings that match a filter are ignored, in all threads; all other warnings are shown.

    `chosen` are arguments of `warnings.filterwarnings`, such as `module` or `category`. `warnings.catch_warnings` is of
    no use in threads: each one would leave another one's filters behind.
    """

    def __init__(self, **chosen: Any) -> None:
        self._chosen = chosen
        self._lock, self._entered = threading.Lock(), 0

    def __enter__(self) -> None:
        with self._lock:
            self._entered += 1
            if self._entered == 1:
                warnings.filterwarnings("ignore", **self._chosen)
                self._filter = warnings.filters[0]

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._entered -= 1
            if self._entered == 0 and self._filter in warnings.filters:
                warnings.filters.remove(self._filter)  # type: ignore[attr-defined]  # A list, though typed as a sequence.
