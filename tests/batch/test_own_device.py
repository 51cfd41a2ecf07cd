"""A worker's GPU by its number on the machine."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from samhq.batch.engine import Processes
from samhq.batch.own_device import RANKS, own_device


@pytest.mark.parametrize("name", RANKS)
def test_workers_share_the_gpus_out(name: str) -> None:
    devices = [own_device("cuda", {name: str(rank)}, count=2) for rank in range(4)]
    assert devices == ["cuda:0", "cuda:1", "cuda:0", "cuda:1"]


def test_one_gpu_none_or_another_device_stay() -> None:
    rank = {"LOCAL_RANK": "3"}
    assert own_device(None, rank, count=1) is None
    assert own_device("cuda", rank, count=0) == "cuda"
    assert own_device("mps", rank, count=4) == "mps"
    assert own_device(None, {"LOCAL_RANK": "", "SLURM_LOCALID": "3"}, count=4) == "cuda:3"


def test_this_machine_is_counted() -> None:
    assert own_device("cpu", {"LOCAL_RANK": "0"}) == "cpu"
    own_device(None, {"LOCAL_RANK": "0"})


def numbered(folder: Path) -> Callable[[object], str]:
    """Gives the worker's number, and lets no worker take a second item before both have begun."""

    def work(item: object) -> str:
        number = os.environ["SAMHQ_WORKER"]
        (folder / number).touch()
        end = time.monotonic() + 60
        while len(list(folder.iterdir())) < 2 and time.monotonic() < end:
            time.sleep(0.01)
        return number

    return work


@pytest.mark.slow
def test_local_workers_are_numbered(tmp_path: Path) -> None:
    found = {number for _, number in Processes(2).run(partial(numbered, tmp_path), list(range(40)))}
    assert found == {"0", "1"}
