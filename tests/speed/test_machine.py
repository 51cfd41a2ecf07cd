"""The machine is described in JSON values, and numbers of memory are plausible."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from samhq.speed import machine


def test_the_description_is_json() -> None:
    facts = machine.describe_machine(torch.device("cpu"))
    assert json.loads(json.dumps(facts)) == facts
    assert facts["cores"] >= 1
    assert facts["torch"] == torch.__version__
    assert set(facts["fast_instructions"]) <= set(machine.FAST)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system has no /proc")
def test_memory_is_that_of_this_process() -> None:
    now, highest, whole = machine.resident_mb(), machine.resident_mb("VmHWM"), machine.memory_gb()
    assert now is not None
    assert highest is not None
    assert whole is not None
    assert 1 < now <= highest * 1.01
    assert highest < whole * 1024


def test_where_the_system_says_nothing_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_lines", lambda path: [])
    assert (machine.memory_gb(), machine.resident_mb(), machine.instructions()) == (None, None, [])
    assert machine.processor()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int8"])
def test_a_product_has_its_operations(monkeypatch: pytest.MonkeyPatch, dtype: str) -> None:
    monkeypatch.setattr(machine, "SIDE", 32)
    product, operations = machine.gemm(dtype, torch.device("cpu"))
    assert operations == 2 * 32**3
    assert product().shape == (32, 32)
