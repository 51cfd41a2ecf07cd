"""The command for training is one that the library takes, with data that it reads."""

from __future__ import annotations

import os
import shlex
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tests.serve.served import CLICK, Client, folder_of, opened

from samhq.datasets.open import open_dataset
from samhq.inference.segment import load
from samhq.training.config import TrainConfig


@pytest.mark.parametrize("what", ["hq", "decoder", "all", "lora"])
def test_the_command_fits_the_data(client: Client, what: str) -> None:
    client.do(1, "commit", draft=CLICK)
    client.do(2, "commit", draft=CLICK)
    made = client.ask("POST", "/training", {"what": what})
    assert shlex.split(made["command"]) == ["samhq", *made["arguments"]]
    assert (made["images"], made["objects"]) == (2, 2)
    flags = dict(zip(made["arguments"][1::2], made["arguments"][2::2], strict=True))
    fields = {name.removeprefix("--"): value for name, value in flags.items()}
    config = TrainConfig(**fields)
    assert config.mode == ("hq" if what == "hq" else "finetune")
    pictures = open_dataset(fields["data"], images=fields["images"])
    assert [sample.masks.sum() > 0 for sample in (pictures[0], pictures[1])] == [True, True]


def test_a_new_run_has_a_new_folder(client: Client) -> None:
    client.do(1, "commit", draft=CLICK)
    first = client.ask("POST", "/training", {})["arguments"]
    Path(first[first.index("--output") + 1]).mkdir()
    second = client.ask("POST", "/training", {"epochs": 2.5})["arguments"]
    assert Path(second[second.index("--output") + 1]).name == "run_2"
    assert second[-2:] == ["--epochs", "2.5"]


def test_a_run_needs_labels(client: Client) -> None:
    assert client.ask("GET", "/training/run") == {"state": "none"}
    assert client.fault("POST", "/training/run", {})[:2] == (409, "conflict")
    client.ask("DELETE", "/training/run")


def test_a_run_is_started_with_the_command(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Any] = []
    monkeypatch.setattr(client.session.learning, "start", lambda *given: started.append(given))
    client.do(1, "commit", draft=CLICK)
    made = client.ask("POST", "/training/run", {"what": "decoder", "epochs": 3})
    ((arguments, output, epochs),) = started
    assert shlex.split(made["command"]) == ["samhq", *arguments]
    assert (arguments[arguments.index("--output") + 1], epochs) == (str(output), 3.0)


@pytest.mark.slow
def test_labels_made_on_the_page_train_the_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The starter learns from two objects for an epoch; a minute on a busy two-core machine."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    with Client(opened(folder_of(tmp_path / "photos"))) as client:
        client.do(1, "commit", draft=CLICK)
        client.do(2, "commit", draft=CLICK)
        assert client.ask("POST", "/training/run", {"epochs": 1})["state"] == "running"
        end = time.monotonic() + 600
        while (about := client.ask("GET", "/training/run"))["state"] == "running" and time.monotonic() < end:
            time.sleep(1)
        assert about["state"] == "done", about
        assert about["step"] >= 1
        picture = tmp_path / "photos" / "a.png"
        assert load(about["best"]).segment(picture, points=[[30, 20]]).masks.shape == (1, 40, 60)
