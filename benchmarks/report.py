"""A file of records becomes the figures of docs/performance.md: the machine, the tables, the plot.

Only what stands between the page's markers is replaced.

    python -m benchmarks report benchmarks/results/MACHINE.jsonl
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.compare import read
from samhq.plural import plural
from samhq.speed.machine import half_precision
from samhq.speed.report import duration, label, rows, work_name
from samhq.storage.atomic import whole_file

ROOT = Path(__file__).parents[1]
PAGE, PLOT = ROOT / "docs" / "performance.md", ROOT / "docs" / "performance.png"
Record = Mapping[str, Any]
TORCH_ALONE = "import torch alone"  #: what a cold command cannot go below, beside cold commands
#: One colour for each party, ours first; told apart by colour-blind people too.
COLOURS = {"samhq": "#0072b2", "transformers sdpa": "#e69f00", "transformers eager": "#f0c674"}
OTHERS = ("#009e73", "#cc79a7", "#999999")


def main(arguments: list[str] | None = None) -> None:
    """Writes the page's figures and the plot."""
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("records", type=Path)
    flags.add_argument("--page", type=Path, default=PAGE)
    flags.add_argument("--plot", type=Path, default=PLOT)
    options = flags.parse_args(arguments)
    records = read(options.records)
    plot(records, options.plot)
    insert(options.page, summary(records, options.plot.name), "summary")
    insert(options.page, details(records))
    print(f"wrote {options.page} and {options.plot}")


def insert(path: Path, words: str, name: str = "figures") -> None:
    """Writes the page anew with other words between the markers of that name."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, rest = path.read_text(encoding="utf-8").split(begin)
    _, after = rest.split(end)
    with whole_file(path) as file:
        file.write_text(f"{before}{begin}\n{words}\n{end}{after}", encoding="utf-8")


def summary(records: Sequence[Record], picture: str) -> str:
    """Times and peaks of samhq and of the fastest other, a row for each case; then the machine and the plot."""
    head = ("work", "samhq", "the fastest other", "times as long", "peak MB, samhq", "peak MB, other")
    lines = [short_row(record) for record in records if others(record)]
    plotted = f"![How many times as long as samhq the others take]({picture})"
    return "\n\n".join([table(head, lines), machine(records[0]), plotted])


def short_row(record: Record) -> tuple[str, ...]:
    """One row of the summary; peaks count what the work takes beside the model and the inputs."""
    ours = record["parties"][0]
    other = min(others(record), key=lambda party: party["seconds"]["median"])
    peaks = ("-" if party["peak_mb"] is None else f"{party['peak_mb']:.0f}" for party in (ours, other))
    mine, theirs = (duration(party["seconds"]["median"]) for party in (ours, other))
    return (work_name(record), mine, f"{theirs} ({label(other)})", f"{ratio(other, record):.2f}", *peaks)


def others(record: Record) -> list[Record]:
    """The parties that do the same work as samhq, whose own parties are left out."""
    parties = record["parties"][1:]
    return [one for one in parties if one["name"] != TORCH_ALONE and not one["name"].startswith("samhq")]


def table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """Rows in Markdown; all columns but the first are aligned to the right."""
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, ["---", *["---:"] * (len(head) - 1)], *lines))


def details(records: Sequence[Record]) -> str:
    """A table for every case, folded."""
    return "\n\n".join(
        f"<details markdown>{section(record, '<summary>{}</summary>')}\n\n</details>" for record in records
    )


def machine(record: Record) -> str:
    """What the figures were measured on, in a paragraph."""
    facts, numbers = record["machine"], record["versions"]
    names = facts["fast_instructions"]
    where = f"{facts['processor']}, {plural(facts['cores'], 'core')}, {plural(facts['threads'], 'thread')}"
    memory = f"{facts['memory_gb']} GB" if facts["memory_gb"] else "memory unknown"
    packages = ", ".join(f"{name} {number}" for name, number in numbers.items())
    device = f"{facts['device']}; " if "device" in facts else ""
    return (
        f"Measured on {device}{where} ({', '.join(names) or 'no vector instructions known'}), {memory}; "
        f"{facts['system']}, Python {facts['python']}, {packages}. {half_precision(names)}"
    )


def section(record: Record, title: str = "### {}") -> str:
    """A case as a title, a sentence and a table."""
    rates = ", ".join(f"{rate:.0f} GFLOP/s in {dtype}" for dtype, rate in record["gemm_gflops"].items())
    needed = "" if record["gflop"] is None else f"Needs {record['gflop']:.4g} GFLOP; matrix products run at {rates}. "
    absent = "; ".join(f"{name}: {reason}" for name, reason in record["absent"].items())
    rest = f" Not there: {absent}." if absent else ""
    words = f"{needed}{record['weights'].capitalize()} weights, {plural(record['rounds'], 'round')}.{rest}"
    head, *lines = rows(record)
    return "\n\n".join([title.format(work_name(record)), words, table(head, lines)])


def plot(records: Sequence[Record], path: Path) -> None:
    """Bars: for every case how many times as long as ours each party takes; a mark where the arithmetic ends."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    cases = [record for record in records if len(record["parties"]) > 1]
    heights = [0.35 + 0.3 * len(record["parties"]) for record in cases]
    figure, axes = pyplot.subplots(figsize=(9, 0.8 + 0.72 * sum(heights)), layout="constrained")
    top, ticks = 0.0, []
    for record, height in zip(cases, heights, strict=True):
        ticks.append((top + 0.3 * (len(record["parties"]) - 1) / 2, work_name(record).replace(" on ", "\non ")))
        draw_case(axes, record, top)
        top += height
    axes.set_yticks([place for place, _ in ticks], [name for _, name in ticks])
    axes.set_ylim(top - 0.4, -0.4)
    axes.axvline(1, color="#0072b2", linewidth=0.8, zorder=0)
    axes.set_xlim(0, 1.12 * max(ratio(party, record) for record in cases for party in record["parties"]))
    axes.set_xlabel("times as long as samhq in float32 (shorter is faster)\n| is where the arithmetic alone would end")
    axes.spines[["top", "right"]].set_visible(False)
    with whole_file(path) as file:
        figure.savefig(file, dpi=110)
    pyplot.close(figure)


def draw_case(axes: Any, record: Record, top: float) -> None:
    """One case's bars from `top` down."""
    for i, party in enumerate(record["parties"]):
        place, length = top + 0.3 * i, ratio(party, record)
        axes.barh(
            place, length, height=0.27, color=colour(party["name"]), alpha=1 if party["dtype"] != "bfloat16" else 0.6
        )
        paper = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}
        axes.text(length + 0.03, place, f"{length:.2f}  {label(party)}", va="center", fontsize=8, bbox=paper)
        if party["share"]:
            axes.plot([length * party["share"]] * 2, [place - 0.13, place + 0.13], color="black", linewidth=1)


def ratio(party: Record, record: Record) -> float:
    """A party's median time as a multiple of ours, the first one's."""
    return party["seconds"]["median"] / record["parties"][0]["seconds"]["median"]


def colour(name: str) -> str:
    """A party's colour, the same in all cases."""
    return COLOURS.get(name) or OTHERS[sum(map(ord, name)) % len(OTHERS)]


if __name__ == "__main__":
    main()
