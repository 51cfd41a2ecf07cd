"""All sections in one run, written to one file, then the page: what `make bench` does.

Takes about three quarters of an hour on two cores without bfloat16; leave the machine alone meanwhile. The file is
named for the machine, and replaces the last one only when everything was measured.

    python -m benchmarks all
    python -m benchmarks all --quick      # a round of little work, to try the benchmark itself; writes no page
    python -m benchmarks all --own --output before.jsonl   # this library alone, more models: to compare two states
    python -m benchmarks all --device cuda
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import decode, encode, end_to_end, everything, report, track
from samhq.speed.machine import processor

RESULTS = Path(__file__).parent / "results"
SECTIONS = {"encode": encode, "decode": decode, "end_to_end": end_to_end, "everything": everything, "track": track}
CPU = (
    "encode --model sam_hq_vit_b --peers sdpa eager original --rounds 3",
    "encode --model sam_hq_vit_tiny --peers plain original",
    "decode --model sam_hq_vit_tiny --prompts 1 4 16 64 --peers sdpa original --seconds 10",
    "decode --model sam_hq_vit_b --prompts 1 --peers as-transformers as-predictor sdpa --seconds 10",
    "decode --model sam_hq_vit_tiny --prompts 16 --kinds points --hq add only off --peers sdpa eager --rounds 3",
    "decode --model sam_vit_b --prompts 1 64 --peers sdpa eager original --seconds 10",
    "end_to_end --model sam_hq_vit_tiny",
    "end_to_end --model sam_hq_vit_b --only cold --rounds 1",
    "everything --model sam_hq_vit_tiny sam_hq_vit_b",
    "everything --model sam_hq_vit_tiny --large",
    "encode --model sam2.1_hiera_large --peers sdpa --rounds 3",
    "decode --model sam2.1_hiera_large --prompts 1 8 --kinds points --peers sdpa --seconds 10",
    "track --model sam2.1_hiera_tiny --peers sdpa --rounds 3",
    "track --model sam2.1_hiera_tiny --side 512 --frames 200 --peers sdpa",
)
QUICK = (
    "encode --model sam_hq_vit_tiny --peers plain --rounds 1",
    "decode --model sam_hq_vit_tiny --prompts 1 --peers sdpa original --rounds 1",
    "end_to_end --model sam_hq_vit_tiny --rounds 1",
    "everything --model sam_hq_vit_tiny --points 2",
)
OWN = (
    "encode --model sam_hq_vit_b sam_hq_vit_tiny slimsam_50 slimsam_77 --peers --rounds 3",
    "decode --model sam_hq_vit_b sam_hq_vit_tiny sam_vit_b --prompts 1 16 --kinds boxes points --peers --seconds 5",
    "end_to_end --model sam_hq_vit_tiny --peers",
    "everything --model sam_hq_vit_tiny mobile_sam --points 16 --peers",
)
CUDA = (
    "encode --model sam_hq_vit_tiny --peers plain original --images 1 2 4 8",
    "encode --model sam_hq_vit_b sam_hq_vit_l sam_hq_vit_h --peers sdpa original --images 1 2 4 8",
    "decode --model sam_hq_vit_tiny sam_vit_b --prompts 1 4 16 64 --peers sdpa original --seconds 10",
    "everything --model sam_hq_vit_tiny",
    "encode --model sam2.1_hiera_large --peers sdpa --images 1 2 4",
    "decode --model sam2.1_hiera_large --prompts 1 8 --kinds points --peers sdpa --seconds 10",
    "track --model sam2.1_hiera_tiny sam2.1_hiera_large --peers sdpa",
    "track --model sam2.1_hiera_tiny --frames 200 --peers sdpa",
)


def main(arguments: list[str] | None = None) -> None:
    """Runs the plan for the device and writes the page."""
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--device", default="cpu")
    flags.add_argument("--threads", type=int, default=0)
    flags.add_argument("--quick", action="store_true")
    flags.add_argument("--own", action="store_true")
    flags.add_argument("--output", type=Path, help="default: benchmarks/results/MACHINE.jsonl")
    options = flags.parse_args(arguments)
    output = options.output or RESULTS / f"{machine_name(options.device)}.jsonl"
    if options.own and not options.output:
        flags.error("--own needs --output FILE: its figures are for no page")
    unfinished = output.with_suffix(".part")
    unfinished.unlink(missing_ok=True)
    started = time.monotonic()
    for row in plan(options):
        section, *words = row.split()
        more = ["--device", options.device, "--threads", str(options.threads), "--dtypes", "auto"]
        SECTIONS[section].main([*words, *more, "--json", str(unfinished)])
    output.parent.mkdir(parents=True, exist_ok=True)
    unfinished.replace(output)
    print(f"{output}: {(time.monotonic() - started) / 60:.1f} minutes")
    if not options.quick and not options.own:
        report.main([str(output)])


def plan(options: argparse.Namespace) -> tuple[str, ...]:
    """The sections to run, as command lines."""
    if options.quick or options.own:
        return QUICK if options.quick else OWN
    return CPU if options.device == "cpu" else CUDA


def machine_name(device: str) -> str:
    """The processor's or the GPU's name as a file name.

    >>> file_name("Intel(R) Xeon(R) Processor @ 2.80GHz")
    'intel-xeon-processor-2.80ghz'
    """
    if device == "cpu":
        return file_name(processor())
    import torch

    return file_name(torch.cuda.get_device_name(device)) if torch.cuda.is_available() else "no-gpu"


def file_name(words: str) -> str:
    """Letters, digits, dots and dashes of a name."""
    return re.sub(r"[^a-z0-9.]+", "-", re.sub(r"\((r|tm)\)", "", words.lower())).strip("-")


if __name__ == "__main__":
    main()
