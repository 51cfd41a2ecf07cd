"""Every piece of work says how much it is, in JSON values, and names the method of a party that does it."""

from __future__ import annotations

import json

import pytest

from samhq.speed import flops
from samhq.speed.ours import Ours
from samhq.speed.work import Click, Clip, Decode, Encode, EverythingLoad, TrackedFrame, Work
from tests import tiny

WORKS = [
    Encode(tiny.HQ, images=3),
    Decode(tiny.HQ, prompts=5, hq="add"),
    Click(tiny.HQ, kind="points"),
    EverythingLoad(tiny.HQ, points_per_side=4),
    TrackedFrame(tiny.SECOND),
    Clip(tiny.SECOND, frames=7),
]


@pytest.mark.parametrize("work", WORKS, ids=lambda work: work.case)
def test_facts_are_json_and_our_party_can_do_it(work: Work) -> None:
    assert isinstance(work, Work)
    assert json.loads(json.dumps(work.facts())) == work.facts()
    assert hasattr(Ours, work.verb)


def test_counts_and_operations_grow_with_the_work() -> None:
    assert [work.count for work in WORKS] == [3, 5, 1, 16, 1, 7]
    assert WORKS[0].flops() == flops.encoding(tiny.HQ, 3)
    assert WORKS[1].flops() == flops.decoding(tiny.HQ, 5, hq="add")
    few, many = EverythingLoad(tiny.HQ, 2).flops(), EverythingLoad(tiny.HQ, 8).flops()
    assert few < many
    assert len({work.case for work in WORKS}) == len(WORKS)
