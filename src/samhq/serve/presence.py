"""Which page has which picture open, so that several people do not label the same one by accident.

Knows pages by the names that they give themselves; nothing about requests or pictures' contents.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable

#: Seconds after which a page that says nothing counts as closed. Pages in the background may speak once a minute.
PATIENCE_S = 150.0
_MOST_PAGES = 10_000


class Presence:
    """The picture that each page has open."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._pages: dict[str, tuple[int, float]] = {}
        self._lock = threading.Lock()

    def say(self, page: str, image_id: int | None) -> None:
        """Notes that a page has this picture open; None: it has none, or was closed."""
        with self._lock:
            self._note(page, image_id)

    def elsewhere(self, page: str) -> set[int]:
        """The pictures that other pages have open."""
        with self._lock:
            return self._elsewhere(page)

    def take(self, page: str, image_ids: Iterable[int]) -> int | None:
        """The first of these pictures that no other page has open, which this page has open from now on; else None."""
        with self._lock:
            taken = self._elsewhere(page)
            chosen = next((image_id for image_id in image_ids if image_id not in taken), None)
            if chosen is not None:
                self._note(page, chosen)
            return chosen

    def _note(self, page: str, image_id: int | None) -> None:
        """Puts the page behind all others; the first ones, which said nothing for longest, give way to too many."""
        self._pages.pop(page, None)
        if image_id is not None:
            self._pages[page] = image_id, self._clock()
        while len(self._pages) > _MOST_PAGES:
            del self._pages[next(iter(self._pages))]

    def _elsewhere(self, page: str) -> set[int]:
        oldest = self._clock() - PATIENCE_S
        return {image_id for other, (image_id, at) in self._pages.items() if other != page and at >= oldest}
