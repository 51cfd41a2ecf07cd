"""Two files of records beside each other: for every case and party how many times as long the second one takes.

Machines are never equally quiet twice, so three ratios are shown: of the median seconds, of these seconds times the
machine's own rate of matrix products in the same rounds, and of processor seconds. A case is called slower when all
three say so by more than the tolerance; then the exit code is 1.

    python benchmarks/compare.py before.jsonl after.jsonl
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from samhq.speed.report import label, text_table, work_name

#: What tells two pieces of work apart, where a record has it.
KEYS = ("case", "model", "device", "images", "prompts", "kind", "hq", "picture", "points_per_side", "weights")
Key = tuple[str, str]


def main(arguments: list[str] | None = None) -> int:
    """Prints a line for every case and party that both files have; 1 if one of ours became slower."""
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("before", type=Path)
    flags.add_argument("after", type=Path)
    flags.add_argument("--tolerance", type=float, default=0.05, help="by so much slower is not slower; default: 0.05")
    options = flags.parse_args(arguments)
    before, after = by_party(read(options.before)), by_party(read(options.after))
    lines = [line(key, before[key], after[key], options.tolerance) for key in before if key in after]
    print(text_table([("", "before", "after", "seconds", "x GEMM", "CPU", ""), *lines]))
    for name, missing in (("after", before.keys() - after.keys()), ("before", after.keys() - before.keys())):
        if missing:
            print(f"not in the file {name}: {len(missing)}")
    return int(any(row[-1] == "slower" and "samhq" in row[0] for row in lines))


def read(path: Path) -> list[dict[str, Any]]:
    """The records of a file, one a line."""
    return [json.loads(row) for row in path.read_text(encoding="utf-8").splitlines() if row.strip()]


def by_party(records: Iterable[Mapping[str, Any]]) -> dict[Key, dict[str, Any]]:
    """What was measured, by case and party; the last one counts where a case is there twice."""
    found = {}
    for record in records:
        case = json.dumps([record.get(key) for key in KEYS])
        for party in record["parties"]:
            rate = record["gemm_gflops"].get(party["dtype"])
            found[case, label(party)] = {**party, "rate": rate, "work": work_name(record)}
    return found


def line(key: Key, before: Mapping[str, Any], after: Mapping[str, Any], tolerance: float) -> tuple[str, ...]:
    """One party's row: seconds before and after, the three ratios, and a word."""
    seconds = after["seconds"]["median"] / before["seconds"]["median"]
    machine = after["rate"] / before["rate"] if after["rate"] and before["rate"] else 1.0
    busy = after["cpu_seconds"] / before["cpu_seconds"] if before["cpu_seconds"] else 1.0
    ratios = (seconds, seconds * machine, busy)
    return (
        f"{after['work']}, {key[1]}",
        f"{before['seconds']['median']:.4g}",
        f"{after['seconds']['median']:.4g}",
        *(f"{ratio:.2f}" for ratio in ratios),
        verdict(ratios, tolerance),
    )


def verdict(ratios: Iterable[float], tolerance: float) -> str:
    """What ratios say together.

    >>> verdict((1.2, 1.1, 1.3), 0.05), verdict((1.2, 1.0, 1.3), 0.05), verdict((0.5, 0.6, 0.7), 0.05)
    ('slower', '', 'faster')
    """
    ratios = list(ratios)
    if min(ratios) > 1 + tolerance:
        return "slower"
    return "faster" if max(ratios) < 1 / (1 + tolerance) else ""


if __name__ == "__main__":
    sys.exit(main())
