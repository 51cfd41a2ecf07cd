"""`samhq serve` prints the address of a page, answers there, and ends in order."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from samhq.cli.main import main
from samhq.image.sample_picture import sample_picture
from samhq.serve.start import Address


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["missing"], "Expected a folder of pictures"),
        (["--host", "0.0.0.0"], "--token"),
        (["--max-pixels", "0"], "--max-pixels"),
        (["--port", "99999"], "--port"),
        (["--project", "."], "--project"),
        (["--label-studio", "localhost:8080"], "http://localhost:8080"),
        (["--label-studio", "http://localhost", "--fetch-from", "s3"], "http://localhost:8080"),
        (["--label-studio", "http://localhost", "--host", "0.0.0.0"], "--token"),
        (["--label-studio", "http://localhost", "--project", "a"], "without a folder or project"),
        ([".", "--label-studio", "http://localhost"], "without a folder or project"),
        (["--prelabel", "everything"], "--label-studio"),
    ],
)
def test_wrong_use(
    words: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["serve", *words, "--no-open"]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="needs SIGINT")
def test_the_page_of_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "cup.jpg").write_bytes(sample_picture().read_bytes())
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "samhq", "serve", str(tmp_path), "--port", "0", "--no-open"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as server:
        assert server.stdout is not None
        found = re.fullmatch(r"samhq serve: (http://127\.0\.0\.1:\d+/)#t=(\S+)\n", server.stdout.readline())
        assert found
        with urllib.request.urlopen(found[1], timeout=60) as page:
            assert b"<script" in page.read()
        request = urllib.request.Request(f"{found[1]}api/v1/images", headers={"X-Samhq-Token": found[2]})
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert [one["name"] for one in json.load(answer)["images"]] == ["cup.jpg"]
        assert main(["serve", str(tmp_path), "--port", "0", "--no-open"]) == 2
        assert "another samhq serve uses now" in capsys.readouterr().err
        server.send_signal(signal.SIGINT)
        assert server.wait(60) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"cup.jpg", "project.samhq"}
    with Address(port=0).listen() as taken:
        assert main(["serve", str(tmp_path), "--port", str(taken.getsockname()[1]), "--no-open"]) == 2
    assert "Expected a free address" in capsys.readouterr().err
    assert {path.name for path in tmp_path.iterdir()} == {"cup.jpg", "project.samhq"}


@pytest.mark.skipif(os.name == "nt", reason="needs SIGINT")
def test_the_backend_of_label_studio(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    options = ["--label-studio", "http://localhost:8080", "--token", "secret", "--port", "0"]
    command = [sys.executable, "-m", "samhq", "serve", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, cwd=tmp_path) as server:
        assert server.stdout is not None
        found = re.fullmatch(r"samhq serve for Label Studio: (http://127\.0\.0\.1:\d+/)\n", server.stdout.readline())
        assert found
        with urllib.request.urlopen(f"{found[1]}health", timeout=60) as answer:
            assert json.load(answer)["status"] == "UP"
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(f"{found[1]}versions", timeout=60)
        server.send_signal(signal.SIGINT)
        assert server.wait(60) == 0
    assert list(tmp_path.iterdir()) == []
