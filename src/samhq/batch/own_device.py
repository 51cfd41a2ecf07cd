"""Which GPU a worker uses if a machine has several. Knows nothing about what it computes there."""

from __future__ import annotations

import os
from collections.abc import Mapping

#: Variables with a process's number on its machine: of local workers, torchrun, SLURM and Open MPI.
RANKS = ("SAMHQ_WORKER", "LOCAL_RANK", "SLURM_LOCALID", "OMPI_COMM_WORLD_LOCAL_RANK")


def own_device(device: str | None, environment: Mapping[str, str] = os.environ, count: int | None = None) -> str | None:
    """The device of this process: one of the machine's GPUs by its number, else as given.

    A device with a number is taken as given. `count` is the number of GPUs that the process sees, by default counted.

    >>> own_device(None, {"LOCAL_RANK": "5"}, count=4), own_device("cuda:2", {"LOCAL_RANK": "5"}, count=4)
    ('cuda:1', 'cuda:2')
    >>> own_device("cpu", {"LOCAL_RANK": "5"}, count=4), own_device(None, {}, count=4), own_device(None, {}, count=0)
    ('cpu', None, None)
    """
    rank = next((environment[name] for name in RANKS if environment.get(name, "").isdecimal()), None)
    if device not in (None, "cuda") or rank is None:
        return device
    gpus = _gpus() if count is None else count
    return f"cuda:{int(rank) % gpus}" if gpus > 1 else device


def _gpus() -> int:
    import torch

    return torch.cuda.device_count()
