"""The devices and the precision of a run, by Accelerate. Knows nothing about the run."""

from __future__ import annotations

import atexit
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch

from samhq.device import as_device
from samhq.errors import ConfigError
from samhq.extras import from_extra

_PRECISION = {"float32": "no", "bfloat16": "bf16", "float16": "fp16"}
#: How long processes wait for one that validates or encodes alone. If one dies, the launcher ends the others.
_PATIENCE = timedelta(days=1)
_DEVICE = "ACCELERATE_TORCH_DEVICE"  #: The variable that tells Accelerate which of several devices to use.


def start_accelerator(device: str | None, precision: str) -> Any:
    """An `accelerate.Accelerator` for this process, with its own device if several processes were launched.

    Raises:
        ConfigError: a device that is not here, or float16 on a CPU.
        MissingExtraError: Accelerate is not installed.
    """
    chosen = as_device(device)
    if precision == "float16" and chosen.type == "cpu":
        raise ConfigError("Expected float32 or bfloat16 on a CPU, got float16. Choose another precision or device.")
    with from_extra("train", "training"):
        from accelerate import Accelerator
        from accelerate.state import AcceleratorState
        from accelerate.utils import DistributedDataParallelKwargs, InitProcessGroupKwargs
    # Its settings belong to the process; a second run in this process may need others.
    AcceleratorState._reset_state(reset_partial_state=True)
    # A batch need not hold every kind of prompt, so some parameters may have no gradient.
    some_unused = DistributedDataParallelKwargs(find_unused_parameters=True)
    patient = InitProcessGroupKwargs(timeout=_PATIENCE)
    with _device_name_set(chosen):
        accelerator = Accelerator(
            cpu=chosen.type == "cpu", mixed_precision=_PRECISION[precision], kwargs_handlers=[some_unused, patient]
        )
    if accelerator.num_processes > 1:
        atexit.register(_disconnect)
    return accelerator


def is_main_process() -> bool:
    """Whether this is the first process of a launcher, or the only one."""
    return os.environ.get("RANK", "0") == "0"


def _disconnect() -> None:
    """Closes the connection of the processes while the interpreter still exists.

    gloo's threads release the last reduced tensors when they get the interpreter's lock. If the interpreter ends first,
    the process aborts.
    """
    if torch.distributed.is_initialized():
        time.sleep(0.2)  # Everything is reduced by now: they only need the lock.
        torch.distributed.destroy_process_group()


@contextmanager
def _device_name_set(device: torch.device) -> Iterator[None]:
    """Sets the device's name for Accelerate, unless a launcher has given each process its own."""
    if device.index is None or "LOCAL_RANK" in os.environ:
        yield
        return
    before = os.environ.get(_DEVICE)
    os.environ[_DEVICE] = str(device)
    try:
        yield
    finally:
        os.environ.pop(_DEVICE)
        if before is not None:
            os.environ[_DEVICE] = before
