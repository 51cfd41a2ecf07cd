"""How worker threads wait, and how many a forked process has. Imports neither torch nor numpy.

OpenMP's threads, by which PyTorch computes on a CPU, spin for milliseconds after every operation, in case the next one
comes soon. Where other processes need the cores, the spinning thread holds up the one that it waits for: everything
takes many times as long. Sleeping threads need some microseconds to wake up.
"""

from __future__ import annotations

import os
import sys
from collections.abc import MutableMapping

POLICY = "OMP_WAIT_POLICY"
#: Variables by which people choose how threads wait: OpenMP's own, GNU's and Intel's or LLVM's.
CHOICES = (POLICY, "GOMP_SPINCOUNT", "KMP_BLOCKTIME", "KMP_LIBRARY")


def let_waiting_threads_sleep(environment: MutableMapping[str, str] = os.environ) -> None:
    """Sets OMP_WAIT_POLICY=PASSIVE, also for child processes, unless the environment chooses a way of waiting.

    OpenMP reads it once, when PyTorch is imported: call it before that.
    """
    if not any(name in environment for name in CHOICES):
        environment[POLICY] = "PASSIVE"


def waiting_threads_sleep(environment: MutableMapping[str, str] = os.environ) -> bool:
    """Whether OMP_WAIT_POLICY says so; runtimes with threads of their own follow it.

    >>> waiting_threads_sleep({"OMP_WAIT_POLICY": "passive"}), waiting_threads_sleep({})
    (True, False)
    """
    return environment.get(POLICY, "").upper() == "PASSIVE"


_forks: list[bool] = []  #: Not empty once `compute_alone_when_forked` has been called.


def compute_alone_when_forked() -> None:
    """Makes PyTorch compute with one thread in processes that are forked from this one from now on, on Linux.

    GNU's OpenMP, which PyTorch uses there, does not survive a fork: a child that computes with several threads after
    its parent did so waits for ever for threads that it does not have. `torch.utils.data.DataLoader` does the same for
    its workers. Processes that are spawned, or started as programs, keep their threads.
    """
    if sys.platform == "linux" and not _forks:
        _forks.append(True)
        os.register_at_fork(after_in_child=_compute_alone)


def _compute_alone() -> None:
    torch = sys.modules.get("torch")
    if torch is not None and torch.get_num_threads() > 1:
        torch.set_num_threads(1)
