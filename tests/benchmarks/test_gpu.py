"""The script for a GPU, without one: its plan, its limits of time, and that a failed case ends no other."""

from __future__ import annotations

import json
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tests import tiny

from benchmarks import gpu
from samhq.speed.ours import Refusal, Workload
from samhq.speed.work import Encode

CPU = torch.device("cpu")


def test_every_party_and_case_is_planned_and_the_most_important_come_first() -> None:
    groups = list(gpu.plan("picture.png", small=False))
    assert {name for group in groups for name in group.parties} == set(gpu.PARTIES)
    asked = {(work.config.name, work.case, work.count) for group in groups for work in group.works}
    names = ("sam_hq_vit_b", "sam_hq_vit_l", "sam_hq_vit_h", "sam2.1_hiera_large")
    assert {(name, "encode", count) for name in names for count in (1, 16)} <= asked
    assert {("sam_hq_vit_b", "decode", count) for count in (1, 64, 1024)} <= asked
    assert ("sam_hq_vit_b", "everything", 32**2) in asked
    compiled = [i for i, group in enumerate(groups) if any(name in gpu.COMPILED for name in group.parties)]
    assert min(compiled) == 3


def test_a_first_call_that_takes_too_long_is_stopped() -> None:
    with pytest.raises(TimeoutError, match=r"more than 0 s"), gpu.at_most(0.05):
        time.sleep(5)
    with gpu.at_most(0.05):
        pass
    time.sleep(0.1)  # The alarm is off.


def test_a_failed_party_or_case_says_why_and_the_next_one_runs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried\nto allocate")

    def party(name: str, model: Any, dtype: str, device: torch.device) -> Any:
        assert model is not None
        if name == "transformers eager":
            raise Refusal("has no Hiera")
        return SimpleNamespace(encoding=lambda work: Workload(fail if name == "samhq graphs" else lambda: None))

    monkeypatch.setattr(gpu, "party", party)
    monkeypatch.setattr(gpu, "gemm", lambda dtype, device: (lambda: None, 1))
    parties = ("transformers eager", "samhq graphs", "samhq")
    works = (Encode(tiny.HQ), gpu.everything(tiny.HQ, "picture.png", 2))
    monkeypatch.setattr(gpu, "plan", lambda picture, small: [gpu.Group(tiny.HQ, parties, works)])
    gpu.main(["--device", "cpu", "--seconds", "0", "--json", str(tmp_path / "gpu.jsonl")])
    machine, *records = [json.loads(text) for text in (tmp_path / "gpu.jsonl").read_text().splitlines()]
    assert set(machine) == {"machine", "dtype", "tflops"}
    assert [record.get("failed") for record in records] == [
        "has no Hiera",
        "has no Hiera",
        "OutOfMemoryError: CUDA out of memory. Tried",
        "does not do this",
        None,
        "does not do this",
    ]
    assert {"first_s", "seconds", "a_second", "of_limit"} <= set(records[4])
    assert "tiny_hq, encode 1, samhq: first 0.00 s, then" in capsys.readouterr().out


def test_no_case_begins_after_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    group = gpu.Group(tiny.HQ, ("samhq",), (Encode(tiny.HQ),))
    options = gpu.flags().parse_args([])
    assert list(gpu.measured(group, options, CPU, 1.0, ends=time.monotonic() - 1)) == []


def test_parties_differ_as_their_names_say() -> None:
    first = gpu.party("samhq channels first", tiny.model(tiny.LIGHT), "float32", CPU).model
    assert first.image_encoder.neck[2].weight.is_contiguous()
    compiled = gpu.party("samhq graphs", tiny.model(tiny.HQ), "bfloat16", CPU).model
    assert compiled.image_encoder._compiled_call_impl is not None
    assert compiled.dtype == torch.bfloat16
    theirs = gpu.party("transformers eager", tiny.model(tiny.HQ), "bfloat16", CPU)
    assert theirs.model.dtype == torch.bfloat16
