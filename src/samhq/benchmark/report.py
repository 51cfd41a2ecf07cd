"""A measured case as one JSON record, and records as a table to read.

Knows nothing about models.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from samhq.benchmark.cases import Case, check_equal
from samhq.benchmark.machine import describe, gemm
from samhq.benchmark.measure import Sample, alternate, peak_mb, spread

if TYPE_CHECKING:
    import torch

Record = dict[str, Any]


def measure(case: Case, device: torch.device, *, rounds: int = 0, seconds: float = 20.0, memory: bool = True) -> Record:
    """The record of a case: results compared, then time taken in turn, beside the machine's own matrix products.

    Raises:
        UnequalError: the parties' results differ.
    """
    import torch

    with torch.inference_mode():
        apart = check_equal(case)
        yardsticks = {f"gemm {dtype}": gemm(dtype, device) for dtype in dict.fromkeys(p.dtype for p in case.parties)}
        works = {party.label: party.work for party in case.parties} | {name: y[0] for name, y in yardsticks.items()}
        for work in works.values():
            work()
        samples = alternate(works, device, rounds=rounds, seconds=seconds)
        peaks = {party.label: peak_mb(party.work, device) if memory else None for party in case.parties}
    rates = {name.removeprefix("gemm "): y[1] / median(samples[name]) / 1e9 for name, y in yardsticks.items()}
    return {
        "case": case.name,
        **case.facts,
        "weights": "random",
        "device": str(device),
        "gflop": round(case.flops / 1e9, 3),
        "gemm_gflops": {dtype: round(rate, 1) for dtype, rate in rates.items()},
        "rounds": len(next(iter(samples.values()))),
        "parties": [
            party_record(party.name, party.dtype, samples[party.label], case.flops / 1e9, rates[party.dtype])
            | {"peak_mb": rounded(peaks[party.label], 1), "difference": apart.get(party.label, {})}
            for party in case.parties
        ],
        "absent": case.absent,
        "machine": describe(device),
        **versions(),
    }


def median(samples: Sequence[Sample]) -> float:
    """Median seconds by the clock."""
    return spread([sample.seconds for sample in samples]).median


def party_record(name: str, dtype: str, samples: Sequence[Sample], gflop: float, rate: float) -> Record:
    """What was measured of one party; `share` of the time that the arithmetic alone would take at the GEMM rate."""
    seconds = spread([sample.seconds for sample in samples])
    return {
        "name": name,
        "dtype": dtype,
        "seconds": {key: rounded(value) for key, value in asdict(seconds).items()},
        "cpu_seconds": rounded(spread([sample.cpu_seconds for sample in samples]).median),
        "page_faults": round(spread([float(sample.page_faults) for sample in samples]).median),
        "share": rounded(gflop / seconds.median / rate),
    }


def rounded(value: float | None, digits: int | None = None) -> float | None:
    """Four significant digits, or so many after the point.

    >>> rounded(0.0123456), rounded(12.3456, 1)
    (0.01235, 12.3)
    """
    if value is None:
        return None
    return float(f"{value:.4g}") if digits is None else round(value, digits)


def versions() -> dict[str, str]:
    """Of this library and of the peers that are installed."""
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for name in ("samhq", "transformers"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return {f"{name}_version": number for name, number in found.items()}


ONE = {"boxes": "1 box", "points": "1 point"}
HEAD = ("", "best", "median", "quartiles", "CPU s", "faults", "peak MB", "of limit")


def title(record: Mapping[str, Any]) -> str:
    """One line: what was done, how much arithmetic it needs, and at what rates the machine multiplies matrices."""
    rates = ", ".join(f"{rate:.0f} {dtype}" for dtype, rate in record["gemm_gflops"].items())
    return (
        f"{work_name(record)}: {record['gflop']:.4g} GFLOP needed, GEMM {rates} GFLOP/s, "
        f"{record['weights']} weights, {record['rounds']} rounds"
    )


def work_name(record: Mapping[str, Any]) -> str:
    """What was done, in a few words.

    >>> work_name({"case": "decode", "model": "sam_vit_b", "prompts": 64, "kind": "boxes", "hq": "off"})
    'decode, sam_vit_b, 64 boxes, hq off'
    """
    words = [record["case"], record["model"]]
    if "images" in record:
        words.append(f"{record['images']} picture{'s' * (record['images'] != 1)}")
    if "prompts" in record:
        words.append(f"{record['prompts']} {record['kind']}" if record["prompts"] > 1 else ONE[record["kind"]])
    if "hq" in record:
        words.append(f"hq {record['hq']}")
    return ", ".join(words)


def rows(record: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """The parties' figures as words, the head first; the last columns say how many times ours each one takes."""
    mine = [party for party in record["parties"] if party["name"] == "samhq"]
    head = (*HEAD, *(f"x samhq {party['dtype']}" for party in mine))
    return [head, *(row(party, mine) for party in record["parties"])]


def row(party: Mapping[str, Any], mine: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """One party's figures as words."""
    seconds = party["seconds"]
    return (
        f"{party['name']} {party['dtype']}",
        duration(seconds["best"]),
        duration(seconds["median"]),
        f"{duration(seconds['low'])} to {duration(seconds['high'])}",
        f"{party['cpu_seconds']:.3g}",
        f"{party['page_faults']:,}",
        "-" if party["peak_mb"] is None else f"{party['peak_mb']:.0f}",
        f"{party['share']:.0%}",
        *(f"{seconds['median'] / other['seconds']['median']:.2f}" for other in mine),
    )


def duration(seconds: float) -> str:
    """Seconds as people say them.

    >>> duration(0.0123), duration(1.5), duration(75.0)
    ('12.3 ms', '1.50 s', '75 s')
    """
    return f"{seconds * 1000:.3g} ms" if seconds < 1 else f"{seconds:.3g} s" if seconds >= 10 else f"{seconds:.2f} s"


def text_table(lines: Sequence[Sequence[str]]) -> str:
    """Columns below each other, numbers to the right.

    >>> print(text_table([("a", "bc"), ("def", "g")]))
    a    bc
    def   g
    """
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    lines = [[line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])] for line in lines]
    return "\n".join(map("  ".join, lines))


def text(record: Mapping[str, Any]) -> str:
    """A record to read: its title, its table, and who is absent."""
    absent = [f"{name}: {reason}" for name, reason in record["absent"].items()]
    return "\n".join([title(record), text_table(rows(record)), *absent])
