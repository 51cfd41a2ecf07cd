"""A project opened again holds what was done, also after the server was killed."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from tests.serve.served import CLICK, Client, folder_of, opened, photograph

from samhq.errors import ConfigError
from samhq.masks import rle
from samhq.serve import history
from samhq.serve.history import Change
from samhq.serve.objects import mask_columns, new_id
from samhq.serve.project import Project

#: Commands one after the other; after each a line says that it was answered.
_WORK = """
import sys
from pathlib import Path
from samhq.serve.commands import run_command
from samhq.serve.messages import SetDraft
from samhq.serve.project import Project
project = Project(Path(sys.argv[1]), "a")
for number in range(100000):
    delta = run_command(project, 1, SetDraft(type="set_draft", draft={"own": number}))
    print(delta.revision, number, flush=True)
"""


def test_the_page_finds_everything_again(tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    with Client(opened(folder)) as client:
        client.do(1, "commit", draft=CLICK)
        client.do(1, "set_draft", draft=CLICK)
        before = client.state()
    photograph(folder / "c.png")
    with Client(opened(folder)) as client:
        assert client.state() == before
        assert [one["name"] for one in client.ask("GET", "/images")["images"]] == ["a.png", "b.png", "c.png"]
        assert client.ask("POST", "/images/1/undo")["draft"] is None


def test_a_project_has_one_server_at_a_time(tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    with Client(opened(folder)) as client:
        with pytest.raises(ConfigError, match=r"no other server has open, got .*project\.samhq.*--project"):
            opened(folder)
        opened(folder, tmp_path / "other.samhq").close()
        client.do(1, "commit", draft=CLICK)
    with Client(opened(folder)) as client:
        assert len(client.state()["objects"]) == 1


def test_a_folder_that_is_refused_leaves_the_project_free(tmp_path: Path) -> None:
    (tmp_path / "project.samhq").write_bytes(b"not a database, but long enough to be read as one" * 30)
    for _ in range(2):
        with pytest.raises(ConfigError, match="project file of samhq serve"):
            opened(folder_of(tmp_path))


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
@pytest.mark.parametrize("seconds", [0.0, 0.05, 0.2])
def test_a_killed_server_loses_nothing_that_it_answered(tmp_path: Path, seconds: float) -> None:
    path = tmp_path / "a.samhq"
    project = Project(path, "a")
    project.add_image("a.png", (8, 10), rel_path="a.png")
    project.close()
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-c", _WORK, str(path)], stdout=subprocess.PIPE, text=True, env=environment
    ) as worker:
        assert worker.stdout is not None
        lines = [worker.stdout.readline()]
        time.sleep(seconds)
        worker.send_signal(signal.SIGKILL)
        lines += worker.stdout.readlines()
    answered = [re.fullmatch(r"(\d+) (\d+)\n", line) for line in lines]
    revision, number = (int(part) for part in [one for one in answered if one][-1].groups())  # type: ignore[union-attr]
    project = Project(path, "a")
    state = history.state(project, 1)
    assert state.revision in (revision, revision + 1)  # the last command may have been stored, not yet answered
    assert state.draft is not None
    assert state.draft["own"] in (number, number + 1)
    if state.revision > 1:
        assert history.undo(project, 1).draft["own"] == state.draft["own"] - 1
    project.close()


def test_ten_thousand_objects_open_in_a_second(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    photograph(folder / "a.png", (400, 600))
    session = opened(folder)
    random, rows = np.random.default_rng(0), []
    yy, xx = np.mgrid[:400, :600]
    for _ in range(100):
        y, x, r = random.integers(20, 380), random.integers(20, 580), random.integers(3, 20)
        rows += [mask_columns(rle.encode((yy - y) ** 2 + (xx - x) ** 2 < r * r))] * 100
    rest = {"class_id": 1, "score": 0.5, "source": "auto", "locked": 0, "hidden": 0, "prompt": None, "run_id": None}
    change = Change([(new_id(), None, row | rest | {"z": z}) for z, row in enumerate(rows)])
    history.do(session.project, 1, "commit_many", change)
    session.close()
    seconds = []
    for _ in range(3):
        began = time.process_time()
        project = Project(folder / "project.samhq", "a")
        content = history.state(project, 1).model_dump_json()
        seconds.append(time.process_time() - began)
        project.close()
    assert len(json.loads(content)["objects"]) == 10_000
    assert min(seconds) < 1.0
