"""Jobs can be cancelled, let prompts through, and find objects by name."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from tests.serve.served import Client, folder_of, opened

from samhq.results.annotation import Annotation
from samhq.serve import jobs
from samhq.serve.faults import Fault
from samhq.serve.messages import DecodeRequest, JobRequest
from samhq.serve.session import Session


@pytest.fixture
def session(tmp_path: Path) -> Any:
    session = opened(folder_of(tmp_path))
    session.start()
    yield session
    session.close()


def ended(session: Session, job_id: str) -> str:
    for _ in range(500):
        if session.jobs[job_id].ended:
            return session.jobs[job_id].state
        time.sleep(0.02)
    raise AssertionError("the job does not end")


def test_prompts_are_decoded_between_the_steps(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    entered, go = threading.Event(), threading.Event()

    def find(model: object, picture: object, step: Any, settings: object) -> list[Annotation]:
        entered.set()
        assert go.wait(10)
        step(1, 2)
        return []

    monkeypatch.setattr(jobs, "everything_in", find)
    job = session.jobs.start(JobRequest(kind="everything", image_id=1))
    assert entered.wait(20)
    click = session.inference.decode(1, DecodeRequest(points=[(3, 3)], labels=[1]))
    go.set()
    assert click.result(10)
    assert ended(session, job.id) == "done"


def test_cancelling(session: Session) -> None:
    settings = {"points_per_side": 64, "pred_iou_thresh": 0.0}
    running = session.jobs.start(JobRequest(kind="everything", image_id=1, settings=settings))
    waiting = session.jobs.start(JobRequest(kind="everything", image_id=2, settings=settings))
    session.jobs.cancel(waiting.id)
    session.jobs.cancel(running.id)
    for job in (running, waiting):
        assert ended(session, job.id) == "cancelled"
        with pytest.raises(Fault, match="cancelled"):
            job.result()


def test_old_jobs_are_forgotten(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "everything_in", lambda *_: [])
    started = []
    for _ in range(40):
        started.append(session.jobs.start(JobRequest(kind="everything", image_id=1)).id)
        ended(session, started[-1])
    with pytest.raises(Fault, match="known job"):
        session.jobs[started[0]]
    assert session.jobs[started[-1]].state == "done"


@pytest.mark.parametrize("settings", [{}, {"text": ""}, {"text": "a" * 2000}, {"text": "a", "other": 1}, {"text": 1}])
def test_text_that_cannot_be(session: Session, settings: dict[str, Any]) -> None:
    with pytest.raises(Fault, match="class names"):
        session.jobs.start(JobRequest(kind="text", image_id=1, settings=settings))


def test_objects_are_found_by_name_and_become_classes(tmp_path: Path) -> None:
    boxes = {
        "images": [{"id": 1, "file_name": "a.png"}],
        "categories": [{"id": 1, "name": "cup"}, {"id": 2, "name": "cat"}],
        "annotations": [
            {"image_id": 1, "category_id": 1, "bbox": [5, 5, 25, 25], "score": 0.9},
            {"image_id": 1, "category_id": 2, "bbox": [20, 5, 30, 25], "score": 0.4},
        ],
    }
    (tmp_path / "boxes.json").write_text(json.dumps(boxes))
    with Client(opened(folder_of(tmp_path), detector=str(tmp_path / "boxes.json"))) as client:
        job = client.ask("POST", "/jobs", {"kind": "text", "image_id": 1, "settings": {"text": "cup, cat"}})
        name, data = client.events("GET", f"/jobs/{job['id']}/events")[-1]
        assert name == "result", data
        assert [(one["label"], round(one["score"], 3)) for one in data["objects"]] == [("cup", 0.9), ("cat", 0.4)]
        client.do(1, "commit_many", job_id=job["id"], min_score=0.5)
        names = [(one["name"], one["n_objects"]) for one in client.ask("GET", "/classes")["classes"]]
        assert names == [("object", 0), ("cup", 1)]
