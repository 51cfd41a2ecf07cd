from __future__ import annotations

import platform
import time

import pytest
import torch

from samhq.speed.machine import describe_machine, gemm, half_precision, reset_high_water
from samhq.speed.measure import once, peak

CPU = torch.device("cpu")


def test_one_call_is_measured() -> None:
    calls = []
    sample = once(lambda: calls.append(time.sleep(0.02)), CPU)
    assert len(calls) == 1
    assert sample.seconds >= 0.02
    assert sample.cpu_seconds < sample.seconds
    assert sample.page_faults >= 0


def test_a_gpu_is_timed_on_its_own_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    """With several GPUs, the current one may be another than the one that works."""
    recorded: list[str] = []

    class Event:
        def __init__(self, **_: object) -> None:
            pass

        def record(self, stream: str | None = None) -> None:
            recorded.append(str(stream))

        def elapsed_time(self, end: Event) -> float:
            assert isinstance(end, Event)
            return 2000.0

    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: recorded.append(f"wait {device}"))
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: f"stream of {device}")
    assert once(lambda: recorded.append("work"), torch.device("cuda:1")).seconds == 2.0
    assert recorded == ["wait cuda:1", "stream of cuda:1", "work", "stream of cuda:1", "wait cuda:1"]


@pytest.mark.skipif(platform.system() != "Linux" or not reset_high_water(), reason="the system keeps no such mark")
def test_the_peak_is_what_a_call_takes_beyond_what_was_there() -> None:
    held = torch.ones(50 << 18)  # 50 MiB that are there before and are not counted

    def work() -> None:
        torch.ones(80 << 18).sum()

    measured = peak(work, CPU)
    assert measured is not None
    assert 80 <= measured.beyond_mb < 100
    assert measured.before_mb > 50
    again = peak(lambda: None, CPU)
    assert again is not None
    assert again.beyond_mb < 10
    assert held.numel()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int8"])
def test_the_yardstick_multiplies(dtype: str) -> None:
    work, operations = gemm(dtype, CPU)
    assert work().shape == (2048, 2048)
    assert operations == 2 * 2048**3


def test_the_machine_is_described() -> None:
    facts = describe_machine(CPU)
    assert facts["processor"]
    assert facts["threads"] == torch.get_num_threads()
    assert facts["cores"] >= 1
    assert half_precision(["amx_bf16"]) == "This processor has bfloat16 arithmetic."
