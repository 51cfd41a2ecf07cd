"""Calls behind the main work: their results come in order, and little is held."""

from __future__ import annotations

import threading
import time

import pytest

from samhq.batch import saving
from samhq.batch.saving import Behind


def test_results_come_in_the_order_of_the_calls() -> None:
    def slow(number: int) -> int:
        time.sleep(0.002 * (10 - number))
        return number

    found = []
    with Behind[int]() as behind:
        for number in range(10):
            found += list(behind.start(lambda number=number: slow(number), 1))  # type: ignore[misc]
        found += list(behind.rest())
    assert found == list(range(10))


def test_the_main_work_goes_on_meanwhile() -> None:
    may_end = threading.Event()
    with Behind[bool]() as behind:
        assert list(behind.start(may_end.wait, 1)) == []
        assert list(behind.start(may_end.wait, 1)) == []
        threading.Timer(0.05, may_end.set).start()
        assert list(behind.start(may_end.wait, 1)), "a third one waits for the first"
        list(behind.rest())


@pytest.mark.parametrize("held", [(0, 101), (60, 60)])
def test_what_holds_much_is_waited_for(held: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saving, "_MOST_HELD", 100)
    done = []

    def call() -> None:
        time.sleep(0.02)
        done.append(1)

    with Behind[None]() as behind:
        assert list(behind.start(call, held[0])) == []
        list(behind.start(call, held[1]))
        assert done
        list(behind.rest())
    assert len(done) == 2


def test_an_error_comes_in_its_turn_and_ends_the_rest() -> None:
    begun = []

    def call(number: int) -> int:
        begun.append(number)
        if number == 1:
            raise OSError("full")
        time.sleep(0.01)
        return number

    found: list[int] = []

    def all_of_them() -> None:
        with Behind[int]() as behind:
            for number in range(20):
                for result in behind.start(lambda number=number: call(number), 1):  # type: ignore[misc]
                    found.append(result)

    with pytest.raises(OSError, match="full"):
        all_of_them()
    assert found == [0]
    assert max(begun) < 6
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("samhq-save")]
