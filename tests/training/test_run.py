"""What a run keeps in its folder: states, the best checkpoint, and how it goes on."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from tests import tiny
from tests.training.runs import interrupted, train
from tests.training.worlds import Held, losses, quick, saved

from samhq.checkpoint.load import load_model
from samhq.datasets.sample import MissingFileError
from samhq.errors import ConfigError, SamHQError
from samhq.training import loop
from samhq.training.checkpoint import load_run
from samhq.training.run import Run
from samhq.training.task import TrainingTask


def test_a_run_that_is_stopped_before_its_first_step_leaves_the_weights_that_it_began_with(tmp_path, monkeypatch):
    init = saved(tiny.LIGHT, tmp_path)
    config = quick(tmp_path / "run", init, mode="hq")
    with monkeypatch.context() as patched:
        patched.setattr(Run, "stopped", lambda run, stop: True)
        result = loop.train(config, data=Held(), validation=Held(2), say=lambda _: None)
    assert (result.steps, result.best, result.improved) == (0, result.last, None)
    first, left = load_model(init).state_dict(), load_model(result.last).state_dict()
    assert all(torch.equal(value, left[name]) for name, value in first.items())
    about = json.loads(result.last.with_suffix(".json").read_text())
    assert (about["step"], about["scores"]) == (0, result.before)
    assert train(replace(config, resume=True)).steps == 5, "it can go on"


def test_the_best_checkpoint_of_a_killed_run_gives_way_to_a_better_one_only(tmp_path, monkeypatch):
    """It was written after the last saved state, which knows nothing of it."""
    scores = {}
    monkeypatch.setattr(Run, "_scores", lambda run, sam: {"box boundary_iou": scores.get(run.step, 0.2)})
    config = quick(tmp_path / "run", saved(tiny.LIGHT, tmp_path), mode="hq", stages="96:2:2")
    assert train(config).after == {"box boundary_iou": 0.2}
    best = config.folder / "best.safetensors"
    about = json.loads(best.with_suffix(".json").read_text())
    best.with_suffix(".json").write_text(json.dumps(about | {"scores": {"box boundary_iou": 0.7}}))
    written = best.read_bytes()
    for steps, score, kept in ((3, 0.5, True), (4, 0.8, False)):
        scores[steps] = score
        result = train(replace(config, resume=True, stages=f"96:2:{steps}"))
        assert (best.read_bytes() == written) is kept
        assert result.after == {"box boundary_iou": 0.7 if kept else 0.8}
    best.unlink()
    scores[5] = 0.1
    result = train(replace(config, resume=True, stages="96:2:5"))
    assert result.best.is_file(), "one that was removed is no measure"
    assert result.after == {"box boundary_iou": 0.1}


@pytest.mark.parametrize("fields", [{"what": "lora"}, {"mode": "hq", "cache": "features"}], ids=["lora", "cache"])
def test_the_side_changes_on_the_way_and_a_stopped_run_goes_on_at_the_other(fields, tmp_path, monkeypatch):
    fields = {name: tmp_path / value if name == "cache" else value for name, value in fields.items()}
    init = saved(tiny.LIGHT, tmp_path)
    one, two = (quick(tmp_path / name, init, stages="96:2:2,64:2:2", **fields) for name in ("whole", "parts"))
    result = train(one)
    interrupted(two, 3, monkeypatch)
    train(replace(two, resume=True))
    assert losses(two.output) == losses(one.output)
    first, second = (load_model(folder / "last.safetensors") for folder in (one.output, two.output))
    assert (first.config.side, result.steps) == (64, 4)
    assert all(torch.equal(value, second.state_dict()[name]) for name, value in first.state_dict().items())


def test_the_average_is_what_is_saved_and_validation_leaves_the_run_as_it_was(tmp_path):
    config = quick(tmp_path / "run", saved(tiny.LIGHT, tmp_path), average=0.9, learning_rate=1e-2)
    run = Run(config, Held(), None, print)
    stream = run.stream(run.plan.at(0))
    for _ in range(4):
        loop.update(run, stream)
        run.step += 1
    name = "mask_decoder.mask_tokens.weight"
    own = run.sam.state_dict()[name].clone()
    with run.settled() as sam:
        assert torch.equal(sam.state_dict()[name], run.average.weights[name])
    assert torch.equal(run.sam.state_dict()[name], own)
    assert not torch.equal(own, run.average.weights[name])


def test_a_folder_with_a_run_and_one_without(tmp_path):
    init = saved(tiny.LIGHT, tmp_path)
    config = quick(tmp_path / "run", init, epochs=0.4)
    train(replace(config, resume=True))  # nothing is there: it begins
    written = (tmp_path / "run" / "last.safetensors").read_bytes()
    with pytest.raises(ConfigError, match="--resume"):
        train(config)
    with pytest.raises(ConfigError, match="what='decoder'"):
        train(replace(config, what="all", resume=True))
    with pytest.raises(ConfigError, match="optimiser='adamw'"):
        train(replace(config, optimiser="adam", resume=True))
    assert (tmp_path / "run" / "last.safetensors").read_bytes() == written


def _ended(config, steps, error, monkeypatch, validation=None):
    """The same run, ended by an exception in its step number `steps`: one of ours, or as a kill ends it, of no kind."""
    step = loop.update

    def update(run, stream):
        if run.step + 1 == steps:
            raise error
        return step(run, stream)

    with monkeypatch.context() as patched:
        patched.setattr(loop, "update", update)
        with pytest.raises(type(error)):
            loop.train(config, data=Held(), validation=validation, say=lambda _: None)


def test_what_a_killed_run_wrote_before_its_first_minutes_is_kept_and_gone_on_from(tmp_path, monkeypatch):
    """Its first validations come long before the first state that is due; epochs are 2.5 steps here."""
    config = quick(tmp_path / "run", saved(tiny.LIGHT, tmp_path))
    _ended(config, 1, BaseException(), monkeypatch)
    assert load_run(config.folder)["place"] == [0, 0, 0.0]
    _ended(replace(config, resume=True), 5, BaseException(), monkeypatch, validation=Held(2))
    written = {path.name: path.read_bytes() for path in config.folder.iterdir() if path.is_file()}
    assert {"best.safetensors", "last.safetensors", "log.jsonl"} <= written.keys()
    assert load_run(config.folder)["place"][0] == 3, "as its checkpoints"
    with pytest.raises(ConfigError, match="--resume"):
        train(config)
    assert {name: (config.folder / name).read_bytes() for name in written} == written
    train(replace(config, resume=True))
    train(replace(config, output=tmp_path / "whole"))
    assert losses(config.output) == losses(tmp_path / "whole")


def test_a_run_that_an_error_ends_keeps_the_steps_before_it(tmp_path, monkeypatch):
    config = quick(tmp_path / "run", saved(tiny.LIGHT, tmp_path), stages="96:2:4")
    _ended(config, 4, MissingFileError("Expected a picture, got none. Add it."), monkeypatch)
    assert load_run(config.folder)["place"] == [3, 6, 3.0]
    train(replace(config, resume=True))
    train(replace(config, output=tmp_path / "whole"))
    assert losses(config.output) == losses(tmp_path / "whole")


def test_a_run_that_gives_up_keeps_the_state_before_and_a_log_that_is_json(tmp_path, monkeypatch):
    forward = TrainingTask.forward

    def spoil(task, batch):
        loss, parts = forward(task, batch)
        return loss * float("nan"), parts

    config = quick(tmp_path / "run", saved(tiny.LIGHT, tmp_path), stages="96:2:30", prompts_per_picture=1)
    monkeypatch.setattr(TrainingTask, "forward", spoil)
    with pytest.raises(SamHQError, match="Lower the learning rate"):
        train(config)
    assert load_run(config.folder)["place"][0] == 0
    assert losses(config.folder) == [None] * (loop.PATIENCE - 1)


@pytest.mark.parametrize("kind", ["adamw", "adam"])
def test_a_resumed_run_is_what_it_is_told_and_says_what_differs(kind, tmp_path):
    config = quick(tmp_path / "run", saved(tiny.LIGHT, tmp_path), stages="96:2:2", optimiser=kind, kinds="box")
    train(config)
    said: list[str] = []
    run = Run(replace(config, resume=True), Held(), None, said.append)
    assert said == [], "nothing differs"
    told = {"weight_decay": 0.25, "beta2": 0.5, "kinds": "point", "scale": (1.0, 1.0), "learning_rate": 1e-3}
    run = Run(replace(config, resume=True, stages="96:2:4", **told), Held(), None, said.append)
    assert {group["weight_decay"] for group in run.optimiser.param_groups} == {0.0, 0.25}
    assert {group["betas"][1] for group in run.optimiser.param_groups} == {0.5}
    assert run.optimiser.state_dict()["state"], "moments are those of before"
    (line,) = said
    assert "kinds='point' (was 'box')" in line
    assert all(name in line for name in ("stages", *told))
    assert not any(name in line for name in ("seed", "loss", "resume", "output", "weights"))


@pytest.mark.parametrize("name", ["log.jsonl", "best.safetensors", "last.pth"])
def test_a_folder_with_a_part_of_a_run_is_not_begun_anew(name, tmp_path):
    config = quick(tmp_path / "run", saved(tiny.LIGHT, tmp_path))
    config.folder.mkdir()
    (config.folder / name).write_text("something")
    with pytest.raises(ConfigError, match=f"{name}.*another folder"):
        train(config)
    if name != "log.jsonl":
        with pytest.raises(ConfigError, match="another folder"):
            train(replace(config, resume=True))
    assert (config.folder / name).read_text() == "something"


def test_a_run_killed_before_its_first_saved_state_begins_when_it_is_resumed(tmp_path):
    config = quick(tmp_path / "run", saved(tiny.LIGHT, tmp_path), stages="96:2:2")
    config.folder.mkdir()
    (config.folder / "log.jsonl").write_text('{"step": 0, "validation": "before"}\n{"ste')
    with pytest.raises(ConfigError, match=r"log\.jsonl.*--resume"):
        train(config)
    said = []
    loop.train(replace(config, resume=True), data=Held(), say=said.append)
    assert any("the run begins" in line for line in said)
    train(replace(config, output=tmp_path / "whole"))
    assert losses(config.folder) == losses(tmp_path / "whole")


def test_two_runs_in_one_folder_are_refused(tmp_path, monkeypatch):
    config = quick(tmp_path / "run", saved(tiny.LIGHT, tmp_path), stages="96:2:2")
    step, refused = loop.update, []

    def update(run, stream):
        for resume in (False, True):
            with pytest.raises(ConfigError, match="no other process") as caught:
                train(replace(config, resume=resume))
            refused.append(caught.value)
        return step(run, stream)

    monkeypatch.setattr(loop, "update", update)
    assert train(config).steps == 2
    assert len(refused) == 4
    assert not (config.folder / ".samhq-lock").exists()


def test_a_run_says_what_it_will_do_and_how_much_of_it_was_done(tmp_path, monkeypatch):
    said = []
    config = quick(tmp_path / "run", saved(tiny.LIGHT, tmp_path), mode="hq", epochs=2, batch=2)
    done = loop.train(config, data=Held(5, None), validation=Held(2), say=said.append)
    assert said[0].endswith(
        "learn from 5 pictures: 2 epochs (5 steps), learning rate up to 0.001, validation on 2 pictures"
    )
    assert (done.steps, done.done) == (5, 1.0)
    config = replace(config, output=tmp_path / "other")
    stopped = []
    monkeypatch.setattr(Run, "stopped", lambda run, stop: stopped.append(run.step) or run.step == 2)
    done = loop.train(config, data=Held(5, None), say=lambda _: None)
    assert (done.steps, done.done) == (2, pytest.approx(0.4))


def test_clicks_choose_the_best_checkpoint_of_a_run_that_learns_from_clicks(tmp_path, monkeypatch):
    scores = {0: (0.1, 0.1), 1: (0.9, 0.2), 2: (0.2, 0.8)}
    monkeypatch.setattr(
        Run, "_scores", lambda run, sam: dict(zip(("box iou", "1p iou"), scores[run.step], strict=True))
    )
    fields = {"mode": "finetune", "kinds": "point", "epochs": 2, "batch": 4}
    config = quick(tmp_path / "run", saved(tiny.LIGHT, tmp_path), **fields)
    result = loop.train(config, data=Held(4, None), say=lambda _: None)
    assert (result.score, result.after["1p iou"], result.improved) == ("1p iou", 0.8, True)


def test_a_state_is_not_replaced_by_one_of_spoilt_weights(tmp_path):
    """Such a run ended with a state of weights that gave no numbers any more, so that nothing could go on from it."""
    run = Run(quick(tmp_path / "run", saved(tiny.LIGHT, tmp_path), mode="hq"), Held(), None, print)
    run.step = 7
    run.save()
    run.step, run.skipped = 9, 2
    run.save()
    assert load_run(run.config.folder)["place"][0] == 7
    run.skipped = 1
    run.save()
    assert load_run(run.config.folder)["place"][0] == 9, "a single step may overflow with a loss scale"
