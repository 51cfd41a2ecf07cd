"""Describes the machine and its speed: processor, threads, versions, the rate of matrix products, memory.

Knows nothing about models. Torch is imported when a function is called.
"""

from __future__ import annotations

import ctypes
import gc
import os
import platform
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

#: Side of the square matrices for the rate: large enough for full speed, 17 GFLOP.
SIDE = 2048
GPU_SIDE = 8192  #: On a GPU smaller products take less time than starting them and waiting for them.
#: Processor flags of instructions that make half precision and integers fast.
FAST = ("avx512f", "avx512_vnni", "avx512_bf16", "amx_tile", "amx_bf16", "amx_int8", "asimd", "bf16", "i8mm")


def gemm(dtype: str, device: torch.device) -> tuple[Callable[[], Any], int]:
    """A function that multiplies two square matrices once, and the number of operations of that product.

    `dtype` is a name: float32, bfloat16, float16, or int8 (sums in int32).
    """
    import torch

    generator, side = torch.Generator().manual_seed(0), GPU_SIDE if device.type == "cuda" else SIDE
    if dtype == "int8":
        pair = [torch.randint(-128, 128, (side, side), generator=generator).to(device, torch.int8) for _ in "ab"]
        return lambda: torch._int_mm(pair[0], pair[1]), 2 * side**3
    pair = [torch.randn(side, side, generator=generator).to(device, getattr(torch, dtype)) for _ in "ab"]
    return lambda: torch.mm(pair[0], pair[1]), 2 * side**3


def describe_machine(device: torch.device) -> dict[str, Any]:
    """The machine and the relevant versions, as JSON values."""
    import torch

    facts: dict[str, Any] = {
        "processor": processor(),
        "fast_instructions": instructions(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "threads": torch.get_num_threads(),
        "memory_gb": memory_gb(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
    }
    if device.type == "cuda":
        facts["device"] = torch.cuda.get_device_name(device)
    return facts


def processor() -> str:
    """The processor's name."""
    for line in _lines("/proc/cpuinfo"):
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def instructions() -> list[str]:
    """Which of `FAST` the processor has, if the system reports it."""
    flags = next((line for line in _lines("/proc/cpuinfo") if line.startswith(("flags", "Features"))), "")
    return [flag for flag in FAST if flag in flags.split()]


def has_bfloat16(names: Sequence[str]) -> bool:
    """Whether a processor with these instructions has bfloat16 arithmetic.

    >>> has_bfloat16(["avx512f", "avx512_vnni"]), has_bfloat16(["amx_tile", "amx_bf16"])
    (False, True)
    """
    return not {"amx_bf16", "avx512_bf16", "bf16"}.isdisjoint(names)


def half_precision(names: Sequence[str]) -> str:
    """One sentence: whether bfloat16 is done in hardware by a processor with these instructions.

    >>> half_precision(["avx512f", "avx512_vnni"])
    'This processor has no bfloat16 arithmetic: bfloat16 is emulated here, and slower than float32.'
    """
    if not has_bfloat16(names):
        return "This processor has no bfloat16 arithmetic: bfloat16 is emulated here, and slower than float32."
    return "This processor has bfloat16 arithmetic."


def memory_gb() -> float | None:
    """The machine's memory in GiB, if the system reports it."""
    line = next((line for line in _lines("/proc/meminfo") if line.startswith("MemTotal")), None)
    return None if line is None else round(int(line.split()[1]) / 2**20, 1)


def resident_mb(field: str = "VmRSS") -> float | None:
    """Resident memory of this process in MiB: VmRSS now, VmHWM at its highest since the last reset."""
    line = next((line for line in _lines("/proc/self/status") if line.startswith(field)), None)
    return None if line is None else int(line.split()[1]) / 1024


def reset_high_water() -> bool:
    """Restarts VmHWM now, after returning free memory to the system; False if that is not possible."""
    gc.collect()
    if platform.system() != "Linux":
        return False
    try:
        ctypes.CDLL("libc.so.6").malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
