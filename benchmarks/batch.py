"""What `samhq batch` costs: each engine beside a bare loop over the same pictures, and 1 and 2 workers.

Run it with: python benchmarks/batch.py --page
"Without work" asks nothing of any picture, so only reading, rows, shards and the engine remain. "By a box" segments one
object in each picture with the starter. Processor time is that of the workers and of the process that gives them
shards, without start-up; other programs on the machine change it little. Pictures a second go by the clock, from the
begin of the first shard to the end of the last.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.report import insert
from samhq.batch.answers import Question
from samhq.batch.engine import Engine, Loop, Processes
from samhq.batch.places import Folder, read_address
from samhq.batch.plan import plan_job
from samhq.batch.ray_engine import RayEngine
from samhq.batch.settings import ModelSettings
from samhq.batch.shard_work import ShardReport
from samhq.batch.sharded import RunProgress, run_sharded
from samhq.batch.sources import list_pictures
from samhq.image.read import read_image
from samhq.image.sample_picture import sample_picture
from samhq.speed.machine import processor
from samhq.storage.atomic import write_json

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "batch.md"
BOX = {"box": [326.0, 200.0, 407.0, 326.0]}
MODEL = ModelSettings(device="cpu")
BARE = "bare loop"
#: Questions: the objects of each picture, and the flag with the number of pictures.
QUESTIONS: dict[str, tuple[list[dict[str, Any]], str]] = {
    "without work": ([], "pictures"),
    "by a box": ([BOX], "segmented"),
}
ENGINES: dict[str, Callable[[], Engine]] = {
    "local, this process": Loop,
    "local, 1 worker": lambda: Processes(1),
    "local, 2 workers": lambda: Processes(2),
    "Ray, 1 actor": lambda: RayEngine(1),
    "Ray, 2 actors": lambda: RayEngine(2),
}


def main(arguments: list[str] | None = None) -> None:
    """Measures, prints, and with --page writes the table of docs/batch.md."""
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--pictures", type=int, default=512, help="without work; default: 512")
    flags.add_argument("--segmented", type=int, default=64, help="by a box; default: 64")
    flags.add_argument("--shard-size", type=int, default=16)
    flags.add_argument("--rounds", type=int, default=3, help="the best counts; default: 3")
    flags.add_argument("--engines", nargs="*", default=list(ENGINES), choices=list(ENGINES))
    flags.add_argument("--questions", nargs="*", default=list(QUESTIONS), choices=list(QUESTIONS))
    flags.add_argument("--add", action="store_true", help="keep what the --json file has, unless the new is better")
    flags.add_argument("--json", type=Path, default=ROOT / "benchmarks" / "results" / "batch.json")
    flags.add_argument("--page", action="store_true", help="write the table of docs/batch.md")
    options = flags.parse_args(arguments)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    counts = {question: getattr(options, count) for question, (_, count) in QUESTIONS.items()}
    record = {"machine": machine(), "counts": counts, "shard_size": options.shard_size, "rows": {}}
    if options.add and options.json.exists():
        record["rows"] = json.loads(options.json.read_text())["rows"]
    for _ in measure(options, record["rows"]):
        write_json(options.json, record)
    print(table(record))
    if options.page:
        insert(PAGE, table(record), "engines")


def machine() -> dict[str, Any]:
    """The processor count, and how busy the machine was with other work."""
    return {"cpus": os.cpu_count(), "processor": processor(), "load": round(os.getloadavg()[0], 1)}


def measure(options: argparse.Namespace, rows: dict[str, dict[str, Any]]) -> Iterator[None]:
    """Enters start-up in seconds and the figures of each question for the bare loop and each engine, one by one."""
    for question in options.questions:
        objects, flag = QUESTIONS[question]
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            names = write_pictures(folder / "in", getattr(options, flag))
            asked = Question(MODEL, objects_of=dict.fromkeys(names, objects))
            for party in options.rounds * [BARE, *options.engines]:
                found = bare(folder / "in", asked) if party == BARE else job(folder, asked, party, options)
                keep_better(rows.setdefault(party, {}), question, *found)
                print(f"{question}, {party}: {found[1]:.2f} ms a picture, {found[2]:.2f}/s", file=sys.stderr)
                yield


def keep_better(row: dict[str, Any], question: str, start_s: float, cpu_ms: float, rate: float) -> None:
    """Enters figures unless better ones are there."""
    known = row.setdefault(question, {"cpu_ms": cpu_ms, "rate": rate})
    row["start_s"] = min(row.get("start_s", start_s), start_s)
    row[question] = {"cpu_ms": min(known["cpu_ms"], cpu_ms), "rate": max(known["rate"], rate)}


def write_pictures(folder: Path, count: int) -> list[str]:
    """The names of the files, `count` copies of one photograph."""
    folder.mkdir(parents=True)
    content = sample_picture().read_bytes()
    names = [f"{number}.jpg" for number in range(count)]
    for name in names:
        (folder / name).write_bytes(content)
    return names


def bare(folder: Path, asked: Question) -> tuple[float, float, float]:
    """Start-up in seconds, processor time in ms a picture, and pictures a second, of a loop that keeps its rows."""
    began = time.perf_counter()
    answer = asked.start(Folder("nowhere"))
    loaded, cpu, rows = time.perf_counter(), time.process_time(), []
    pictures = list_pictures(str(folder))
    for name, uri in pictures:
        rows += answer([(name, read_image(read_address(uri)))])
    seconds, spent = time.perf_counter() - loaded, time.process_time() - cpu
    return loaded - began, 1000 * spent / len(pictures), len(pictures) / seconds


def job(folder: Path, asked: Question, party: str, options: argparse.Namespace) -> tuple[float, float, float]:
    """As `bare`, for a job on an engine."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        plan_job(str(folder / "in"), place, asked, shard_size=options.shard_size)
        reports: list[ShardReport] = []
        given: list[float] = []  # processor time of this process at each report

        def tell(report: ShardReport, _: RunProgress) -> None:
            reports.append(report)
            given.append(time.process_time())

        began = time.time()
        run_sharded(place, ENGINES[party](), tell=tell)
    first, last = min(report.began for report in reports), max(report.ended for report in reports)
    pictures = sum(report.pictures for report in reports)
    workers = 1000 * sum(report.cpu_s for report in reports) / pictures
    # In one process the shards' own time is in both; else this process's is that of giving shards out.
    later = sum(report.cpu_s for report in reports[1:]) if isinstance(ENGINES[party](), Loop) else 0.0
    giving = 1000 * (given[-1] - given[0] - later) / max(pictures - reports[0].pictures, 1)
    return first - began, workers + giving, pictures / (last - first)


def table(record: Mapping[str, Any]) -> str:
    """The figures in Markdown."""
    nothing, box = QUESTIONS
    rows: Mapping[str, Mapping[str, Any]] = record["rows"]
    lines = [
        "| engine | start-up | without work | more than the bare loop | by a box | by a box, by the clock |",
        "|---|---|---|---|---|---|",
    ]
    for party, row in rows.items():
        found, cells = row.get(nothing), ["", ""]
        if found:
            more = found["cpu_ms"] - rows[BARE][nothing]["cpu_ms"]
            cells = [f"{found['cpu_ms']:.1f} ms", "" if party == BARE else f"{more:+.1f} ms"]
        segmented = row.get(box)
        cells += [f"{segmented['cpu_ms']:.0f} ms", f"{segmented['rate']:.2f} pictures/s"] if segmented else ["", ""]
        lines.append(f"| {party} | {row['start_s']:.1f} s | {' | '.join(cells)} |")
    about, counts = record["machine"], record["counts"]
    said = (
        "Milliseconds are processor time for each picture. "
        f"Measured on {about['cpus']} cores ({about['processor']}); at the "
        f"beginning the load by other programs was {about['load']}; {counts[nothing]} pictures without work, "
        f"{counts[box]} by a box, of 600 x 400; shards of {record['shard_size']}."
    )
    return "\n".join([*lines, "", said])


if __name__ == "__main__":
    main()
