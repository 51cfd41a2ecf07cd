from __future__ import annotations

import json

import pytest

from samhq.errors import ConfigError
from samhq.training.config import Stage, TrainConfig, parse_stages


def test_a_changed_plan_is_entered_where_the_spent_time_puts_it():
    before = TrainConfig(stages=parse_stages("112:16:60m,224:8:30m"))
    after = TrainConfig(stages=parse_stages("112:16:30m,448:2:30m"))
    assert before.stage_at(40).side == 112
    assert after.stage_at(40).side == 448
    assert after.stage_at(60) is None


@pytest.mark.parametrize("text", ["112:16", "100:8:3", "112:0:3", "112:8:0m", "a:b:c", "112:8:nan", "", "112:8:infm"])
def test_refuses_stages_that_are_none(text):
    with pytest.raises(ConfigError):
        parse_stages(text)


def test_refuses_mixed_units_and_unknown_models():
    with pytest.raises(ConfigError, match="one unit"):
        TrainConfig(stages=(Stage(64, 1, 3), Stage(64, 1, 3, "minutes")))
    with pytest.raises(ConfigError, match="sam_hq_vit_tiny"):
        TrainConfig(model="sam_hq_vit_tinny")


def test_the_whole_configuration_is_json():
    assert json.loads(TrainConfig().to_json())["loss"]["dice"] == 1.0
