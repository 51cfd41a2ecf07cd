from __future__ import annotations

import pytest

from samhq.errors import ConfigError
from samhq.training.plan import Schedule, ScheduleStage, parse_stages


def test_a_changed_plan_is_entered_where_the_spent_time_puts_it():
    before, after = Schedule(parse_stages("112:16:60m,224:8:30m")), Schedule(parse_stages("112:16:30m,448:2:30m"))
    assert before.at(40).side == 112
    assert after.at(40).side == 448
    assert after.at(60) is None
    assert after.length == 60


@pytest.mark.parametrize(
    "text", ["112:16", "100:8:3", "112:0:3", "112:8:0m", "a:b:c", "112:8:nan", "", "112:8:infm", "64:1:3,64:1:3m"]
)
def test_refuses_stages_that_are_none(text):
    with pytest.raises(ConfigError):
        parse_stages(text)


@pytest.mark.parametrize("pictures", [3, 7, 10])
def test_epochs_that_are_sums_of_steps_end_where_they_should(pictures):
    plan, spent, steps = Schedule((ScheduleStage(64, 1, 12, "epochs"),)), 0.0, 0
    while plan.at(spent):
        spent, steps = spent + 1 / pictures, steps + 1
    assert steps == 12 * pictures


def test_a_stage_is_written_as_it_is_read():
    for text in ("112:8:3", "112:8:1.5m", "112:8:2e"):
        assert str(parse_stages(text)[0]) == text
