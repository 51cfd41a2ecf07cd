from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

#: Frees and allocates 64 MiB again and again, and prints how many pages the system had to bring each time.
PROGRAM = """
import ctypes, resource
from samhq.allocation import keep_freed_memory
print(keep_freed_memory())
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
libc.free.argtypes, libc.memset.argtypes = [ctypes.c_void_p], [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
def once():
    block = libc.malloc(64 << 20)
    libc.memset(block, 1, 64 << 20)
    libc.free(block)
once()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    once()
print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / 5)
"""


def run(**environment: str) -> tuple[bool, float]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "SAMHQ_"))}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env={**kept, **environment}, capture_output=True, text=True, check=True
    )
    said, pages = done.stdout.split()
    return said == "True", float(pages)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="mallopt is glibc's")
def test_freed_memory_is_used_again_without_asking_the_system() -> None:
    kept, pages = run()
    assert kept
    assert pages < 100


@pytest.mark.parametrize("environment", [{"SAMHQ_KEEP_MEMORY": "0"}, {"MALLOC_TRIM_THRESHOLD_": "131072"}])
def test_who_set_it_otherwise_is_left_alone(environment: dict[str, str]) -> None:
    kept, pages = run(**environment)
    assert not kept
    if platform.libc_ver()[0] == "glibc":
        assert pages > 1000  # the check above would notice if nothing was kept
