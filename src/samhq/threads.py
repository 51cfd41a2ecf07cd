"""Worker threads that wait for work sleep instead of spinning. Imports neither torch nor numpy.

OpenMP's threads, by which PyTorch computes on a CPU, spin for milliseconds after every operation, in case the next one
comes soon. Where other processes need the cores, the spinning thread holds up the one that it waits for: everything
takes many times as long. Sleeping threads need some microseconds to wake up.
"""

from __future__ import annotations

import os
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
