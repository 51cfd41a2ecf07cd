"""The process keeps memory that it freed, so that the next picture or prompt need not ask the system for it again.

Large tensors come and go with every prompt. As it is set by default, the C library gives them back to the system at
once and gets them anew, page by page, each page cleared: on a virtual machine a third of a decoder's time. Knows
nothing about tensors.
"""

from __future__ import annotations

import ctypes
import os
from functools import cache

#: Set to 0 to leave the C library as it is.
SWITCH = "SAMHQ_KEEP_MEMORY"
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of mallopt, glibc's malloc.h
_KEPT = 512 << 20


@cache
def keep_freed_memory() -> bool:
    """Whether the C library will keep up to 512 MiB of freed memory from now on: with glibc, unless `SWITCH` is 0.

    For the whole process, and once. What is in use at the peak stays the same.

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
