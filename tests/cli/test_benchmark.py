"""`samhq benchmark` measures this machine; timings decide nothing here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests import tiny

from samhq.checkpoint.save import save_model
from samhq.cli import benchmark as module
from samhq.cli.main import main
from samhq.speed.contest import Contest


def test_a_file_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LONG", 1e-9)  # everything once
    save_model(tiny.shared(tiny.HQ), tmp_path / "tiny.safetensors")
    flags = ["--model", str(tmp_path / "tiny.safetensors"), "--decode", "3", "--threads", "1", "--device", "cpu"]
    flags += ["--everything", "2"]
    assert main(["benchmark", *flags, "--json"]) == 0
    records: list[dict[str, Any]] = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [record["case"] for record in records] == ["encode", "decode", "click", "everything"]
    assert records[1]["prompts"] == 3
    assert (records[3]["points_per_side"], records[3]["picture"]) == (2, [1000, 1500])
    assert records[3]["gflop"] > records[0]["gflop"], "the picture, and its points"
    assert records[3]["parties"][0]["kept"] >= 0
    for record in records:
        assert (record["model"], record["rounds"], record["weights"]) == ("tiny_hq", 1, "random")
        assert [party["name"] for party in record["parties"]] == ["samhq"]


def test_sam2_is_measured_on_pictures_and_on_a_video(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LONG", 1e-9)
    save_model(tiny.shared(tiny.SECOND_HQ), tmp_path / "tiny.safetensors")
    flags = ["--model", str(tmp_path / "tiny.safetensors"), "--decode", "2", "--threads", "1", "--everything", "0"]
    assert main(["benchmark", *flags, "--device", "cpu", "--seconds", "0.01"]) == 0
    shown = capsys.readouterr().out
    for title in ("encode, tiny_second_hq, 1 picture", "decode, tiny_second_hq, 2 boxes, hq add"):
        assert title in shown
    assert "track, tiny_second_hq, 1 frame of 480 x 854 pixels, seen at 64" in shown


def test_what_is_asked_becomes_parties_and_work() -> None:
    entrants = module.entrants(("float32", "bfloat16", "float32"), ("transformers", "original"))
    assert [(entrant.name, entrant.dtype) for entrant in entrants] == [
        ("ours", "float32"),
        ("ours", "bfloat16"),
        ("transformers sdpa", "float32"),
        ("transformers sdpa", "bfloat16"),
        ("original", "float32"),
        ("original", "bfloat16"),
    ]
    works = module.works(tiny.PLAIN, (1, 4, 1))
    assert [work.facts().get("prompts") for work in works] == [None, 1, 4, 1]
    assert works[1].facts()["hq"] == "off"
    (whole,) = (work for work in module.works(tiny.PLAIN, (), 3) if work.case == "everything")
    assert (whole.count, whole.verb) == (9, "finding")
    assert [work.case for work in module.works(tiny.SECOND, ())] == ["encode", "click", "track"]
    assert [work.case for work in module.works(tiny.SECOND.replace(memory=None), ())] == ["encode", "click"]
    assert module.entrants(("float32",), ("transformers",), sam2=True)[1].maker == "benchmarks.peers_sam2:Transformers2"
    assert module.measured_config(None).name == "starter"
    assert module.measured_config("sam_hq_vit_h").encoder.depth == 32


@pytest.mark.parametrize(
    "flags",
    [
        ["--decode", "0"],
        ["--threads", "-1"],
        ["--seconds", "0"],
        ["--everything", "-1"],
        ["--model", "sam_hq_vit_x"],
        ["--device", "gpu"],
    ],
)
def test_what_cannot_be_measured_is_refused(
    flags: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Contest, "__init__", lambda *_: pytest.fail("a process was started"))
    assert main(["benchmark", *flags]) == 2
    assert "xpected" in capsys.readouterr().err


def test_peers_are_measured_in_the_repository_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "__file__", str(tmp_path / "site-packages" / "samhq" / "cli" / "benchmark.py"))
    assert main(["benchmark", "--peer", "transformers", "--device", "cpu"]) == 2
    assert "repository" in capsys.readouterr().err
