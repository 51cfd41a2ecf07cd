from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from samhq.config import DecoderConfig, ModelConfig, TinyViTConfig
from samhq.errors import CheckpointError, SamHQError
from samhq.training import config as train_config
from samhq.training import loop
from samhq.training.config import TrainConfig, parse_stages

SMALL = ModelConfig(
    "small",
    TinyViTConfig(dims=(8, 16, 16, 32), depths=(1, 1, 1, 1), heads=(1, 1, 1, 1), classes=2),
    hq=True,
    decoder=DecoderConfig(dim=32, heads=2, mlp_dim=32, iou_dim=32),
)


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "model_config", lambda name: SMALL)
    monkeypatch.setitem(train_config.MODELS, "small", SMALL)
    return TrainConfig(
        output=tmp_path,
        model="small",
        stages=parse_stages("32:2:2,48:2:2"),
        prompts=3,
        workers=0,
        log_steps=1,
        warmup=1,
        norm_pictures=4,
        validate_pictures=2,
    )


def _losses(folder) -> list[float]:
    return [
        row["loss"] for line in (folder / "log.jsonl").read_text().splitlines() if "loss" in (row := json.loads(line))
    ]


def test_a_stopped_run_goes_on_to_the_same_losses(config):
    loop.train(config)
    whole = _losses(config.output)
    assert len(whole) == 4
    _interrupted(config, steps=1)
    loop.train(replace(config, resume=True))
    assert _losses(config.output) == pytest.approx(whole, rel=1e-5)
    sam = loop.export(config.output, norm_pictures=4)
    assert (sam.config.side, sam.training) == (48, False)
    assert all(v.isfinite().all() for v in sam.state_dict().values() if v.is_floating_point())


def test_a_signal_to_the_whole_group_still_saves(config):
    config = replace(config, workers=1, stages=parse_stages("32:2:4"))
    _interrupted(config, steps=2)
    assert loop.load_state(config.output)["place"] == [2, 4, 2.0]


def _interrupted(config, steps):
    """The same run, asked to end by a signal to it and to its workers in its step number `steps`."""
    import multiprocessing
    import os
    import signal

    step, count = loop.train_step, 0

    def counted(run, batch):
        nonlocal count
        count += 1
        if count == steps:
            for child in multiprocessing.active_children():
                os.kill(child.pid, signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGTERM)
        return step(run, batch)

    loop.train_step = counted
    try:
        loop.train(config)
    finally:
        loop.train_step = step
    assert count == steps


def test_a_loss_that_is_no_number_changes_nothing_and_then_ends_the_run(config, monkeypatch):
    torch.manual_seed(0)
    run = loop.Run(config)
    before = [p.clone() for p in run.model.parameters()]
    monkeypatch.setattr(loop, "batch_loss", lambda *a: (torch.tensor(float("nan"), requires_grad=True), {}))
    batch = next(loop.batches(0, 0, 32, 2, 3, workers=0))
    for _ in range(19):
        assert loop.train_step(run, batch) == {}
    assert all(torch.equal(a, b) for a, b in zip(before, run.model.parameters(), strict=True))
    with pytest.raises(SamHQError, match="lower the learning rate"):
        loop.train_step(run, batch)


def test_nothing_to_resume_is_said(config):
    with pytest.raises(CheckpointError, match="without resume"):
        loop.train(replace(config, resume=True))


def test_batches_do_not_depend_on_where_a_run_began():
    first = loop.batches(3, 0, 32, 2, 4, workers=0)
    next(first)
    second = next(loop.batches(3, 2, 32, 2, 4, workers=1))
    same = next(first)
    assert torch.equal(same.pixels, second.pixels)
    assert torch.equal(same.targets, second.targets)
    assert torch.equal(same.prompts.points, second.prompts.points)


def test_every_parameter_that_a_mask_depends_on_learns(config):
    run = loop.Run(config)
    batch = next(loop.batches(0, 0, 32, 4, 8, workers=0))
    loop.batch_loss(run.model, batch, replace(config, correct=1.0))[0].backward()
    idle = {name for name, p in run.model.named_parameters() if p.grad is None}
    assert all("norm_head" in name or ".head." in name for name in idle), idle
    assert np.isfinite(sum(p.grad.norm().item() for p in run.model.parameters() if p.grad is not None))
