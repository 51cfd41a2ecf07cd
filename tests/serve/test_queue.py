"""The order of work, its bounds, and which previews are dropped."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from samhq.serve.faults import Fault
from samhq.serve.queue import MOST_OF_CLIENT, MOST_WAITING, Priority, WorkQueue


class Gate:
    """Work that waits until it is opened."""

    def __init__(self, queue: WorkQueue) -> None:
        self.entered, self._open = threading.Event(), threading.Event()
        self.future = queue.submit(Priority.JOB, self._wait)
        assert self.entered.wait(10)

    def _wait(self) -> None:
        self.entered.set()
        assert self._open.wait(10)

    def open(self) -> None:
        self._open.set()
        self.future.result(10)


@pytest.fixture
def queue() -> Iterator[WorkQueue]:
    queue = WorkQueue()
    queue.start()
    yield queue
    queue.stop()


def test_clicks_go_first(queue: WorkQueue) -> None:
    gate, order = Gate(queue), []
    kinds = [Priority.JOB, Priority.AHEAD, Priority.ENCODE, Priority.PREVIEW, Priority.PROMPT, Priority.PROMPT]
    futures = [queue.submit(kind, lambda kind=kind: order.append(kind)) for kind in kinds]
    gate.open()
    for future in futures:
        future.result(10)
    assert order == sorted(kinds)


def test_of_100_previews_the_last_is_made(queue: WorkQueue) -> None:
    gate, made = Gate(queue), []
    futures = [
        queue.submit(Priority.PREVIEW, lambda seq=seq: made.append(seq), client="a", seq=seq) for seq in range(100)
    ]
    other = queue.submit(Priority.PREVIEW, lambda: made.append(-1), client="b")
    gate.open()
    futures[-1].result(10)
    other.result(10)
    assert sorted(made) == [-1, 99]
    codes = {future.exception(10).code for future in futures[:-1]}  # type: ignore[union-attr]
    assert codes == {"superseded"}


def test_an_older_preview_that_comes_late_is_dropped(queue: WorkQueue) -> None:
    gate = Gate(queue)
    newer = queue.submit(Priority.PREVIEW, lambda: "newer", client="a", seq=5)
    with pytest.raises(Fault) as raised:
        queue.submit(Priority.PREVIEW, lambda: "older", client="a", seq=4)
    assert raised.value.code == "superseded"
    gate.open()
    assert newer.result(10) == "newer"


def test_one_client_may_not_fill_the_queue(queue: WorkQueue) -> None:
    gate = Gate(queue)
    for _ in range(MOST_OF_CLIENT):
        queue.submit(Priority.PROMPT, int, client="a")
    with pytest.raises(Fault) as raised:
        queue.submit(Priority.PROMPT, int, client="a")
    assert raised.value.status_code == 429
    assert queue.submit(Priority.PROMPT, int, client="b") is not None
    gate.open()


@pytest.mark.parametrize("priority", list(Priority))
def test_the_queue_is_bounded(queue: WorkQueue, priority: Priority) -> None:
    gate = Gate(queue)
    for number in range(MOST_WAITING[priority]):
        queue.submit(priority, int, client=str(number))
    with pytest.raises(Fault) as raised:
        queue.submit(priority, int, client="more")
    assert raised.value.status_code == 503
    assert queue.waiting == MOST_WAITING[priority]
    gate.open()


def test_long_work_lets_urgent_work_through(queue: WorkQueue) -> None:
    order: list[str] = []
    entered, go = threading.Event(), threading.Event()

    def job() -> None:
        entered.set()
        assert go.wait(10)
        queue.run_urgent(Priority.JOB)
        order.append("job")

    long = queue.submit(Priority.JOB, job)
    assert entered.wait(10)
    click = queue.submit(Priority.PROMPT, lambda: order.append("click"))
    later = queue.submit(Priority.JOB, lambda: order.append("later"))
    go.set()
    for future in (long, click, later):
        future.result(10)
    assert order == ["click", "job", "later"]


def test_errors_belong_to_who_asked(queue: WorkQueue) -> None:
    assert isinstance(queue.submit(Priority.PROMPT, lambda: 1 / 0).exception(10), ZeroDivisionError)
    assert queue.submit(Priority.PROMPT, lambda: 1).result(10) == 1


def test_what_waits_at_the_end_is_refused() -> None:
    queue = WorkQueue()
    waiting = queue.submit(Priority.PROMPT, int)
    queue.stop()
    assert waiting.exception(1).status_code == 503  # type: ignore[union-attr]
    with pytest.raises(Fault, match="stopping"):
        queue.submit(Priority.PROMPT, int)
