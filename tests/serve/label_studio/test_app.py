"""The routes as Label Studio uses them, on a socket and without one."""

from __future__ import annotations

import json
import threading
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from tests import tiny
from tests.serve.label_studio.studio import Studio, running_studio
from tests.serve.served import photograph

from samhq.inference.segment import Segmenter
from samhq.serve.guard import Rules
from samhq.serve.inference import Inference
from samhq.serve.label_studio.app import OPEN_PATHS, create_backend_app
from samhq.serve.label_studio.backend import Backend
from samhq.serve.label_studio.pictures import FetchedPictures
from samhq.serve.start import Address, run_server, url_of

CONFIG = (
    '<View><Image name="image" value="$image"/><BrushLabels name="tag" toName="image"><Label value="cup"/>'
    '</BrushLabels><KeyPointLabels name="point" toName="image" smart="true"><Label value="cup"/></KeyPointLabels>'
    "</View>"
)
#: What Label Studio sends of a key point (label_studio_ml/api.py and examples/segment_anything_2_image at 18269ac).
CLICK = {
    "original_width": 60,
    "original_height": 40,
    "image_rotation": 0,
    "value": {"x": 50, "y": 50, "width": 0.58, "labels": ["cup"], "keypointlabels": ["cup"]},
    "is_positive": True,
    "id": "fBWv1t0S2L",
    "from_name": "point",
    "to_name": "image",
    "type": "keypointlabels",
    "origin": "manual",
}
SETUP = {
    "project": "1.1700000000",
    "schema": CONFIG,
    "hostname": "http://localhost:8080",
    "access_token": "secret",
    "extra_params": None,
}


def predict_body(*marks: Any, tasks: int = 1, **changes: Any) -> dict[str, Any]:
    """A request for predictions as Label Studio sends it."""
    task = {"id": 1, "data": {"image": "/a.png"}, "annotations": [], "predictions": []}
    context = {"result": list(marks)} if marks else None
    params = {"login": None, "password": None, "context": context}
    body = {"tasks": [task] * tasks, "project": "1.1700000000", "label_config": CONFIG, "params": params}
    return body | changes


def app_of(studio: Studio, rules: Rules | None = None, load: Any = None) -> Any:
    pictures = FetchedPictures(studio.url)
    inference = Inference(load or (lambda: Segmenter(tiny.shared(tiny.HQ))), pictures)
    return create_backend_app(Backend(inference, pictures), rules or Rules(None, ("testserver",), basic=True))


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    with running_studio() as studio:
        studio.files["/a.png"] = photograph(tmp_path / "a.png").read_bytes()
        yield studio


@pytest.fixture
def client(studio: Studio) -> Iterator[TestClient]:
    with TestClient(app_of(studio), raise_server_exceptions=False) as client:
        yield client


@pytest.mark.parametrize("path", ["/", "/health"])
def test_health(client: TestClient, path: str) -> None:
    assert client.get(path).json() == {"status": "UP", "model_class": "samhq"}


def test_setup_and_versions_agree(client: TestClient) -> None:
    version = client.post("/setup", json=SETUP).json()["model_version"]
    assert client.get("/versions").json() == {"versions": [version]}
    assert client.post("/predict", json=predict_body()).json()["results"][0]["model_version"] == version


def test_setup_refuses_a_page_that_cannot_be_answered(client: TestClient) -> None:
    answer = client.post("/setup", json=SETUP | {"schema": "<View><Text name='t' value='$t'/></View>"})
    assert answer.status_code == 422
    assert "BrushLabels" in answer.json()["error"]["message"]


def test_the_token_of_setup_reads_pictures(client: TestClient, studio: Studio) -> None:
    studio.token = "Token secret"
    refused = client.post("/predict", json=predict_body(CLICK))
    assert refused.status_code == 422
    assert "LABEL_STUDIO_API_KEY" in refused.json()["error"]["message"]
    client.post("/setup", json=SETUP)
    assert client.post("/predict", json=predict_body(CLICK)).status_code == 200


def test_a_click(client: TestClient) -> None:
    (prediction,) = client.post("/predict", json=predict_body(CLICK)).json()["results"]
    (region,) = prediction["result"]
    assert region["type"] == "brushlabels"
    assert region["value"]["brushlabels"] == ["cup"]
    again = client.post("/predict", json=predict_body(CLICK)).json()["results"][0]["result"][0]
    assert again["value"] == region["value"]
    assert again["id"] != region["id"]


def test_a_missing_is_positive_is_a_point_on_the_object(client: TestClient) -> None:
    bare = {key: value for key, value in CLICK.items() if key != "is_positive"}
    with_switch, without = (client.post("/predict", json=predict_body(one)).json() for one in (CLICK, bare))
    first, second = (one["results"][0]["result"][0]["value"] for one in (with_switch, without))
    assert first == second


@pytest.mark.parametrize(
    "params", [{}, {"params": None}, {"params": {"context": {}}}, {"params": {"context": {"result": []}}}]
)
def test_tasks_without_marks_have_empty_predictions(client: TestClient, params: dict[str, Any]) -> None:
    results = client.post("/predict", json=predict_body(tasks=2, **params)).json()["results"]
    assert [one["result"] for one in results] == [[], []]


def test_an_unknown_picture_is_a_sentence(client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    body = predict_body(CLICK) | {"tasks": [{"data": {"image": "http://169.254.169.254/latest"}}]}
    answer = client.post("/predict", json=body)
    assert answer.status_code == 422
    assert "--fetch-from" in answer.json()["error"]["message"]
    assert "--fetch-from" in caplog.text  # Label Studio shows people the status alone


def test_ten_thousand_marks_are_refused(client: TestClient) -> None:
    assert client.post("/predict", json=predict_body(*[CLICK] * 10_000)).status_code == 422


@pytest.mark.parametrize(
    ("action", "status"),
    [("ANNOTATION_CREATED", 201), ("START_TRAINING", 201), ("TASKS_CREATED", 200), (None, 200)],
)
def test_webhooks_are_taken_note_of(client: TestClient, action: str | None, status: int) -> None:
    answer = client.post("/webhook", json={"action": action, "project": {"id": 1, "label_config": CONFIG}})
    assert (answer.status_code, answer.json()["status"]) == (status, "ok")


@pytest.mark.parametrize("path", ["/validate", "/delete", "/duplicate_model", "/job_status", "/train"])
def test_routes_of_other_versions_are_answered(client: TestClient, path: str) -> None:
    assert client.post(path, json={"project": "1.2"}).json() == {}
    assert client.get("/metrics").json() == {}


@pytest.mark.parametrize("body", [{}, {"tasks": 1}, predict_body() | {"label_config": None}, [1]])
def test_other_bodies_are_sentences(client: TestClient, body: Any) -> None:
    answer = client.post("/predict", json=body)
    assert answer.status_code == 422
    assert answer.json()["error"]["message"].startswith("Expected")


def test_a_password(studio: Studio) -> None:
    rules = Rules("secret", ("testserver",), basic=True, open_paths=OPEN_PATHS)
    with TestClient(app_of(studio, rules)) as client:
        assert client.get("/health").status_code == 200
        refused = client.post("/setup", json=SETUP)
        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Basic")
        headers = {"authorization": f"Basic {b64encode(b'me:secret').decode()}"}
        assert client.post("/setup", json=SETUP, headers=headers).status_code == 200


def test_other_hosts_and_sites_are_refused(client: TestClient) -> None:
    assert client.get("/health", headers={"host": "evil.test"}).status_code == 400
    assert client.post("/setup", json=SETUP, headers={"origin": "http://evil.test"}).status_code == 403
    assert client.post("/setup", content=json.dumps(SETUP), headers={"content-type": "text/plain"}).status_code == 415


def test_a_slow_model_keeps_nobody_waiting_for_health(studio: Studio) -> None:
    """Label Studio waits one second for a connection and, with default settings, for health; loading takes longer."""
    loaded = threading.Event()
    failures: list[BaseException] = []

    def load() -> Segmenter:
        loaded.wait(60)
        return Segmenter(tiny.shared(tiny.HQ))

    listener = Address().listen()
    app = app_of(studio, Rules(None, ("127.0.0.1",), basic=True), load)
    url = url_of(listener)

    def ask(path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url + path, data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    answers: list[Any] = []
    waiting = threading.Thread(target=lambda: answers.append(ask("predict", predict_body(CLICK))))

    def use() -> None:
        assert ask("health")["status"] == "UP"
        waiting.start()
        assert ask("setup", SETUP)["model_version"]
        assert ask("health")["status"] == "UP"
        assert not answers
        assert not loaded.is_set()
        loaded.set()
        waiting.join(60)
        assert answers[0]["results"][0]["result"]

    with ThreadPoolExecutor(1) as pool:
        used = pool.submit(use)
        used.add_done_callback(lambda _: failures.append(KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            run_server(app, listener, failed=lambda: next(iter(failures), None))
        used.result(60)
