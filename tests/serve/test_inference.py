"""Encoding once, with progress; loading that takes long or fails."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from tests import tiny
from tests.serve.served import Client, folder_of, opened

from samhq.errors import CheckpointError
from samhq.inference.segment import Segmenter
from samhq.serve.faults import Fault
from samhq.serve.inference import Inference, Progress, _watched
from samhq.serve.messages import DecodeRequest


def test_a_picture_is_encoded_once(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    encode = Segmenter.encode
    monkeypatch.setattr(Segmenter, "encode", lambda self, image: calls.append(1) or encode(self, image))
    for _ in range(2):
        client.ask("POST", "/images/1/mask", {"points": [[1, 1]], "labels": [1]})
    assert calls == [1]


def test_embeddings_stay_for_the_next_server(tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    for from_cache in (False, True):
        with Client(opened(folder)) as client:
            events = client.events("POST", "/images/1/encode")
        assert events[-1][0] == "done"
        assert events[-1][1]["from_cache"] is from_cache


def test_embeddings_that_cannot_be_stored_do_not_stop_the_work(tmp_path: Path) -> None:
    with Client(opened(folder_of(tmp_path))) as client:
        folder = client.session.files / "embeddings"
        assert not folder.exists()
        folder.parent.mkdir(exist_ok=True)
        folder.write_text("no folder")
        assert client.events("POST", "/images/1/encode")[-1][0] == "done"
        assert client.ask("POST", "/images/1/mask", {"points": [[1, 1]], "labels": [1]})["area"] >= 0


@pytest.mark.parametrize("config", tiny.ALL, ids=lambda config: config.name)
def test_progress_follows_the_encoder(config: tiny.ModelConfig) -> None:
    model, progress, fractions = tiny.shared(config), Progress(), []
    last = list(model.image_encoder.modules())[-1]
    with _watched(model.image_encoder, progress):
        handle = last.register_forward_hook(lambda *_: fractions.append(progress.fraction))
        model.encode(tiny.pixels(config))
        handle.remove()
    assert progress.fraction > 0.9
    assert not model.image_encoder._forward_hooks


def test_requests_wait_for_a_model_that_loads_slowly(tmp_path: Path) -> None:
    go = threading.Event()

    def load() -> Segmenter:
        assert go.wait(20)
        return Segmenter(tiny.shared(tiny.HQ))

    with Client(opened(folder_of(tmp_path), load=load)) as client:
        assert client.ask("GET", "/info")["model"]["ready"] is False
        threading.Timer(0.2, go.set).start()
        assert client.events("POST", "/images/1/encode")[-1][0] == "done"
        assert client.ask("GET", "/info")["model"] == {
            "name": "tiny_hq",
            "ready": True,
            "error": None,
            "hq": True,
            "side": 64,
            "refines_boxes": False,
        }


def test_a_model_that_cannot_be_loaded_is_an_answer(tmp_path: Path) -> None:
    def load() -> Segmenter:
        raise CheckpointError("Expected weights, got none. Fetch them.")

    with Client(opened(folder_of(tmp_path), load=load)) as client:
        status, code, message = client.fault("POST", "/images/1/decode", {"points": [[1, 1]], "labels": [1]})
        assert (status, code) == (503, "no_model")
        assert "Fetch them" in message
        assert client.events("POST", "/images/1/encode")[-1][0] == "error"
        assert "Fetch them" in client.ask("GET", "/info")["model"]["error"]


def test_few_pictures_are_held(tmp_path: Path) -> None:
    session = opened(folder_of(tmp_path, 12))
    inference: Inference = session.inference
    inference.start()
    for image_id in range(1, 13):
        inference.encode(image_id, Progress()).result(20)
    assert len(inference._held) == 8
    assert inference.is_encoded(1)
    session.close()


def test_a_prompt_without_anything_never_waits(tmp_path: Path) -> None:
    session = opened(folder_of(tmp_path))
    with pytest.raises(Fault):
        session.inference.decode(1, DecodeRequest())
    assert session.inference.queue.waiting == 0
    session.close()
