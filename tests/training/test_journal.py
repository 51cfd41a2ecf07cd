from __future__ import annotations

import json

import pytest

from samhq.errors import MissingExtraError
from samhq.training import journal
from samhq.training.curves import curves_svg
from samhq.training.journal import TrainingLog


def _rows(folder) -> list[dict]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def test_a_line_is_the_mean_of_the_steps_since_the_last(tmp_path):
    said: list[str] = []
    with TrainingLog(tmp_path, every=2, board=False, say=said.append) as log:
        for step, loss in enumerate((1.0, 3.0, 5.0, 6.0), 1):
            log.step({"step": step, "epochs": step / 4}, {"loss": loss} | ({"box": 0.5} if step == 2 else {}), 8)
        log.scores(4, {"box iou": 0.25}, "at the end")
    rows = _rows(tmp_path)
    assert [row.get("loss") for row in rows] == [2.0, 5.5, None]
    assert (rows[0]["box"], "box" in rows[1]) == (0.5, False)
    assert rows[0]["images_s"] > 0
    assert rows[2]["scores"] == {"box iou": 0.25}
    assert "at the end" in said[-1]
    assert "box iou 0.25" in said[-1]


def test_curves_are_those_of_the_whole_log(tmp_path):
    for begin, step in ((0, 1), (1, 2)):
        with TrainingLog(tmp_path, every=1, step=begin, board=False, say=lambda _: None) as log:
            log.step({"step": step}, {"loss": float(step)}, 1)
            log.scores(step, {"box iou": 0.5})
            assert (tmp_path / "curves.svg").is_file(), "a run that is killed has its curves up to its last validation"
    curves = (tmp_path / "curves.svg").read_text()
    assert curves == curves_svg(_rows(tmp_path))
    assert curves.count("<circle") == 4


def test_no_step_goes_untold(tmp_path):
    """A run of fewer steps than a line has would else say nothing."""
    with TrainingLog(tmp_path, every=20, board=False, say=lambda _: None) as log:
        log.catch_up()
        for step in (1, 2):
            log.step({"step": step}, {"loss": float(step)}, 4)
        log.catch_up()
        log.catch_up()
        log.step({"step": 3}, {"loss": 8.0}, 4)
    assert [(row["step"], row["loss"]) for row in _rows(tmp_path)] == [(2, 1.5), (3, 8.0)]


def test_what_a_validation_takes_is_no_steps_time(tmp_path, monkeypatch):
    clock = iter([0.0, 2.0, 100.0, 104.0])
    monkeypatch.setattr(journal.time, "monotonic", lambda: next(clock))
    with TrainingLog(tmp_path, every=1, board=False, say=lambda _: None) as log:
        log.step({"step": 1}, {"loss": 1.0}, 8)
        log.restart_clock()
        log.step({"step": 2}, {"loss": 1.0}, 8)
    assert [row["images_s"] for row in _rows(tmp_path)] == [4.0, 2.0]


def test_a_resumed_run_cuts_the_steps_that_its_state_does_not_know(tmp_path):
    with TrainingLog(tmp_path, every=1, board=False, say=lambda _: None) as log:
        for step in (1, 2, 3):
            log.step({"step": step}, {"loss": float(step)}, 1)
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write('{"step": 4, "lo')
    with TrainingLog(tmp_path, every=1, step=2, board=False, say=lambda _: None) as log:
        log.step({"step": 3}, {"loss": 30.0}, 1)
    assert [row["loss"] for row in _rows(tmp_path)] == [1, 2, 30]


def test_a_number_that_is_none_is_null_in_the_log_and_told_as_it_is(tmp_path):
    said: list[str] = []
    with TrainingLog(tmp_path, every=1, board=False, say=said.append) as log:
        log.step({"step": 1}, {"loss": float("nan"), "norm": float("inf"), "dice": 0.5}, 1)
        log.scores(1, {"box iou": float("nan")})
    first, second = _rows(tmp_path)
    assert (first["loss"], first["norm"], first["dice"], second["scores"]) == (None, None, 0.5, {"box iou": None})
    assert "NaN" not in (tmp_path / "log.jsonl").read_text()
    assert "loss nan" in said[0]


def test_scalars_for_tensorboard(tmp_path):
    loading = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    with TrainingLog(tmp_path, every=1, board=True, say=lambda _: None) as log:
        log.step({"step": 1, "side": 64}, {"loss": 2.0}, 4)
        log.step({"step": 2, "side": 64}, {"loss": 1.0}, 4)
        log.scores(2, {"box iou": 0.5})
    events = loading.EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [(event.step, event.value) for event in events.Scalars("train/loss")] == [(1, 2.0), (2, 1.0)]
    assert [(event.step, event.value) for event in events.Scalars("validation/box iou")] == [(2, 0.5)]


def test_without_tensorboard_the_log_is_enough_unless_it_was_asked_for(tmp_path, monkeypatch):
    monkeypatch.setattr(journal.importlib.util, "find_spec", lambda name: None)
    with TrainingLog(tmp_path, every=1, say=lambda _: None) as log:
        log.step({"step": 1}, {"loss": 1.0}, 1)
    assert [row["loss"] for row in _rows(tmp_path)] == [1]
    with pytest.raises(MissingExtraError, match="train"):
        TrainingLog(tmp_path, every=1, board=True)


def test_other_processes_write_nothing(tmp_path):
    with TrainingLog(None, every=1, say=lambda _: None) as log:
        log.step({"step": 1}, {"loss": 1.0}, 1)
    assert not list(tmp_path.iterdir())
