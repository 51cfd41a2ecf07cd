"""A limit for what threads hold in memory, granted in the order of the work. Knows nothing about pictures."""

from __future__ import annotations

from threading import Condition


class Room:
    """A limit of `units`, such as pixels, on what threads hold; they take units in turn and give them back.

    A turn that needs more than the limit gets its units when nothing else is held. So the work cannot stop, as long as
    what was taken is used in the order of the turns.
    """

    def __init__(self, units: int) -> None:
        self._units, self._held, self._turn, self._closed = units, 0, 0, False
        self._changed = Condition()

    def take(self, turn: int, units: int) -> None:
        """Waits until all turns before this one (from 0) have taken units, and `units` more are free.

        Every turn must come, with 0 units if it needs none.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._closed or (self._turn == turn and self._has(units)))
            self._turn, self._held = turn + 1, self._held + units
            self._changed.notify_all()

    def give_back(self, units: int) -> None:
        """Frees units that were taken."""
        with self._changed:
            self._held -= units
            self._changed.notify_all()

    def close(self) -> None:
        """Ends all waits: the work ends."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _has(self, units: int) -> bool:
        return not units or not self._held or self._held + units <= self._units
