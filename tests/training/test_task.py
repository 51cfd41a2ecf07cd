from __future__ import annotations

import pytest
import torch
from tests import tiny
from tests.training.worlds import Held, quick, saved

from samhq.training.run import Run
from samhq.training.start import learning


@pytest.mark.parametrize(
    ("fields", "learns"),
    [({"mode": "hq"}, False), ({"what": "decoder+prompt"}, False), ({"what": "lora"}, True), ({"what": "all"}, True)],
    ids=lambda value: "-".join(value.values()) if isinstance(value, dict) else "",
)
def test_an_encoder_that_does_not_learn_works_as_in_use(fields, learns, tmp_path):
    """Nothing of it is recorded, so that on a CPU it may work in pieces; just so it works for stored features."""
    run, seen = Run(quick(tmp_path / "run", saved(tiny.HQ, tmp_path), **fields), Held(), None, print), []
    run.sam.image_encoder.register_forward_hook(lambda *_: seen.append(torch.is_grad_enabled()))
    loss, _ = run.task(next(run.stream(run.plan.at(0))).to("cpu"))
    loss.backward()
    assert seen == [learns]
    learnt = {name for name, parameter in learning(run.sam).items() if parameter.grad is not None}
    assert any(name.startswith("mask_decoder.") for name in learnt)
    assert any(name.startswith("image_encoder.") for name in learnt) == learns
