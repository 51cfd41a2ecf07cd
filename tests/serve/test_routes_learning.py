"""The stream that follows a training run."""

from __future__ import annotations

import sys

import pytest
from tests.serve.served import Client

from samhq.serve.learning import LearningRun


def test_a_run_is_followed_to_its_end(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    assert client.fault("GET", "/training/run/events")[:2] == (404, "not_found")
    output = client.session.files / "training" / "run"
    output.mkdir(parents=True)
    command = [sys.executable, "-c", "import time; print('step 1', flush=True); time.sleep(2)"]
    run = LearningRun(command, output, 1.0)
    monkeypatch.setattr(client.session.learning, "_run", run)
    events = client.events("GET", "/training/run/events")
    assert [name for name, _ in events[:-1]] == ["progress"] * (len(events) - 1)
    assert events[0][1]["state"] == "running"
    name, about = events[-1]
    assert (name, about["state"], about["lines"]) == ("result", "done", ["step 1"])
