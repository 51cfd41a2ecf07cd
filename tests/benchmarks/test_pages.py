"""The scripts around the measuring: two files compared, a file made into a page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from benchmarks.all import CPU, CUDA, OWN, QUICK, SECTIONS, file_name
from PIL import Image
from tests.speed.test_report import RECORD, party

from benchmarks import all as plan
from benchmarks import compare, report

MACHINE = {
    "processor": "A Processor", "cores": 2, "threads": 2, "fast_instructions": ["avx512f"], "memory_gb": 23.4,
    "torch": "2.13", "python": "3.11", "system": "Linux x86_64",
}  # fmt: skip


def record(ours: float, theirs: float = 2.0, rate: float = 100.0, busy: float = 3.0, **facts: Any) -> dict[str, Any]:
    parties = [party("samhq", "float32", ours, cpu_seconds=busy), party("transformers sdpa", "float32", theirs)]
    kept = {key: value for key, value in RECORD.items() if key != "images"}
    more = {"gemm_gflops": {"float32": rate}, "machine": MACHINE, "versions": {"samhq": "0.1"}, "device": "cpu"}
    return {**kept, "parties": parties, **more, **facts}


def written(folder: Path, name: str, *records: dict[str, Any]) -> str:
    (folder / name).write_text("".join(json.dumps(one) + "\n" for one in records))
    return str(folder / name)


@pytest.mark.parametrize(
    ("after", "code", "word"),
    [
        (record(2.0, busy=6.0), 1, "slower"),
        (record(2.0, busy=3.0), 0, ""),  # by the clock only: somebody else was at work
        (record(2.0, rate=50.0, busy=6.0), 0, ""),  # the machine itself was half as fast
        (record(1.04, busy=3.1), 0, ""),
        (record(0.5, busy=1.0), 0, "faster"),
        (record(1.0, theirs=9.0), 0, ""),
    ],
)
def test_slower_is_what_clock_processor_and_machine_say(
    after: dict[str, Any], code: int, word: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = written(tmp_path, "before", record(1.0), record(1.0, case="decode"))
    assert compare.main([before, written(tmp_path, "after", after)]) == code
    said = capsys.readouterr().out
    ours = next(line for line in said.splitlines() if "samhq float32" in line)
    assert ours.startswith("encode, sam_vit_b")
    assert ("slower" in ours, "faster" in ours) == (word == "slower", word == "faster")
    assert "not in the file after: 2" in said


def test_a_page_gets_its_figures_and_keeps_the_rest(tmp_path: Path) -> None:
    page, plot = tmp_path / "page.md", tmp_path / "plot.png"
    parts = [f"<!-- {name}: begin -->\nold\n<!-- {name}: end -->\n" for name in ("summary", "figures")]
    page.write_text("# Before\n" + "".join(parts) + "after\n")
    records = written(
        tmp_path, "records.jsonl", record(1.0), record(0.02, case="decode", gflop=None, prompts=1, kind="boxes")
    )
    for _ in range(2):  # again, and it is the same page
        report.main([records, "--page", str(page), "--plot", str(plot)])
    text = page.read_text()
    assert text.startswith("# Before\n")
    assert text.endswith("<!-- figures: end -->\nafter\n")
    assert "old" not in text
    assert text.count("<details markdown>") == 2
    assert "| encode, sam_vit_b | 1.00 s | 2.00 s (transformers sdpa float32) | 2.00 |" in text
    assert "| transformers sdpa float32 | 1.80 s | 2.00 s | 2.00 s to 4.00 s |" in text
    assert "2 cores" in text
    assert "emulated" in text
    with Image.open(plot) as image:
        assert image.width > 500


def test_every_row_of_the_plans_is_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    """Flags are read and parties named; nothing is run."""
    seen: list[Any] = []
    for name, section in SECTIONS.items():
        monkeypatch.setattr(section, "parser", spied(section.parser, seen))
        assert name in plan.SECTIONS
    for row in (*CPU, *QUICK, *CUDA, *OWN):
        section, *words = row.split()
        with pytest.raises(Understood):
            SECTIONS[section].main([*words, "--dtypes", "auto", "--json", "x"])
    assert len(seen) == len((*CPU, *QUICK, *CUDA, *OWN))
    assert file_name("NVIDIA H100 80GB HBM3") == "nvidia-h100-80gb-hbm3"


class Understood(Exception):  # noqa: N818
    """The command line was read."""


def spied(make: Any, seen: list[Any]) -> Any:
    def parser(*arguments: Any, **more: Any) -> Any:
        made = make(*arguments, **more)
        read = made.parse_args

        def parse_args(words: list[str]) -> None:
            seen.append(read(words))
            raise Understood

        made.parse_args = parse_args
        return made

    return parser
