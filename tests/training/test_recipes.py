"""The table of recipes fits the fields of a run, and changes to the loss are read or refused."""

from __future__ import annotations

import dataclasses

import pytest

from samhq.errors import ConfigError
from samhq.training.config import BY_MODE, TrainConfig
from samhq.training.recipes import RECIPES, LossWeights, parse_loss


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_fills_every_field_that_is_left_to_it(name: str) -> None:
    left = {f.name for f in dataclasses.fields(TrainConfig) if f.default is BY_MODE}
    known = {f.name for f in dataclasses.fields(TrainConfig)} | {"weights"}
    needed = {"epochs", "batch", "accumulate", "stages", "kinds", "learning_rate", "scale", "best", "weights"}
    assert needed <= set(RECIPES[name]) <= known
    assert set(RECIPES[name]) - {"weights"} <= left, "a default in the class would never give way to the recipe"


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_make_valid_runs(name: str) -> None:
    mode, preset = ("hq", "paper") if name == "paper" else (name, None)
    config = TrainConfig(mode=mode, preset=preset)  # type: ignore[arg-type]
    assert config.weights == RECIPES[name]["weights"]
    assert config.learning_rate == RECIPES[name]["learning_rate"]


@pytest.mark.parametrize(
    ("what", "expected"), [("decoder", 5e-4), ("decoder+prompt", 5e-4), ("lora", 1e-4), ("all", 1e-4)]
)
def test_an_encoder_that_learns_learns_more_slowly(what: str, expected: float) -> None:
    assert TrainConfig(what=what).learning_rate == expected  # type: ignore[arg-type]
    assert TrainConfig(what=what, learning_rate=3e-4).learning_rate == 3e-4  # type: ignore[arg-type]


def test_changes_to_the_loss_leave_the_rest() -> None:
    base = LossWeights(points=7)
    assert parse_loss("", base) == base
    changed = parse_loss(" dice:2, points:100 ", base)
    assert changed == dataclasses.replace(base, dice=2.0, points=100)
    assert isinstance(changed.points, int)


@pytest.mark.parametrize("text", ["dise:1", "dice", "dice:x", "dice:-1", "dice:nan", "points:1.5", "fine:3"])
def test_other_losses_are_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_loss(text, LossWeights())
