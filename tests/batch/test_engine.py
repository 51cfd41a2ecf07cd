"""Engines give the same answers; a job runs on any of them."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from pathlib import Path

import pytest

from samhq.batch.engine import Engine, Loop, Processes, local_engine
from samhq.batch.job import Item, Tally, run_job
from samhq.errors import ConfigError
from tests.batch.jobs import Negative, items


def doubling() -> Callable[[int], int]:
    return doubled


def doubled(number: int) -> int:
    return 2 * number


@pytest.mark.parametrize("engine", [Loop(), Processes(1), Processes(2)])
def test_every_item_has_its_answer(engine: Engine) -> None:
    assert isinstance(engine, Engine)
    assert sorted(engine.run(doubling, [3, 1, 2])) == [(1, 2), (2, 4), (3, 6)]
    assert list(engine.run(doubling, [])) == []


class Backwards:
    """An engine of somebody else's."""

    def run(self, start: Callable, items: Sequence) -> Generator:
        each = start()
        for item in reversed(items):
            yield item, each(item)


def test_a_job_runs_on_another_engine(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in "abc":
        (tmp_path / "in" / f"{name}.pic").write_bytes(name.encode())
    order: list[Item] = []
    job = items(tmp_path / "in")
    tally = run_job(
        job, Negative(tmp_path / "out"), tmp_path / "out", engine=Backwards(), tell=lambda r: order.append(r.item)
    )
    assert tally == Tally(done=3)
    assert order == job[::-1]


def test_a_negative_number_of_workers_is_refused() -> None:
    assert local_engine(0) == Loop()
    with pytest.raises(ConfigError, match="0 or more"):
        local_engine(-1)
