"""The models of a server: the first, and those that were trained; changing from one to another."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests import tiny
from tests.serve.served import CLICK, Client, folder_of, opened

from samhq.errors import CheckpointError
from samhq.inference.segment import Segmenter
from samhq.serve.models import STARTED
from samhq.serve.session import Session


def trained(client: Client, name: str, file: str = "last.safetensors") -> Path:
    """A file where a training run writes its weights."""
    path = client.session.files / "training" / name / file
    path.parent.mkdir(parents=True)
    path.touch()
    return path


def test_trained_models_are_listed_and_labelled_with(tmp_path: Path) -> None:
    session = opened(folder_of(tmp_path), load_file=lambda path: Segmenter(tiny.shared(tiny.PLAIN)))
    with Client(session) as client:
        client.ask("POST", "/images/1/mask", CLICK)
        assert client.ask("GET", "/models")["models"] == [
            {"id": STARTED, "name": "starter", "trained": False, "current": True}
        ]
        path = trained(client, "cups")
        (client.session.files / "training" / "not yet").mkdir()
        assert session.models.weights == "starter"
        model = client.ask("PUT", "/model", {"id": "run:cups"})
        assert (model["name"], model["hq"], model["ready"]) == ("cups", False, True)
        assert client.ask("GET", "/info")["model"] == model
        assert [row["current"] for row in client.ask("GET", "/models")["models"]] == [False, True]
        assert session.models.weights == str(path.resolve())
        assert not session.inference.is_encoded(1), "the new model has not seen the picture"
        assert client.do(1, "commit", draft=CLICK)["upsert"]
        assert client.ask("PUT", "/model", {"id": STARTED})["hq"] is True


def plain(path: Path) -> Segmenter:
    return Segmenter(tiny.shared(tiny.PLAIN))


def current(session: Session) -> str:
    """The name of the model that labels pictures, once it is loaded."""
    with Client(session) as client:
        client.ask("POST", "/images/1/mask", CLICK)
        (row,) = [row for row in client.ask("GET", "/models")["models"] if row["current"]]
        assert client.ask("GET", "/info")["model"]["name"] in (row["name"], "tiny_hq")
        assert client.ask("GET", "/info")["model"]["hq"] is (row["name"] != "cups")
        return str(row["name"])


def test_a_new_server_labels_with_the_model_chosen_last(tmp_path: Path) -> None:
    folder_of(tmp_path)
    with Client(opened(tmp_path, load_file=plain, model_name="big")) as client:
        trained(client, "cups")
        client.ask("PUT", "/model", {"id": "run:cups"})
        client.ask("PUT", "/settings", {})
    again = opened(tmp_path, load_file=plain, model_name="big")
    assert again.about_model()["name"] == "cups", "while it is loaded, too"
    assert current(again) == "cups"
    assert current(opened(tmp_path, load_file=plain, model_name="other")) == "other", "given on the command line"
    with Client(opened(tmp_path, load_file=plain, model_name="big")) as client:
        client.ask("PUT", "/model", {"id": STARTED})
    assert current(opened(tmp_path, load_file=plain, model_name="big")) == "big"


@pytest.mark.parametrize("damage", ["gone", "broken"])
def test_without_the_model_chosen_last_a_server_begins_with_its_own(
    tmp_path: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(path: Path) -> Segmenter:
        raise CheckpointError(f"Expected weights, got {path}. Train again.")

    folder_of(tmp_path)
    with Client(opened(tmp_path, load_file=plain)) as client:
        path = trained(client, "cups")
        client.ask("PUT", "/model", {"id": "run:cups"})
    if damage == "gone":
        path.unlink()
    assert current(opened(tmp_path, load_file=broken)) == "starter"
    said = capsys.readouterr().err
    assert "cups" in said
    assert "starter" in said


@pytest.mark.parametrize("name", ["run:no", "run:../training/cups", "no", ""])
def test_a_model_that_does_not_exist_is_refused(client: Client, name: str) -> None:
    trained(client, "cups")
    assert client.fault("PUT", "/model", {"id": name})[:2] == (404, "not_found")


def test_a_model_that_cannot_be_loaded_leaves_the_old_one(tmp_path: Path) -> None:
    def broken(path: Path) -> Segmenter:
        raise CheckpointError(f"Expected weights, got {path}. Train again.")

    with Client(opened(folder_of(tmp_path), load_file=broken)) as client:
        trained(client, "cups", "best.safetensors")
        assert client.fault("PUT", "/model", {"id": "run:cups"})[0] == 422
        assert client.ask("GET", "/models")["models"][0]["current"] is True
        assert client.ask("POST", "/images/1/mask", CLICK)["area"] >= 0
