"""A run trains, stops on a signal, and reports what went wrong."""

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
from PIL import Image
from tests import tiny
from tests.training.runs import RUNS, interrupted, train
from tests.training.worlds import Held, losses, quick, saved

import samhq
from samhq.checkpoint.load import load_model
from samhq.checkpoint.save import convert
from samhq.config import DecoderConfig
from samhq.datasets.sample import MissingFileError
from samhq.errors import ConfigError, SamHQError
from samhq.image.transform import SquareForm, to_pixels
from samhq.training import loop, sources, start
from samhq.training.checkpoint import load_run
from samhq.training.config import TrainConfig
from samhq.training.data import batches
from samhq.training.run import Run


def test_a_stopped_run_from_scratch_goes_on_to_the_same_losses(scratch, tmp_path, monkeypatch):
    train(replace(scratch, output=tmp_path / "whole"))
    whole = losses(tmp_path / "whole")
    assert len(whole) == 4
    interrupted(scratch, 1, monkeypatch)
    trained = train(replace(scratch, resume=True))
    assert losses(scratch.output) == pytest.approx(whole, rel=1e-5)
    sam = load_model(trained.last)
    assert (sam.config.side, sam.training) == (48, False)
    assert all(v.isfinite().all() for v in sam.state_dict().values() if v.is_floating_point())


@pytest.mark.parametrize("kind", RUNS)
def test_a_stopped_run_goes_on_to_the_same_losses_and_weights(kind, tmp_path, monkeypatch):
    init = saved(tiny.LIGHT, tmp_path)
    one, two = (quick(tmp_path / name, init, correct=0.5, **RUNS[kind]) for name in ("whole", "parts"))
    train(one)
    interrupted(two, 2, monkeypatch)
    result = train(replace(two, resume=True))
    assert losses(two.output) == losses(one.output)
    assert len(losses(two.output)) == result.steps == 5
    assert result.improved is None, "nothing was validated"
    first, second = (load_model(folder / "last.safetensors").state_dict() for folder in (one.output, two.output))
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("kind", RUNS)
@pytest.mark.parametrize("config", [tiny.PLAIN, tiny.LIGHT, tiny.SECOND], ids=["plain", "light", "sam2"])
def test_what_does_not_learn_is_bit_equal_afterwards_and_the_rest_is_not(kind, config, tmp_path):
    """BatchNorm statistics included; the file is a whole model of the original layout."""
    result = train(quick(tmp_path / "run", saved(config, tmp_path), **RUNS[kind]))
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
    assert load_run(out)["place"][0] >= 4
    train(quick(out, init, mode="hq", epochs=4, resume=True))
    train(quick(tmp_path / "whole", init, mode="hq", epochs=4))
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
    result = train(config)
    assert result.last.suffix == f".{suffix}"
    convert(result.last, tmp_path / "converted")
    theirs = SamHQModel.from_pretrained(tmp_path / "converted")
    ours = load_model(result.last)
    pixels, _ = to_pixels(Held()[0].image, SquareForm.for_model(ours.config))
    with torch.no_grad():
        features = theirs.get_image_embeddings(pixels)[0]
        torch.testing.assert_close(features, ours.encode(pixels).features, atol=1e-4, rtol=1e-3)
    tuned = theirs.mask_decoder.hq_token.weight
    assert torch.equal(tuned, ours.mask_decoder.hf_token.weight)


def test_a_pth_that_cannot_say_what_it_is_is_refused_before_anything_is_written(tmp_path):
    config = quick(tmp_path / "run", saved(tiny.LIGHT, tmp_path), mode="hq", format="pth")
    with pytest.raises(ConfigError, match="side = 96"):
        train(config)
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
    assert load_run(tmp_path / "run")["place"] == [2, 4, 2.0]


def test_a_run_in_another_thread_trains_and_leaves_signals_alone(tmp_path):
    config, before = quick(tmp_path / "run", saved(tiny.LIGHT, tmp_path), epochs=0.4), signal.getsignal(signal.SIGTERM)
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(train, config).result().steps == 1
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
    with pytest.raises(SamHQError, match="Lower the learning rate"):
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


@pytest.mark.parametrize(
    ("fields", "said"),
    [({"data": None}, "--data"), ({"data": "nothing.json"}, "nothing.json"), ({"data": "scenes"}, "steps or minutes")],
)
def test_wrong_use_is_told_before_anything_is_written(fields, said, tmp_path):
    config = quick(tmp_path / "run", saved(tiny.LIGHT, tmp_path), **fields)
    with pytest.raises(SamHQError, match=said):
        train(config)
    assert not config.output.exists()


def test_missing_files_are_told_before_anything_is_written(tmp_path):
    for name in ("a.jpg", "a.png", "b.jpg"):
        Image.new("RGB", (40, 30), "white").save(tmp_path / name)
    config = quick(tmp_path / "run", saved(tiny.LIGHT, tmp_path), data=tmp_path)
    with pytest.raises(MissingFileError, match=r"got 1 missing file, .*b\.png\. Add them, .* \(--skip-missing\)"):
        train(config)
    assert not config.output.exists()
    with pytest.raises(MissingFileError, match="--skip-missing"):
        train(replace(config, data="scenes:2", validation=tmp_path))


def test_epochs_of_endless_scenes_are_refused_with_what_to_say(scratch):
    config = TrainConfig(mode="scratch", model="small", output=scratch.output, batch=2, device="cpu")
    with pytest.raises(ConfigError, match=r"no epochs.*batch=2.*--stages"):
        train(config)
    assert not config.folder.exists()


def test_scenes_can_be_tuned_on_without_an_end(tmp_path):
    config = quick(tmp_path / "run", saved(tiny.PLAIN, tmp_path), data="scenes", stages="64:2:2", mode="hq")
    assert train(config).steps == 2
