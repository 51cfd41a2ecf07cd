from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import pytest

from samhq.speed import contest as module
from samhq.speed.contest import Contest, UnequalError, alternate, check_equal, difference, figures
from samhq.speed.measure import Measurement
from samhq.speed.report import text
from samhq.speed.work import Click, Decode, Encode, Entrant
from samhq.speed.worker import OURS, PartyError, Seat, Setting
from tests import tiny

HERE = "tests.speed.parties"


@pytest.fixture(scope="module")
def hq_contest() -> Iterator[Contest]:
    pytest.importorskip("transformers")
    entrants = [Entrant(OURS, "float32"), Entrant("benchmarks.peers:Transformers", "float32", ("sdpa",))]
    with Contest(entrants, Setting(tiny.HQ, threads=1)) as parties:
        yield parties


@pytest.fixture(scope="module")
def odd_contest() -> Iterator[Contest]:
    """Ours, one that is wrong, one that is not there."""
    entrants = [Entrant(OURS, "float32")]
    entrants += [Entrant(f"{HERE}:{name}", "float32") for name in ("Odd", "Absent")]
    with Contest(entrants, Setting(tiny.PLAIN, threads=1)) as parties:
        yield parties


def test_a_record_has_everything_that_a_line_shows(hq_contest: Contest) -> None:
    record = hq_contest.measure(Decode(tiny.HQ, 4, "points", "add"), rounds=2)
    assert json.loads(json.dumps(record)) == record
    assert {"case": "decode", "model": "tiny_hq", "prompts": 4, "kind": "points", "hq": "add"}.items() <= record.items()
    assert [f"{party['name']} {party['dtype']}" for party in record["parties"]] == [
        "samhq float32",
        "transformers sdpa float32",
    ]
    for party in record["parties"]:
        assert 0 < party["seconds"]["best"] <= party["seconds"]["low"] <= party["seconds"]["median"]
        assert party["seconds"]["median"] <= party["seconds"]["high"]
        assert party["cpu_seconds"] > 0
        assert party["page_faults"] >= 0
        assert party["peak_mb"] is None or 0 <= party["peak_mb"] < 500
        assert 0 < party["share"] < 1
    assert record["rounds"] == 2
    assert record["weights"] == "random"
    assert set(record["gemm_gflops"]) == {"float32"}
    assert record["machine"]["threads"] == 1
    assert set(record["parties"][1]["difference"]) == {"iou", "logits"}
    assert "decode, tiny_hq, 4 points, hq add" in text(record)


def test_all_kinds_of_work_agree_with_transformers(hq_contest: Contest) -> None:
    for work in (Encode(tiny.HQ, 2), Decode(tiny.HQ, 2, "boxes", "only"), Click(tiny.HQ, 1, "points", "add", (40, 60))):
        record = hq_contest.measure(work, rounds=1, memory=False)
        assert record["parties"][1]["name"] == "transformers sdpa"
        assert record["parties"][0]["peak_mb"] is None


def test_who_cannot_do_it_says_why(hq_contest: Contest) -> None:
    record = hq_contest.measure(Decode(tiny.HQ, 1, "boxes", "off"), rounds=1, memory=False)
    assert record["absent"]["transformers sdpa float32"] == "cannot leave the HQ mask off"
    assert {party["name"] for party in record["parties"]} == {"samhq"}


def test_odd_parties(odd_contest: Contest) -> None:
    """One test in an order: after the last step one of the processes is no more."""
    assert odd_contest.absent == {"absent float32": "not installed"}
    with pytest.raises(UnequalError, match=r"Expected results of odd float32 .*'iou'.*Correct"):
        odd_contest.measure(Decode(tiny.PLAIN, 2, "boxes"), rounds=1)
    record = odd_contest.measure(Encode(tiny.PLAIN), rounds=1)  # the others go on
    assert record["absent"] == {"absent float32": "not installed", "odd float32": "encodes nothing"}
    assert [party["name"] for party in record["parties"]] == ["samhq"]
    with pytest.raises(PartyError, match="exit code 3"):
        odd_contest.measure(Click(tiny.PLAIN, 1, "points"), rounds=1)


def test_results_without_a_common_name_are_no_agreement() -> None:
    one = {"iou": np.ones(2)}
    with pytest.raises(UnequalError, match="no result of the same name"):
        check_equal({"samhq float32": one, "mute float32": {}}, Decode(tiny.PLAIN))
    assert difference({"iou": np.ones(3)}, one) == {"iou": np.inf}
    assert difference({"iou": np.full(2, np.nan)}, one)["iou"] != 0
    with pytest.raises(UnequalError):
        check_equal({"samhq float32": one, "peer float32": {"iou": np.full(2, np.nan)}}, Decode(tiny.PLAIN))
    assert check_equal({"samhq bfloat16": one, "peer float32": {"iou": 1.1 * np.ones(2)}}, Decode(tiny.PLAIN))


class Desk(Seat):
    """A seat without a process, that only writes down who worked when."""

    def __init__(self, name: str, diary: list[str]) -> None:
        self.name, self.entrant, self.diary = name, Entrant(OURS, "float32"), diary

    def run(self) -> Measurement:
        self.diary.append(self.label)
        return Measurement(1.0, 2.0, 3)

    def multiply(self, dtype: str) -> float:
        self.diary.append(f"gemm {dtype}")
        return 10.0


def test_parties_work_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAUSE", 0)
    diary: list[str] = []
    samples, peaks, rates = alternate([Desk("ours", diary), Desk("peer", diary)], 3, 0.0)
    assert diary == ["ours float32", "peer float32", "gemm float32"] * 3
    assert {label: len(found) for label, found in samples.items()} == {"ours float32": 3, "peer float32": 3}
    assert peaks == {"ours float32": None, "peer float32": None}
    assert rates == {"float32": 10.0}


def test_the_share_is_of_the_time_that_arithmetic_alone_takes() -> None:
    found = figures([Measurement(2.0, 4.0, 7), Measurement(4.0, 4.0, 9), Measurement(2.0, 3.0, 8)], 100, 100.0)
    assert found["share"] == 0.5
    assert found["seconds"] == {"best": 2.0, "low": 2.0, "median": 2.0, "high": 3.0}
    assert (found["cpu_seconds"], found["page_faults"]) == (4.0, 8)
