"""Short runs of every kind, and a run that is stopped as a signal stops it."""

from __future__ import annotations

import signal

from tests.training.worlds import Held

from samhq.training import loop
from samhq.training.config import TrainConfig

RUNS = {
    "hq": {"mode": "hq", "scale": (0.8, 1.2)},
    "decoder": {"mode": "finetune", "what": "decoder"},
    "lora": {"mode": "finetune", "what": "lora"},
    "all": {"mode": "finetune", "what": "all", "accumulate": 2, "batch": 1},
}


def train(config: TrainConfig) -> loop.Trained:
    data = Held() if config.data == "held" else None
    return loop.train(config, data=data, say=lambda _: None)


def interrupted(config, steps, monkeypatch):
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
        train(config)
    assert count == steps
