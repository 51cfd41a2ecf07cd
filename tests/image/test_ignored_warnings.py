"""Warnings are ignored as long as one thread wants it, and the filters are then what they were."""

from __future__ import annotations

import threading
import warnings

import pytest

from samhq.image.ignored_warnings import IgnoredWarnings


def test_only_the_chosen_ones_are_ignored() -> None:
    with IgnoredWarnings(category=FutureWarning), warnings.catch_warnings(record=True) as caught:
        warnings.warn("ignored", FutureWarning, stacklevel=1)
        warnings.warn("shown", UserWarning, stacklevel=1)
    assert [str(warning.message) for warning in caught] == ["shown"]
    with pytest.warns(FutureWarning, match="again"):
        warnings.warn("again", FutureWarning, stacklevel=1)


def test_threads_leave_the_filters_as_they_were() -> None:
    ignored, entered, before = IgnoredWarnings(category=FutureWarning), threading.Barrier(2), list(warnings.filters)

    def work(may_leave: threading.Event) -> None:
        with ignored:
            entered.wait()
            may_leave.wait()

    events = [threading.Event(), threading.Event()]
    threads = [threading.Thread(target=work, args=(event,)) for event in events]
    for thread in threads:
        thread.start()
    events[0].set()
    threads[0].join()
    with warnings.catch_warnings(record=True) as caught:
        warnings.warn("ignored", FutureWarning, stacklevel=1)
    assert not caught, "the other thread is still in its context"
    events[1].set()
    threads[1].join()
    assert warnings.filters == before
