"""How threads wait is chosen before PyTorch is imported, unless somebody chose already."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from samhq.threads import CHOICES, let_waiting_threads_sleep, waiting_threads_sleep


def test_threads_sleep_unless_somebody_chose() -> None:
    environment: dict[str, str] = {"PATH": "/bin"}
    let_waiting_threads_sleep(environment)
    assert environment == {"PATH": "/bin", "OMP_WAIT_POLICY": "PASSIVE"}
    assert waiting_threads_sleep(environment)


@pytest.mark.parametrize(
    "choice", [{"OMP_WAIT_POLICY": "ACTIVE"}, {"GOMP_SPINCOUNT": "10"}, {"KMP_BLOCKTIME": "200"}, {"KMP_LIBRARY": "x"}]
)
def test_what_somebody_chose_stays(choice: dict[str, str]) -> None:
    environment = dict(choice)
    let_waiting_threads_sleep(environment)
    assert environment == choice
    assert not waiting_threads_sleep(environment)


@pytest.mark.parametrize(("chosen", "policy"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_every_command_chooses_before_anything_imports_torch(chosen: str | None, policy: str) -> None:
    code = (
        "import os, sys; from samhq.cli.main import main; assert 'torch' not in sys.modules; "
        "main(['--version']); print(os.environ['OMP_WAIT_POLICY'])"
    )
    environment = {name: value for name, value in os.environ.items() if name not in CHOICES}
    environment |= {"OMP_WAIT_POLICY": chosen} if chosen else {}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == policy


FORKED = """
import multiprocessing, sys
import numpy as np, torch
import samhq

torch.set_num_threads(2)
model = samhq.load()
picture = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)

def mask(x):
    return model.segment(picture, points=[[x, 150]], refine=False).masks, torch.get_num_threads()

own, threads = mask(100)
with multiprocessing.get_context("fork").Pool(1) as pool:
    forked, alone = pool.apply_async(mask, (100,)).get(timeout=60)
assert (threads, alone, torch.get_num_threads()) == (2, 1, 2), (threads, alone)
assert np.array_equal(own, forked)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere OpenMP survives a fork, or there is none")
def test_a_forked_process_segments_after_its_parent_did() -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    done = subprocess.run([sys.executable, "-c", FORKED], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-600:]
