"""A limit for what threads hold in memory, kept in the order of the work. Knows nothing about pictures."""

from __future__ import annotations

from threading import Condition


class Room:
    """Room for so many units, such as pixels; threads take it in their turn, and what was used is given back.

    A turn that needs more than all the room gets it when nothing else is held, so the work always goes on if those who
    use what was taken do so in the order of the turns.
    """

    def __init__(self, units: int) -> None:
        self._units, self._held, self._turn, self._closed = units, 0, 0, False
        self._changed = Condition()

    def take(self, turn: int, units: int) -> None:
        """Waits until all turns before this one (from 0) have taken room, and there is room for so many units more.

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
        """Lets all who wait go on, for the end of the work."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _has(self, units: int) -> bool:
        return not units or not self._held or self._held + units <= self._units
