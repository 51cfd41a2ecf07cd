"""A training run is followed, ends in order, and never outlives the server."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import samhq.serve.learning as module
from samhq.errors import MissingExtraError
from samhq.serve.faults import Fault
from samhq.serve.learning import LearningRun, LearningRuns, weights_of

#: Says its first step, works for a while, and says how it ended.
_STEPS = """
import json, pathlib, sys, time
folder = pathlib.Path(sys.argv[1])
folder.mkdir(exist_ok=True)
(folder / "log.jsonl").write_text(json.dumps({"step": 3, "epochs": 0.5}) + "\\n" + '{"step": 4, "epo')
try:
    print("step 3", flush=True)
    time.sleep(float(sys.argv[2]))
except KeyboardInterrupt:
    print("saved", flush=True)
    if sys.argv[3:] == ["stubborn"]:
        time.sleep(60)
    sys.exit(0)
(folder / "best.safetensors").touch()
sys.exit(int(sys.argv[3]))
"""


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Any]:
    runs: list[LearningRun] = []

    def start(*words: str) -> LearningRun:
        folder = tmp_path / "run"
        runs.append(LearningRun([sys.executable, "-c", _STEPS, str(folder), *words], folder, 2.0))
        return runs[-1]

    yield start
    for run in runs:
        run.close()


def wait_for(run: LearningRun, state: str = "", line: str = "") -> dict[str, Any]:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        about = run.about()
        if (not state or about["state"] == state) and (not line or line in about["lines"]):
            return about
        time.sleep(0.02)
    raise AssertionError(run.about())


def test_progress_and_the_end(started: Any) -> None:
    run = started("1", "0")
    about = wait_for(run, "running", "step 3")
    assert (about["fraction"], about["step"], about["best"]) == (0.25, 3, None)
    assert not run.ended.done()
    run.ended.result(60)
    about = wait_for(run, "done")
    assert (about["fraction"], about["name"]) == (1.0, "run")
    assert about["seconds"] == run.about()["seconds"]
    assert about["best"] == str(run.output / "best.safetensors")


def test_the_best_weights_come_before_the_last(tmp_path: Path) -> None:
    assert weights_of(tmp_path) is None
    for name in ("last", "best"):
        (tmp_path / f"{name}.safetensors").touch()
        assert weights_of(tmp_path) == tmp_path / f"{name}.safetensors"


def test_progress_in_minutes(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text('{"step": 1, "minutes": 0.5}\n{"step": 2, "minutes": 1.5, "epochs": 9}\n')
    run = LearningRun([sys.executable, "-c", "input()"], tmp_path, 6.0, "minutes")
    assert run.about()["fraction"] == 0.25
    run.close()


def test_a_failure(started: Any) -> None:
    assert wait_for(started("0", "2"), "failed", "step 3")["fraction"] == 0.25


@pytest.mark.skipif(os.name == "nt", reason="needs SIGINT")
def test_a_cancelled_run_saves_first(started: Any) -> None:
    run = started("60", "0")
    wait_for(run, line="step 3")
    run.cancel()
    assert "saved" in wait_for(run, "cancelled", "saved")["lines"]
    run.cancel()  # nothing is left to be ended


@pytest.mark.skipif(os.name == "nt", reason="needs SIGINT")
def test_a_second_time_ends_it_at_once(started: Any) -> None:
    run = started("60", "stubborn")
    wait_for(run, line="step 3")
    run.cancel()
    assert wait_for(run, line="saved")["state"] == "stopping"
    run.cancel()
    wait_for(run, "cancelled")


def test_closing_waits_for_the_end(started: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SECONDS", 0.2)
    run = started("60", "stubborn")
    wait_for(run, line="step 3")
    run.close()
    assert run.state == "cancelled"


def test_one_run_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = LearningRuns()
    assert runs.about() == {"state": "none"}
    runs.cancel()
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    run = runs.start(["train", "--output", str(tmp_path / "run")], tmp_path / "run", 1.0)
    with pytest.raises(Fault) as refused:
        runs.check_free()
    assert refused.value.status_code == 409
    runs.close()
    assert run.state in ("cancelled", "failed")
    runs.check_free()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="train"):
        runs.check_free()
