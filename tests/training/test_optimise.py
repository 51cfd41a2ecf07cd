from __future__ import annotations

import pytest
import torch
from torch import nn

from samhq.training.config import TrainConfig
from samhq.training.optimise import Average, optimiser, parameter_groups, rate, set_rates


def test_only_matrices_decay_and_every_parameter_is_in_one_group():
    model = nn.Sequential(nn.Conv2d(3, 40, 3), nn.BatchNorm2d(40), nn.Linear(40, 40))
    groups = parameter_groups(model.named_parameters(prefix="layers"), TrainConfig(weight_decay=0.05))
    assert sum(len(g["params"]) for g in groups) == len(list(model.parameters()))
    assert all(p.ndim >= 2 for g in groups if g["weight_decay"] for p in g["params"])


class _TwoParts(nn.Module):
    """An encoder with a neck, and a decoder."""

    def __init__(self):
        super().__init__()
        self.image_encoder = nn.ModuleDict({"blocks": nn.Linear(2, 2), "neck": nn.Linear(2, 2)})
        self.mask_decoder = nn.Linear(2, 2)


def test_the_encoder_waits_and_learns_at_its_own_rate():
    config = TrainConfig(
        mode="finetune", what="all", learning_rate=1.0, encoder_rate=0.1, encoder_wait=100, warmup=10, hold=1.0
    )
    model = _TwoParts()
    made = optimiser(model.named_parameters(), config)

    def rates(step):
        set_rates(made, config, step, 0.0)
        return {id(p): group["lr"] for group in made.param_groups for p in group["params"]}

    early, late = rates(50), rates(500)
    for parameter in model.image_encoder["blocks"].parameters():
        assert early[id(parameter)] == 0
        assert late[id(parameter)] == pytest.approx(0.1)
    for part in (model.image_encoder["neck"], model.mask_decoder):
        for parameter in part.parameters():
            assert early[id(parameter)] == late[id(parameter)] == pytest.approx(1.0)


def test_without_a_rate_of_its_own_the_encoder_learns_as_all_else():
    made = optimiser(_TwoParts().named_parameters(), TrainConfig(mode="finetune", what="all"))
    assert len({(group["highest"], group["wait"]) for group in made.param_groups}) == 1


@pytest.mark.parametrize("kind", ["adamw", "adam"])
def test_fits_a_line_and_goes_on_from_a_saved_state(kind):
    config = TrainConfig(mode="scratch", optimiser=kind, learning_rate=0.02)
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


def test_a_short_run_reaches_the_highest_rate():
    """It rose for 20 steps, which was the whole of a run on a few pictures."""
    config = TrainConfig(learning_rate=1.0, warmup=20, hold=0.5)
    assert max(rate(config, step, step / 30) for step in range(30)) == 1
    assert rate(config, 0, 0) == pytest.approx(1 / 20)
    assert rate(config, 9, 9 / 1000) == pytest.approx(0.5), "a long run rises step by step"


def test_the_average_is_not_biased_towards_the_start():
    model = nn.Linear(1, 1, bias=False)
    nn.init.constant_(model.weight, 100)
    average = Average(model.named_parameters(), 0.999)
    nn.init.constant_(model.weight, 1)
    for _ in range(200):
        average.update(dict(model.named_parameters()))
    assert average.weights["weight"].item() == pytest.approx(1, abs=0.01)
