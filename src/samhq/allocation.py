"""Lets the process keep freed memory, so that the next picture or prompt need not request it from the system again.

Every prompt allocates and frees large tensors. By default the C library returns them to the system at once and then
requests them again, and the system clears each page. On a virtual machine this takes a third of a decoder's time. Knows
nothing about tensors.
"""

from __future__ import annotations

import ctypes
import os
from functools import cache

#: Set to 0 to leave the C library's defaults unchanged.
SWITCH = "SAMHQ_KEEP_MEMORY"
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of mallopt, glibc's malloc.h
_KEPT = 512 << 20


@cache
def keep_freed_memory() -> bool:
    """Lets the C library keep up to 512 MiB of freed memory. Returns whether it does: only glibc; not if `SWITCH` is 0.

    Applies to the whole process and runs once. Peak memory stays the same.

    Source: mallopt(3), GNU C library.
    """
    if os.environ.get(SWITCH, "1") == "0" or any(
        f"MALLOC_{name}_THRESHOLD_" in os.environ for name in ("TRIM", "MMAP")
    ):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # musl, macOS, Windows
        return False
    return bool(mallopt(_MMAP_THRESHOLD, _KEPT)) and bool(mallopt(_TRIM_THRESHOLD, _KEPT))
