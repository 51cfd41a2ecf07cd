"""Answers of the backend and tasks that we write, checked with Label Studio's own packages, and with a real server."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest
from starlette.testclient import TestClient

from samhq.formats.labelstudio import labelling_page, labelstudio_task
from samhq.image.sample_picture import sample_picture
from samhq.inference.segment import Segmenter, load
from samhq.serve.guard import Rules
from samhq.serve.inference import Inference
from samhq.serve.label_studio.app import create_backend_app
from samhq.serve.label_studio.backend import Backend
from samhq.serve.label_studio.pictures import FetchedPictures
from tests import tiny
from tests.formats.test_labelstudio import mask_of
from tests.parity.vendors import answer_of, vendor_python
from tests.results.drawn import scene
from tests.serve.label_studio.studio import running_studio
from tests.serve.served import photograph

pytestmark = pytest.mark.slow

_CHECK = """
import json, sys
import numpy as np
from label_studio_sdk.converter.brush import decode_rle
from label_studio_sdk.label_interface import LabelInterface
from label_studio_sdk.label_interface.objects import PredictionValue
asked = json.load(sys.stdin)
interface = LabelInterface(asked["config"])
answer = []
for prediction in asked["predictions"]:
    value = PredictionValue(**prediction)
    masks = []
    for region in prediction["result"]:
        if "rle" in region["value"]:
            pixels = decode_rle(region["value"]["rle"])
            shape = region["original_height"], region["original_width"], 4
            masks.append(np.reshape(pixels, shape)[:, :, 3].tolist())
    answer.append({
        "score": value.score, "version": value.model_version, "masks": masks,
        "errors": interface.validate_prediction(prediction, return_errors=True),
    })
print(json.dumps(answer))
"""
_TAGS = ("BrushLabels", "PolygonLabels", "RectangleLabels")


def config(tag: str) -> str:
    marks = "".join(
        f'<{kind} name="{kind}" toName="image" smart="true"><Label value="cup"/></{kind}>'
        for kind in ("KeyPointLabels", *(["RectangleLabels"] if tag != "RectangleLabels" else []))
    )
    control = f'<{tag} name="tag" toName="image"><Label value="cup"/></{tag}>'
    return f'<View><Image name="image" value="$image"/>{control}{marks}</View>'


def click(x: float = 50, y: float = 50) -> dict[str, Any]:
    value = {"x": x, "y": y, "width": 0.5, "keypointlabels": ["cup"]}
    about = {"original_width": 60, "original_height": 40, "image_rotation": 0, "is_positive": True}
    names = {"id": "a", "from_name": "KeyPointLabels", "to_name": "image", "type": "keypointlabels"}
    return about | names | {"value": value}


@pytest.fixture(scope="module")
def sdk() -> Path:
    return vendor_python("label-studio-sdk==2.1.2")


@pytest.mark.parametrize("tag", _TAGS)
def test_the_sdk_takes_the_backend_s_answers(sdk: Path, tag: str, tmp_path: Path) -> None:
    with running_studio() as studio:
        studio.files["/a.png"] = photograph(tmp_path / "a.png").read_bytes()
        pictures = FetchedPictures(studio.url)
        inference = Inference(lambda: Segmenter(tiny.shared(tiny.HQ)), pictures)
        with TestClient(create_backend_app(Backend(inference, pictures), Rules(None, ("testserver",)))) as client:
            tasks = [{"id": 1, "data": {"image": "/a.png"}}] * 2
            body = {"tasks": tasks, "label_config": config(tag), "params": {"context": {"result": [click()]}}}
            predictions = client.post("/predict", json=body).json()["results"]
    assert all(one["result"] for one in predictions)
    for checked, prediction in zip(
        answer_of(sdk, _CHECK, {"config": config(tag), "predictions": predictions}), predictions, strict=True
    ):
        assert checked["errors"] == []
        assert checked["score"] == pytest.approx(prediction["score"])
        assert checked["version"] == prediction["model_version"]
        for mask, region in zip(checked["masks"], prediction["result"], strict=tag == "BrushLabels"):
            np.testing.assert_array_equal(np.array(mask) > 0, mask_of(region))


@pytest.mark.parametrize("shapes", ["mask", "polygon"])
def test_the_sdk_takes_our_tasks(sdk: Path, shapes: Any) -> None:
    predictions = labelstudio_task(scene(), shapes)["predictions"]
    page = labelling_page(["wheel", "pair & <co>"], shapes)
    (checked,) = answer_of(sdk, _CHECK, {"config": page, "predictions": predictions})
    assert checked["errors"] == []
    if shapes == "mask":
        for mask, (_, item) in zip(checked["masks"], scene().objects, strict=True):
            np.testing.assert_array_equal(np.array(mask) > 0, item.mask)


class RealStudio:
    """A running Label Studio and a person who is logged in."""

    def __init__(self, url: str) -> None:
        self.url, self.token = url, ""
        self._cookies = CookieJar()
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self._cookies))

    def ask(self, method: str, path: str, body: Any = None, kind: str = "application/json") -> Any:
        """The JSON of an answer."""
        data = json.dumps(body).encode() if kind == "application/json" and body is not None else body
        headers = {"Content-Type": kind, "Referer": self.url}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        if (cookie := {one.name: one.value for one in self._cookies}.get("csrftoken")) is not None:
            headers["X-CSRFToken"] = cookie
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        with self._opener.open(request, timeout=120) as answer:
            content = answer.read()
            return json.loads(content) if "json" in answer.headers.get("Content-Type", "") else content

    def log_in(self, user: str, password: str) -> str:
        """A personal access token."""
        page = self.ask("GET", "/user/login/").decode()
        secret = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
        assert secret
        form = {"csrfmiddlewaretoken": secret[1], "email": user, "password": password, "persist_session": "on"}
        self.ask("POST", "/user/login/", urlencode(form).encode(), "application/x-www-form-urlencoded")
        personal = self.ask("POST", "/api/token/", {})["token"]
        self.token = self.ask("POST", "/api/token/refresh/", {"refresh": personal})["access"]
        self._cookies.clear()
        return personal

    def upload(self, project: int, picture: Path) -> None:
        """Makes a task of a picture."""
        border = uuid.uuid4().hex
        head = f'Content-Disposition: form-data; name="file"; filename="{picture.name}"\r\nContent-Type: image/jpeg'
        body = f"--{border}\r\n{head}\r\n\r\n".encode() + picture.read_bytes() + f"\r\n--{border}--\r\n".encode()
        self.ask("POST", f"/api/projects/{project}/import", body, f"multipart/form-data; boundary={border}")


@contextmanager
def real_studio(folder: Path) -> Iterator[RealStudio]:
    """A fresh Label Studio with one user, on a free port."""
    command = os.environ.get("LABEL_STUDIO_COMMAND") or shutil.which("label-studio")
    if command is None:
        pytest.skip("no label-studio: install it in an environment of its own and set LABEL_STUDIO_COMMAND to its path")
    port = 20_000 + os.getpid() % 10_000
    # Its defaults refuse backends on this machine.
    settings = {"ML_BLOCK_LOCAL_IP": "false", "SSRF_PROTECTION_ENABLED": "false", "LATEST_VERSION_CHECK": "false"}
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | settings
    environment |= {"LABEL_STUDIO_BASE_DATA_DIR": str(folder), "COLLECT_ANALYTICS": "false"}
    user = ["--username", "me@example.org", "--password", "a-long-password"]
    with (folder / "log").open("w") as log:
        start = [command, "start", "--no-browser", "--port", str(port), *user]
        server = subprocess.Popen(start, env=environment, stdout=log, stderr=log)
    try:
        studio = RealStudio(f"http://localhost:{port}")
        for _ in range(600):
            try:
                studio.ask("GET", "/health")
                break
            except OSError:
                assert server.poll() is None, (folder / "log").read_text()[-2000:]
                time.sleep(1)
        yield studio
    finally:
        server.terminate()
        server.wait(60)


def test_a_real_label_studio(tmp_path: Path) -> None:
    """Connects, and gets a brush for a click. Label Studio's first start takes two minutes on a busy machine."""
    picture = tmp_path / "cup.jpg"
    picture.write_bytes(sample_picture().read_bytes())
    (tmp_path / "studio").mkdir()
    with real_studio(tmp_path / "studio") as studio:
        key = studio.log_in("me@example.org", "a-long-password")
        project = studio.ask("POST", "/api/projects/", {"title": "test", "label_config": config("BrushLabels")})["id"]
        studio.upload(project, picture)
        (task,) = studio.ask("GET", f"/api/projects/{project}/tasks/")
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "LABEL_STUDIO_API_KEY": key}
        options = ["--label-studio", studio.url, "--token", "secret", "--port", "0"]
        command = [sys.executable, "-m", "samhq", "serve", *options]
        backend = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        try:
            assert backend.stdout is not None
            url = backend.stdout.readline().split()[-1]
            connection = {"url": url, "project": project, "title": "samhq", "is_interactive": True}
            password = {"auth_method": "BASIC_AUTH", "basic_auth_user": "me", "basic_auth_pass": "secret"}
            connected = studio.ask("POST", "/api/ml/", connection | password)
            assert connected["state"] == "CO", connected
            question = {"task": task["id"], "context": {"result": [click()]}}
            answer = studio.ask("POST", f"/api/ml/{connected['id']}/interactive-annotating", question)["data"]
        finally:
            backend.terminate()
            backend.wait(60)
    (region,) = answer["result"]
    mask = load().segment(picture, points=[[300, 200]]).masks[0]
    assert answer["model_version"] == connected["model_version"]
    assert region["value"]["brushlabels"] == ["cup"]
    assert mask_of(region).shape == mask.shape
    np.testing.assert_array_equal(mask_of(region), mask)
