from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
import torch
from tests import tiny
from tests.training.worlds import Held, losses, quick, saved

from samhq.checkpoint.load import load_model
from samhq.errors import ConfigError
from samhq.training import loop
from samhq.training.accelerator import start_accelerator


def test_one_process_may_train_twice_in_different_precisions(tmp_path):
    assert start_accelerator("cpu", "bfloat16").mixed_precision == "bf16"
    assert start_accelerator("cpu", "float32").mixed_precision == "no"


def test_processes_wait_for_one_that_validates_for_long(monkeypatch):
    """One process validates while the others wait: NCCL would end them after ten minutes, gloo after thirty."""
    import torch.distributed as distributed

    asked = {}
    monkeypatch.setattr(distributed, "init_process_group", lambda *_, **fields: asked.update(fields) or _stop())
    for name, value in {"RANK": 0, "WORLD_SIZE": 2, "LOCAL_RANK": 0, "MASTER_ADDR": "here", "MASTER_PORT": 1}.items():
        monkeypatch.setenv(name, str(value))
    with pytest.raises(InterruptedError):
        start_accelerator("cpu", "float32")
    assert asked["timeout"] >= timedelta(hours=6)


def _stop():
    raise InterruptedError


def test_devices_and_precisions_that_are_not_here(monkeypatch):
    with pytest.raises(ConfigError, match="float16"):
        start_accelerator("cpu", "float16")
    with pytest.raises(ConfigError, match="Try cpu"):
        start_accelerator("cuda:77", "float32")
    assert "ACCELERATE_TORCH_DEVICE" not in os.environ


def test_bfloat16_trains_and_leaves_float32_weights(tmp_path):
    config = quick(tmp_path / "run", saved(tiny.LIGHT, tmp_path), mode="hq", precision="bfloat16", epochs=0.4)
    result = loop.train(config, data=Held(), say=lambda _: None)
    state = load_model(result.last, dtype=None).state_dict()
    assert {value.dtype for value in state.values() if value.is_floating_point()} == {torch.float32}
    exact = quick(tmp_path / "exact", saved(tiny.LIGHT, tmp_path), mode="hq", epochs=0.4)
    loop.train(exact, data=Held(), say=lambda _: None)
    assert losses(config.output) == pytest.approx(losses(exact.output), rel=0.05)
    assert losses(config.output) != losses(exact.output)


@pytest.mark.slow
def test_two_processes_take_the_steps_of_one(tmp_path):
    """Half a batch each, gradients averaged: the same losses and weights as whole batches in one process."""
    init, root = saved(tiny.LIGHT, tmp_path), Path(__file__).parents[2]
    same = {"mode": "hq", "kinds": "tight_box", "loss": "points:0", "cache": tmp_path / "f", "cache_dtype": "float32"}
    code = (
        "import sys; sys.path.insert(0, {root!r})\n"
        "from pathlib import Path\n"
        "from samhq.training import loop\n"
        "from tests.training.worlds import Held, quick\n"
        "loop.train(quick(Path({out!r}), {init!r}, batch=1, **{same!r}), data=Held(4, empty=None))\n"
    )
    script, words = tmp_path / "train.py", {name: str(value) for name, value in same.items()}
    script.write_text(code.format(root=str(root), out=str(tmp_path / "two"), init=init, same=words))
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", str(script)]
    done = subprocess.run(launch, timeout=300, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    loop.train(quick(tmp_path / "one", init, batch=2, **same), data=Held(4, empty=None), say=lambda _: None)
    logs = [(tmp_path / name / "log.jsonl").read_text().splitlines() for name in ("one", "two")]
    one, two = ([row for row in map(json.loads, log) if "norm" in row] for log in logs)
    assert [row["norm"] for row in two] == pytest.approx([row["norm"] for row in one], rel=1e-3)
    first, second = (load_model(tmp_path / name / "last.safetensors").state_dict() for name in ("one", "two"))
    for name, value in first.items():
        torch.testing.assert_close(second[name], value, atol=1e-3, rtol=1e-2)
