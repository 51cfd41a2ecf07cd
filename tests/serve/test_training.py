"""The command for training is one that the library takes, with data that it reads."""

from __future__ import annotations

import json
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
from samhq.serve.messages import TrainingRequest
from samhq.serve.training import prepare_training
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
    client.do(2, "commit", draft=CLICK)
    made = client.ask("POST", "/training/run", {"what": "decoder", "epochs": 3})
    ((arguments, output, length, unit),) = started
    assert shlex.split(made["command"]) == ["samhq", *arguments]
    assert (arguments[arguments.index("--output") + 1], length, unit) == (str(output), 3.0, "epochs")


def test_one_picture_is_not_enough(client: Client) -> None:
    client.do(1, "commit", draft=CLICK)
    client.do(1, "commit", draft=CLICK)
    about = client.ask("GET", "/training")
    assert (about["pictures"], about["objects"]) == (1, 2)
    assert about["problem"] == client.fault("POST", "/training/run", {})[2]
    assert "at least 2 pictures" in about["problem"]
    client.do(2, "commit", draft=CLICK)
    assert client.ask("GET", "/training")["problem"] is None
    client.ask("PATCH", "/images/2", {"status": "skip"})
    assert client.ask("GET", "/training")["pictures"] == 1


def test_only_the_chosen_classes_are_learnt(client: Client) -> None:
    cup = client.ask("POST", "/classes", {"name": "cup"})["id"]
    for image_id in (1, 2):
        client.do(image_id, "commit", draft=CLICK)
    client.do(2, "commit", draft=CLICK, class_id=cup)
    about = client.ask("GET", f"/training?class_id={cup}")
    assert [(row["name"], row["pictures"], row["objects"]) for row in about["classes"]] == [
        ("object", 2, 2),
        ("cup", 1, 1),
    ]
    assert (about["pictures"], about["objects"]) == (1, 1)
    made = client.ask("POST", "/training", {"classes": [cup]})
    assert (made["images"], made["objects"]) == (1, 1)
    data = json.loads(Path(made["arguments"][made["arguments"].index("--data") + 1]).read_text())
    assert [row["name"] for row in data["categories"]] == ["cup"]
    assert len(data["images"]) == len(data["annotations"]) == 1
    assert client.fault("POST", "/training", {"classes": [99]})[:2] == (404, "not_found")
    assert client.fault("POST", "/training/run", {"classes": [cup]})[0] == 409


@pytest.mark.parametrize(
    ("length", "plan"), [({"minutes": 1.5}, ("minutes", 1.5)), ({"steps": 40}, ("steps", 40)), ({}, ("epochs", 12))]
)
def test_a_length_is_a_plan_that_the_command_takes(
    client: Client, length: dict[str, Any], plan: tuple[str, float]
) -> None:
    client.do(1, "commit", draft=CLICK)
    client.events("POST", "/images/1/encode")
    made = prepare_training(client.session, TrainingRequest(**length, name="two cups"))
    flags = dict(zip(made.arguments[1::2], made.arguments[2::2], strict=True))
    assert Path(flags["--output"]).name == "two cups"
    fields: dict[str, Any] = {name.removeprefix("--"): value for name, value in flags.items()}
    model = client.session.inference.loaded
    assert model is not None
    found = TrainConfig(**fields).plan(model.side)
    assert (found.unit, found.length) == (made.plan.unit, made.plan.length) == plan


@pytest.mark.parametrize("body", [{"minutes": 1, "steps": 1}, {"name": "../x"}, {"name": "a.b"}, {"classes": []}])
def test_a_request_that_means_nothing_is_refused(client: Client, body: dict[str, Any]) -> None:
    client.do(1, "commit", draft=CLICK)
    assert client.fault("POST", "/training", body)[:2] == (422, "bad_request")


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
        assert about["best"] is not None
        picture = tmp_path / "photos" / "a.png"
        assert load(about["best"]).segment(picture, points=[[30, 20]]).masks.shape == (1, 40, 60)
