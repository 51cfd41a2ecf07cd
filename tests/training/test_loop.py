from __future__ import annotations

import json
import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests import tiny
from tests.training.worlds import SMALL, Held, from_scratch, losses, quick, saved

import samhq
from samhq.checkpoint.load import load_model
from samhq.checkpoint.save import convert
from samhq.config import DecoderConfig
from samhq.datasets.sample import MissingFileError
from samhq.errors import ConfigError, SamHQError
from samhq.image.transform import to_pixels
from samhq.training import config as train_config
from samhq.training import loop, sources, start
from samhq.training.checkpoint import load_state
from samhq.training.config import TrainConfig
from samhq.training.data import batches
from samhq.training.run import Run
from samhq.training.task import TrainingTask

RUNS = {
    "hq": {"mode": "hq", "scale": (0.8, 1.2)},
    "decoder": {"mode": "finetune", "what": "decoder"},
    "lora": {"mode": "finetune", "what": "lora"},
    "all": {"mode": "finetune", "what": "all", "accumulate": 2, "batch": 1},
}


def _train(config: TrainConfig) -> loop.Trained:
    data = Held() if config.data == "held" else None
    return loop.train(config, data=data, say=lambda _: None)


@pytest.fixture
def scratch(tmp_path, monkeypatch):
    monkeypatch.setattr(start, "model_config", lambda name: SMALL)
    monkeypatch.setitem(train_config.MODELS, "small", SMALL)
    return from_scratch(tmp_path / "run")


def _interrupted(config, steps, monkeypatch):
    """The same run, asked to end as a signal asks it to, in its step number `steps`.

    The run's handler is called as Python would call it; a real signal comes in another test.
    """
    step, count = loop.update, 0

    def counted(run, stream):
        nonlocal count
        count += 1
        if count == steps:
            signal.getsignal(signal.SIGTERM)(signal.SIGTERM, None)
        return step(run, stream)

    with monkeypatch.context() as patched:
        patched.setattr(loop, "update", counted)
        _train(config)
    assert count == steps


def test_a_stopped_run_from_scratch_goes_on_to_the_same_losses(scratch, tmp_path, monkeypatch):
    _train(replace(scratch, output=tmp_path / "whole"))
    whole = losses(tmp_path / "whole")
    assert len(whole) == 4
    _interrupted(scratch, 1, monkeypatch)
    trained = _train(replace(scratch, resume=True))
    assert losses(scratch.output) == pytest.approx(whole, rel=1e-5)
    sam = load_model(trained.last)
    assert (sam.config.side, sam.training) == (48, False)
    assert all(v.isfinite().all() for v in sam.state_dict().values() if v.is_floating_point())


@pytest.mark.parametrize("kind", RUNS)
def test_a_stopped_run_goes_on_to_the_same_losses_and_weights(kind, tmp_path, monkeypatch):
    init = saved(tiny.LIGHT, tmp_path)
    one, two = (quick(tmp_path / name, init, correct=0.5, **RUNS[kind]) for name in ("whole", "parts"))
    _train(one)
    _interrupted(two, 2, monkeypatch)
    result = _train(replace(two, resume=True))
    assert losses(two.output) == losses(one.output)
    assert len(losses(two.output)) == result.steps == 5
    assert result.improved is None, "nothing was validated"
    first, second = (load_model(folder / "last.safetensors").state_dict() for folder in (one.output, two.output))
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("kind", RUNS)
@pytest.mark.parametrize("config", [tiny.PLAIN, tiny.LIGHT, tiny.SECOND], ids=["plain", "light", "sam2"])
def test_what_does_not_learn_is_bit_equal_afterwards_and_the_rest_is_not(kind, config, tmp_path):
    """BatchNorm statistics included; the file is a whole model of the original layout."""
    result = _train(quick(tmp_path / "run", saved(config, tmp_path), **RUNS[kind]))
    before, after = tiny.shared(config).state_dict(), load_model(result.last).state_dict()
    same = {name for name, value in before.items() if torch.equal(value, after[name])}
    changed = before.keys() - same
    decoder = "sam_mask_decoder." if config.second else "mask_decoder."
    assert not any(name.startswith(start.VIDEO_ONLY) for name in changed)
    if kind == "hq":
        assert all(start._is_head(name) for name in changed)
        assert any(start._is_head(name) for name in after)
    elif kind == "decoder":
        assert all(name.startswith(decoder) for name in changed)
    elif kind == "lora":
        low_rank = {name for name in changed if name.startswith("image_encoder.")}
        assert low_rank
        assert all(name.endswith(("attn.qkv.weight", "attn.proj.weight")) for name in low_rank)
        assert all(name.startswith((decoder, "image_encoder.")) for name in changed)
    statistics = {name for name in before if "running_" in name or "num_batches" in name}
    assert statistics <= same
    assert any(name.endswith("prompt_encoder.pe_layer.positional_encoding_gaussian_matrix") for name in same)
    if kind != "hq" or config.hq:
        assert changed


def _elsewhere(code, *arguments):
    """The code in a Python process of its own, which finds the tests."""
    root = Path(__file__).parents[2]
    code = f"import sys; sys.path.insert(0, {str(root)!r})\n{textwrap.dedent(code)}"
    return subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)], stdout=subprocess.DEVNULL)


def test_from_scratch_on_own_pictures_the_norms_are_of_these_and_not_of_drawn_scenes(scratch):
    config = replace(scratch, data="held", scale=(1.0, 1.0), stages="32:2:1", norm_pictures=80)
    run = Run(config, Held(), None, print)
    pixels = next(batches(sources.questions(config, 32, run.pictures), 32, 80)).pixels
    with run.settled() as sam, torch.no_grad():
        first = sam.image_encoder.patch_embed.seq[0]
        torch.testing.assert_close(first.bn.running_mean, first.c(pixels).mean((0, 2, 3)))


def test_a_killed_run_goes_on_from_its_last_saved_state(tmp_path):
    """kill -9 in the middle, while states are saved all the time: what is on disk is whole, the losses are the same."""
    init, out = saved(tiny.LIGHT, tmp_path), tmp_path / "killed"
    process = _elsewhere(
        """
        import time
        from pathlib import Path
        from samhq.training import loop
        from tests.training.worlds import Held, quick
        step = loop.update
        def slow(run, stream):
            time.sleep(0.2 if run.step > 3 else 0)
            return step(run, stream)
        loop.update = slow
        config = quick(Path(sys.argv[1]), sys.argv[2], mode="hq", epochs=4, save_minutes=0.0)
        loop.train(config, data=Held())
        """,
        out,
        init,
    )
    with process:
        for _ in range(600):
            if (out / "log.jsonl").exists() and len(losses(out)) >= 5:
                break
            time.sleep(0.1)
        process.kill()
    assert load_state(out)["place"][0] >= 4
    _train(quick(out, init, mode="hq", epochs=4, resume=True))
    _train(quick(tmp_path / "whole", init, mode="hq", epochs=4))
    assert losses(out) == pytest.approx(losses(tmp_path / "whole"), rel=1e-6)
    assert len(losses(out)) == 10


def test_training_makes_the_loss_fall_and_the_scores_rise(tmp_path):
    fields = {"kinds": "box", "correct": 0.0, "scale": (1.0, 1.0), "flip": 0.0, "learning_rate": 1e-2}
    init = saved(tiny.LIGHT, tmp_path)
    config = quick(tmp_path / "run", init, what="all", epochs=30, batch=4, validate_minutes=9.0, **fields)
    result = loop.train(config, data=Held(), validation=Held(), say=lambda _: None)
    course = losses(config.output)
    assert np.mean(course[-10:]) < 0.85 * np.mean(course[:10])
    assert result.after["box iou"] > result.before["box iou"] + 0.1
    assert result.improved
    about = json.loads(result.best.with_suffix(".json").read_text())
    assert about["scores"] == result.after
    assert about["config"]["learning_rate"] == 1e-2
    segmenter, sample = samhq.load(result.best), Held()[0]
    y, x = np.nonzero(sample.masks[0])
    found = segmenter.segment(sample.image, box=[x.min(), y.min(), x.max(), y.max()])
    assert found.masks.shape[-2:] == sample.image.shape[:2]


@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
def test_a_tuned_checkpoint_loads_converted_in_transformers(suffix, tmp_path):
    """HQ tuning of a plain ViT: the merged file, converted, gives transformers the same encoder and HQ heads."""
    from transformers import SamHQModel

    eight_heads = tiny.PLAIN.replace(name="eight", decoder=DecoderConfig(dim=32, heads=8, mlp_dim=48, iou_dim=24))
    config = quick(tmp_path / "run", saved(eight_heads, tmp_path), mode="hq", format=suffix)
    result = _train(config)
    assert result.last.suffix == f".{suffix}"
    convert(result.last, tmp_path / "converted")
    theirs = SamHQModel.from_pretrained(tmp_path / "converted")
    ours = load_model(result.last)
    pixels, _ = to_pixels(Held()[0].image, ours.config.side)
    with torch.no_grad():
        features = theirs.get_image_embeddings(pixels)[0]
        torch.testing.assert_close(features, ours.encode(pixels).features, atol=1e-4, rtol=1e-3)
    tuned = theirs.mask_decoder.hq_token.weight
    assert torch.equal(tuned, ours.mask_decoder.hf_token.weight)


def test_a_pth_that_cannot_say_what_it_is_is_refused_before_anything_is_written(tmp_path):
    config = quick(tmp_path / "run", saved(tiny.LIGHT, tmp_path), mode="hq", format="pth")
    with pytest.raises(ConfigError, match="side = 96"):
        _train(config)
    assert not config.output.exists()


def test_a_signal_to_the_whole_group_still_saves(tmp_path):
    """As a terminal or a scheduler sends it, to the run and to the process that draws its pictures, in step 2."""
    done = _elsewhere(
        """
        import multiprocessing, os, signal
        from pathlib import Path
        from samhq.training import config, loop, start
        from tests.training.worlds import SMALL, from_scratch
        config.MODELS["small"] = SMALL
        start.model_config = lambda name: SMALL
        step = loop.update
        def signalled(run, stream):
            if run.step == 1:
                children = multiprocessing.active_children()
                assert children
                for process in (*(child.pid for child in children), os.getpid()):
                    os.kill(process, signal.SIGTERM)
            return step(run, stream)
        loop.update = signalled
        loop.train(from_scratch(Path(sys.argv[1]), workers=1, stages="32:2:4"))
        """,
        tmp_path / "run",
    )
    assert done.wait(timeout=120) == 0
    assert load_state(tmp_path / "run")["place"] == [2, 4, 2.0]


def test_a_run_in_another_thread_trains_and_leaves_signals_alone(tmp_path):
    config, before = quick(tmp_path / "run", saved(tiny.LIGHT, tmp_path), epochs=0.4), signal.getsignal(signal.SIGTERM)
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(_train, config).result().steps == 1
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_broken_picture_is_told_in_its_own_words_whoever_read_it(tmp_path):
    """Workers send exceptions back as text with their traceback in it, unless they are told otherwise."""

    class Broken(Held):
        def __getitem__(self, index):
            raise MissingFileError(f"Expected a picture at {index}, found none. Add it.")

    for workers in (0, 1):
        config = quick(tmp_path / str(workers), saved(tiny.LIGHT, tmp_path), workers=workers)
        with pytest.raises(MissingFileError, match=r"^Expected a picture at \d, found none. Add it.$"):
            loop.train(config, data=Broken(), say=lambda _: None)


def test_a_loss_that_is_no_number_changes_nothing_and_then_ends_the_run(tmp_path, monkeypatch):
    run = Run(quick(tmp_path / "run", saved(tiny.LIGHT, tmp_path)), Held(), None, print)
    before = [p.clone() for p in run.sam.parameters()]
    stage = run.plan.at(0)
    stream = run.stream(stage)
    spoilt = run.task.forward

    def spoil(batch):
        loss, parts = spoilt(batch)
        return loss * float("nan"), parts

    monkeypatch.setattr(run.task, "forward", spoil)
    for _ in range(loop.PATIENCE - 1):
        loop.update(run, stream)
    assert all(torch.equal(a, b) for a, b in zip(before, run.sam.parameters(), strict=True))
    assert run.average.updates == 0
    with pytest.raises(SamHQError, match="lower the learning rate"):
        loop.update(run, stream)


def test_accumulated_batches_are_one_larger_batch(tmp_path):
    """The same pictures in one batch of four and in four of one: the same step."""
    init, weights = saved(tiny.PLAIN, tmp_path), []
    for batch, accumulate in ((4, 1), (1, 4)):
        fields = {"mode": "hq", "accumulate": accumulate, "kinds": "tight_box", "loss": "points:0"}
        config = quick(tmp_path / f"{batch}", init, optimiser="adam", stages=f"64:{batch}:1", **fields)
        run = Run(replace(config, average=0.0), Held(empty=None), None, print)
        loop.update(run, run.stream(run.plan.at(0)))
        weights.append({name: p.detach().clone() for name, p in start.learning(run.sam).items()})
    for name in weights[0]:
        torch.testing.assert_close(weights[0][name], weights[1][name], atol=2e-5, rtol=1e-3)


def test_what_is_logged_of_accumulated_batches_is_their_mean(tmp_path):
    """A part that only some of them have, as the IoU of a kind of prompt, is the mean over these."""
    config = quick(tmp_path / "run", saved(tiny.PLAIN, tmp_path), batch=1, accumulate=4, prompts_per_picture=1)
    run = Run(replace(config, kinds="box:0.5,point:0.5"), Held(empty=None), None, print)
    rows, forward = [], run.task.forward

    def listening(batch):
        loss, parts = forward(batch)
        rows.append(parts)
        return loss, parts

    run.task.forward = listening
    stream = run.stream(run.plan.at(0))
    seen = [loop.update(run, stream) for _ in range(6)]
    assert len(rows) == 24
    assert any("iou_box" in row for row in rows)
    assert not all("iou_box" in row for row in rows)
    for number, parts in enumerate(seen):
        batches_ = rows[4 * number : 4 * number + 4]
        for name in {name for row in batches_ for name in row}:
            assert parts[name] == pytest.approx(np.mean([float(row[name]) for row in batches_ if name in row]))


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
    assert _train(replace(config, resume=True)).steps == 5, "it can go on"


def test_the_best_checkpoint_of_a_killed_run_gives_way_to_a_better_one_only(tmp_path, monkeypatch):
    """It was written after the last saved state, which knows nothing of it."""
    scores = {}
    monkeypatch.setattr(Run, "_scores", lambda run, sam: {"box boundary_iou": scores.get(run.step, 0.2)})
    config = quick(tmp_path / "run", saved(tiny.LIGHT, tmp_path), mode="hq", stages="96:2:2")
    assert _train(config).after == {"box boundary_iou": 0.2}
    best = config.folder / "best.safetensors"
    about = json.loads(best.with_suffix(".json").read_text())
    best.with_suffix(".json").write_text(json.dumps(about | {"scores": {"box boundary_iou": 0.7}}))
    written = best.read_bytes()
    for steps, score, kept in ((3, 0.5, True), (4, 0.8, False)):
        scores[steps] = score
        result = _train(replace(config, resume=True, stages=f"96:2:{steps}"))
        assert (best.read_bytes() == written) is kept
        assert result.after == {"box boundary_iou": 0.7 if kept else 0.8}
    best.unlink()
    scores[5] = 0.1
    result = _train(replace(config, resume=True, stages="96:2:5"))
    assert result.best.is_file(), "one that was removed is no measure"
    assert result.after == {"box boundary_iou": 0.1}


@pytest.mark.parametrize("fields", [{"what": "lora"}, {"mode": "hq", "cache": "features"}], ids=["lora", "cache"])
def test_the_side_changes_on_the_way_and_a_stopped_run_goes_on_at_the_other(fields, tmp_path, monkeypatch):
    fields = {name: tmp_path / value if name == "cache" else value for name, value in fields.items()}
    init = saved(tiny.LIGHT, tmp_path)
    one, two = (quick(tmp_path / name, init, stages="96:2:2,64:2:2", **fields) for name in ("whole", "parts"))
    result = _train(one)
    _interrupted(two, 3, monkeypatch)
    _train(replace(two, resume=True))
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
    _train(replace(config, resume=True))  # nothing is there: it begins
    written = (tmp_path / "run" / "last.safetensors").read_bytes()
    with pytest.raises(ConfigError, match="--resume"):
        _train(config)
    with pytest.raises(ConfigError, match="what='decoder'"):
        _train(replace(config, what="all", resume=True))
    with pytest.raises(ConfigError, match="optimiser='adamw'"):
        _train(replace(config, optimiser="adam", resume=True))
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
    assert load_state(config.folder)["place"] == [0, 0, 0.0]
    _ended(replace(config, resume=True), 5, BaseException(), monkeypatch, validation=Held(2))
    written = {path.name: path.read_bytes() for path in config.folder.iterdir() if path.is_file()}
    assert {"best.safetensors", "last.safetensors", "log.jsonl"} <= written.keys()
    assert load_state(config.folder)["place"][0] == 3, "as its checkpoints"
    with pytest.raises(ConfigError, match="--resume"):
        _train(config)
    assert {name: (config.folder / name).read_bytes() for name in written} == written
    _train(replace(config, resume=True))
    _train(replace(config, output=tmp_path / "whole"))
    assert losses(config.output) == losses(tmp_path / "whole")


def test_a_run_that_an_error_ends_keeps_the_steps_before_it(tmp_path, monkeypatch):
    config = quick(tmp_path / "run", saved(tiny.LIGHT, tmp_path), stages="96:2:4")
    _ended(config, 4, MissingFileError("Expected a picture, got none. Add it."), monkeypatch)
    assert load_state(config.folder)["place"] == [3, 6, 3.0]
    _train(replace(config, resume=True))
    _train(replace(config, output=tmp_path / "whole"))
    assert losses(config.output) == losses(tmp_path / "whole")


def test_a_run_that_gives_up_keeps_its_last_state_and_a_log_that_is_json(tmp_path, monkeypatch):
    forward = TrainingTask.forward

    def spoil(task, batch):
        loss, parts = forward(task, batch)
        return loss * float("nan"), parts

    config = quick(tmp_path / "run", saved(tiny.LIGHT, tmp_path), stages="96:2:30", prompts_per_picture=1)
    monkeypatch.setattr(TrainingTask, "forward", spoil)
    with pytest.raises(SamHQError, match="lower the learning rate"):
        _train(config)
    assert load_state(config.folder)["place"][0] == loop.PATIENCE - 1
    assert losses(config.folder) == [None] * (loop.PATIENCE - 1)


@pytest.mark.parametrize("kind", ["adamw", "adam"])
def test_a_resumed_run_is_what_it_is_told_and_says_what_differs(kind, tmp_path):
    config = quick(tmp_path / "run", saved(tiny.LIGHT, tmp_path), stages="96:2:2", optimiser=kind, kinds="box")
    _train(config)
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
        _train(config)
    if name != "log.jsonl":
        with pytest.raises(ConfigError, match="another folder"):
            _train(replace(config, resume=True))
    assert (config.folder / name).read_text() == "something"


def test_a_run_killed_before_its_first_saved_state_begins_when_it_is_resumed(tmp_path):
    config = quick(tmp_path / "run", saved(tiny.LIGHT, tmp_path), stages="96:2:2")
    config.folder.mkdir()
    (config.folder / "log.jsonl").write_text('{"step": 0, "validation": "before"}\n{"ste')
    with pytest.raises(ConfigError, match=r"log\.jsonl.*--resume"):
        _train(config)
    said = []
    loop.train(replace(config, resume=True), data=Held(), say=said.append)
    assert any("the run begins" in line for line in said)
    _train(replace(config, output=tmp_path / "whole"))
    assert losses(config.folder) == losses(tmp_path / "whole")


def test_two_runs_in_one_folder_are_refused(tmp_path, monkeypatch):
    config = quick(tmp_path / "run", saved(tiny.LIGHT, tmp_path), stages="96:2:2")
    step, refused = loop.update, []

    def update(run, stream):
        for resume in (False, True):
            with pytest.raises(ConfigError, match="no other process") as caught:
                _train(replace(config, resume=resume))
            refused.append(caught.value)
        return step(run, stream)

    monkeypatch.setattr(loop, "update", update)
    assert _train(config).steps == 2
    assert len(refused) == 4
    assert not (config.folder / ".samhq-lock").exists()


@pytest.mark.parametrize(
    ("fields", "said"),
    [({"data": None}, "--data"), ({"data": "nothing.json"}, "nothing.json"), ({"data": "scenes"}, "steps or minutes")],
)
def test_wrong_use_is_told_before_anything_is_written(fields, said, tmp_path):
    config = quick(tmp_path / "run", saved(tiny.LIGHT, tmp_path), **fields)
    with pytest.raises(SamHQError, match=said):
        _train(config)
    assert not config.output.exists()


def test_epochs_of_endless_scenes_are_refused_with_what_to_say(scratch):
    config = TrainConfig(mode="scratch", model="small", output=scratch.output, batch=2, device="cpu")
    with pytest.raises(ConfigError, match=r"no epochs.*batch=2.*--stages"):
        _train(config)
    assert not config.folder.exists()


def test_scenes_can_be_tuned_on_without_an_end(tmp_path):
    config = quick(tmp_path / "run", saved(tiny.PLAIN, tmp_path), data="scenes", stages="64:2:2", mode="hq")
    assert _train(config).steps == 2
