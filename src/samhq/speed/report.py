"""Records of measured cases as tables. Knows nothing about models or clocks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from samhq.plural import plural
from samhq.speed.work import ONE

HEAD = ("", "best", "median", "quartiles", "a second", "CPU s", "faults", "model MB", "+ peak", "of limit")


def title(record: Mapping[str, Any]) -> str:
    """One line: the work, its arithmetic, and the machine's rates of matrix products."""
    rates = ", ".join(f"{rate:.0f} {dtype}" for dtype, rate in record["gemm_gflops"].items())
    needed = "" if record["gflop"] is None else f"{record['gflop']:.4g} GFLOP needed, GEMM {rates} GFLOP/s, "
    return f"{work_name(record)}: {needed}{record['weights']} weights, {plural(record['rounds'], 'round')}"


def work_name(record: Mapping[str, Any]) -> str:
    """The work in a few words.

    >>> work_name({"case": "decode", "model": "sam_vit_b", "prompts": 64, "kind": "boxes", "hq": "off"})
    'decode, sam_vit_b, 64 boxes, hq off'
    """
    words = [record["case"], record["model"]]
    if "images" in record:
        words.append(plural(record["images"], "picture"))
    if "prompts" in record:
        words.append(f"{record['prompts']} {record['kind']}" if record["prompts"] > 1 else f"1 {ONE[record['kind']]}")
    if "frames" in record:
        frames, size, side = plural(record["frames"], "frame"), record["picture"], record["side"]
        words.append(f"{frames} of {size[0]} x {size[1]} pixels, seen at {side}")
    if "points_per_side" in record:
        words.append("{0} x {0} points on {1} x {2} pixels".format(record["points_per_side"], *record["picture"]))
    if "hq" in record:
        words.append(f"hq {record['hq']}")
    return ", ".join(words)


def rows(record: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """The parties' figures as words, the header first; the last columns give each time as a multiple of ours."""
    ours = [party for party in record["parties"] if party["name"] == "samhq"]
    head = (*HEAD, *(f"x samhq {party['dtype']}" for party in ours))
    return [head, *(row(party, ours) for party in record["parties"])]


def row(party: Mapping[str, Any], ours: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """One party's figures as words."""
    seconds = party["seconds"]
    return (
        label(party),
        duration(seconds["best"]),
        duration(seconds["median"]),
        f"{duration(seconds['low'])} to {duration(seconds['high'])}",
        f"{party['per_second']:.3g}",
        f"{party['cpu_seconds']:.3g}",
        f"{party['page_faults']:,}",
        *("-" if party[key] is None else f"{party[key]:.0f}" for key in ("model_mb", "peak_mb")),
        "-" if party["share"] is None else f"{party['share']:.0%}",
        *(f"{seconds['median'] / other['seconds']['median']:.2f}" for other in ours),
    )


def label(party: Mapping[str, Any]) -> str:
    """A party's name and dtype."""
    return f"{party['name']} {party['dtype']}".strip()


def duration(seconds: float) -> str:
    """Seconds in a suitable unit.

    >>> duration(0.0123), duration(1.5), duration(75.0)
    ('12.3 ms', '1.50 s', '75 s')
    """
    if seconds < 1:
        return f"{seconds * 1000:.3g} ms"
    return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.3g} s"


def text_table(lines: Sequence[Sequence[str]]) -> str:
    """Aligned columns as text, with numbers to the right.

    >>> print(text_table([("a", "bc"), ("def", "g")]))
    a    bc
    def   g
    """
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    lines = [[line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])] for line in lines]
    return "\n".join(map("  ".join, lines))


def text(record: Mapping[str, Any]) -> str:
    """A record as text: its title, its table, and the absent parties."""
    absent = [f"{name}: {reason}" for name, reason in record["absent"].items()]
    return "\n".join([title(record), text_table(rows(record)), *absent])
