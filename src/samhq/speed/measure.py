"""Measures one call: clock time and processor time, page faults, memory.

Knows nothing about the call. Torch is imported only on a GPU.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from samhq.speed.machine import reset_high_water, resident_mb

if TYPE_CHECKING:
    import torch

Work = Callable[[], Any]


@dataclass(frozen=True)
class Measurement:
    """One call: seconds by the clock, user and system seconds of all threads, minor page faults."""

    seconds: float
    cpu_seconds: float
    page_faults: int


@dataclass(frozen=True)
class Peak:
    """MiB before a call, and additional MiB at its peak."""

    before_mb: float
    beyond_mb: float


@dataclass(frozen=True)
class Spread:
    """The shortest, the quartiles and the median of several calls."""

    best: float
    low: float
    median: float
    high: float


def once(work: Work, device: torch.device) -> Measurement:
    """One measured call; on a GPU with its own events, after all earlier work."""
    if device.type == "cuda":
        return _once_on_gpu(work, device)
    faults, busy, started = page_faults(), time.process_time(), time.perf_counter()
    work()
    seconds, busy = time.perf_counter() - started, time.process_time() - busy
    return Measurement(seconds, busy, page_faults() - faults)


def _once_on_gpu(work: Work, device: torch.device) -> Measurement:
    import torch

    new_event: Any = torch.cuda.Event
    begin, end = (new_event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize(device)
    faults, busy = page_faults(), time.process_time()
    stream = torch.cuda.current_stream(device)  # not that of the current device, which may be another one
    begin.record(stream)
    work()
    end.record(stream)
    torch.cuda.synchronize(device)
    return Measurement(begin.elapsed_time(end) / 1000, time.process_time() - busy, page_faults() - faults)


def page_faults() -> int:
    """Minor page faults of this process so far; 0 if the system does not count them."""
    try:
        import resource
    except ImportError:  # Windows
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


def peak(work: Work, device: torch.device) -> Peak | None:
    """Memory of one call: of the process on a CPU, of PyTorch's tensors on a GPU; None if it cannot be measured."""
    if device.type == "cuda":
        return _peak_on_gpu(work, device)
    if not reset_high_water():
        return None
    before = resident_mb()
    work()
    highest = resident_mb("VmHWM")
    return None if before is None or highest is None else Peak(before, max(0.0, highest - before))


def _peak_on_gpu(work: Work, device: torch.device) -> Peak:
    import torch

    torch.cuda.synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    work()
    torch.cuda.synchronize(device)
    return Peak(before / 2**20, (torch.cuda.max_memory_allocated(device) - before) / 2**20)


def quartiles(values: list[float]) -> Spread:
    """The shortest, and median and quartiles, interpolated.

    >>> quartiles([4.0, 1.0, 2.0, 3.0, 9.0])
    Spread(best=1.0, low=2.0, median=3.0, high=4.0)
    """
    ordered = sorted(values)

    def at(share: float) -> float:
        place = share * (len(ordered) - 1)
        below = int(place)
        above = min(below + 1, len(ordered) - 1)
        return ordered[below] + (place - below) * (ordered[above] - ordered[below])

    return Spread(ordered[0], at(0.25), at(0.5), at(0.75))
