from __future__ import annotations

import pytest
import torch
from torch import nn

from samhq.training.config import TrainConfig
from samhq.training.optimise import Average, Muon, optimiser, parameter_groups, rate


def test_only_matrices_decay_and_every_parameter_is_in_one_group():
    model = nn.Sequential(nn.Conv2d(3, 40, 3), nn.BatchNorm2d(40), nn.Linear(40, 40))
    groups = parameter_groups(model.named_parameters(prefix="layers"), 0.05, True)
    assert sum(len(g["params"]) for g in groups) == len(list(model.parameters()))
    assert all(p.ndim >= 2 for g in groups if g["weight_decay"] for p in g["params"])


@pytest.mark.parametrize("muon", [False, True])
def test_fits_a_line_and_goes_on_from_a_saved_state(muon):
    config = TrainConfig(mode="scratch", optimiser="muon" if muon else "adamw", learning_rate=0.02)
    torch.manual_seed(0)
    x = torch.randn(256, 32)
    truth = torch.randn(32, 32)

    def steps(model, opt, count):
        for _ in range(count):
            opt.zero_grad()
            loss = (model(x) - x @ truth).square().mean()
            loss.backward()
            opt.step()
        return loss.item()

    model = nn.Sequential(nn.Linear(32, 64), nn.Linear(64, 32))
    opt = optimiser(model.named_parameters(), config)
    assert isinstance(opt, Muon) == muon
    first = steps(model, opt, 1)
    assert steps(model, opt, 100) < first / 5
    saved = {k: v.clone() for k, v in model.state_dict().items()}
    state = torch.load(_saved(opt.state_dict()), weights_only=True)
    expected = steps(model, opt, 3)
    other = nn.Sequential(nn.Linear(32, 64), nn.Linear(64, 32))
    other.load_state_dict(saved)
    again = optimiser(other.named_parameters(), config)
    again.load_state_dict(state)
    assert steps(other, again, 3) == pytest.approx(expected, rel=1e-6)


def _saved(state):
    import io

    buffer = io.BytesIO()
    torch.save(state, buffer)
    buffer.seek(0)
    return buffer


def test_the_rate_rises_holds_and_falls():
    config = TrainConfig(learning_rate=1.0, warmup=10, hold=0.5, final_rate=0.1)
    assert rate(config, 0, 0) == pytest.approx(0.1)
    assert rate(config, 50, 0.5) == 1
    assert rate(config, 50, 0.75) == pytest.approx(0.55)
    assert rate(config, 50, 1.2) == pytest.approx(0.1)


def test_the_average_is_not_biased_towards_the_start():
    model = nn.Linear(1, 1, bias=False)
    nn.init.constant_(model.weight, 100)
    average = Average(model.named_parameters(), 0.999)
    nn.init.constant_(model.weight, 1)
    for _ in range(200):
        average.update(dict(model.named_parameters()))
    assert average.weights["weight"].item() == pytest.approx(1, abs=0.01)
