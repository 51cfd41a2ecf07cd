"""Exported models beside torch: start-up, a cold command, encoding, one prompt, 64 prompts, in one run and in turn.

Beside them the original's contract, which sees one prompt a call and paints every mask at full size. Files are
exported first, into a folder that goes away again. A table in Markdown for each case, and with --json a line.

    python benchmarks/exported.py                          # the starter, and Light HQ-SAM with random weights
    python benchmarks/exported.py --model sam_hq_vit_b --dtypes float32 int8 --rounds 5
    python benchmarks/exported.py --model starter --starts --rounds 7    # processes alone: start-up and cold commands
    python benchmarks/exported.py --runtimes cpu openvino --json out/exported.jsonl
    python benchmarks/exported.py --json benchmarks/results/exported.jsonl --page    # make bench-onnx
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.compare import read
from benchmarks.end_to_end import elsewhere, in_turn, machine, write_weights
from benchmarks.everything import photograph, starter_config
from benchmarks.options import append
from benchmarks.report import PAGE, TORCH_ALONE, details, insert, section
from samhq.config import model_config
from samhq.speed.contest import Contest, Record, figures, installed_versions
from samhq.speed.measure import quartiles
from samhq.speed.work import Click, Decode, Encode, Entrant, Work
from samhq.speed.worker import OURS, Setting

READY = {
    "samhq": "import sys, samhq; samhq.load(sys.argv[1], device='cpu')",
    "samhq in ONNX Runtime": "import sys; from samhq.runtime import OnnxSegmenter; OnnxSegmenter(sys.argv[1])",
    "original contract in ONNX Runtime": (
        "import sys, onnxruntime; "
        "[onnxruntime.InferenceSession(f'{sys.argv[1]}/{name}.onnx') for name in ('encoder', 'decoder')]"
    ),
}


def main(arguments: list[str] | None = None) -> None:
    """All cases for every model."""
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--model", nargs="+", default=["starter", "sam_hq_vit_tiny"], metavar="NAME")
    flags.add_argument("--dtypes", nargs="+", default=["float32", "int8"], choices=["float32", "float16", "int8"])
    flags.add_argument("--runtimes", nargs="+", default=["cpu"], choices=["cpu", "openvino"])
    flags.add_argument("--prompts", nargs="+", type=int, default=[1, 64])
    flags.add_argument("--threads", type=int, default=0, help="of everybody; default: their own choice")
    flags.add_argument("--rounds", type=int, default=0, help="default: as many as fit into --seconds, at least 3")
    flags.add_argument("--seconds", type=float, default=20.0, help="for one case, about")
    flags.add_argument("--json", type=Path, metavar="FILE", help="append one line a case to FILE")
    flags.add_argument("--starts", action="store_true", help="measure start-up and cold commands, and no more")
    flags.add_argument("--page", action="store_true", help="write FILE anew, and its tables into docs/performance.md")
    options = flags.parse_args(arguments)
    if options.page:
        if not options.json:
            flags.error("--page needs --json FILE")
        options.json.unlink(missing_ok=True)
    if options.threads:
        os.environ["OMP_NUM_THREADS"] = str(options.threads)  # torch and ONNX Runtime read it when they start
    with tempfile.TemporaryDirectory() as folder:
        for name in options.model:
            one(name, Path(folder) / name, options)
    if options.page:
        insert(PAGE, details(read(options.json)), "exported")


def one(name: str, folder: Path, options: argparse.Namespace) -> None:
    """One model: its files, the starts of processes, then the work."""
    config = elsewhere(starter_config) if name == "starter" else model_config(name)
    exports = {f"samhq {dtype}": elsewhere(export, name, folder / dtype, dtype, "samhq") for dtype in options.dtypes}
    original = elsewhere(export, name, folder / "original", "float32", "original")
    starts(name, folder, str(folder / options.dtypes[0]), original, options)
    if options.starts:
        return
    setting = Setting(config, threads=options.threads, weights="starter" if name == "starter" else "random")
    entrants = [Entrant(OURS, "float32")]
    for runtime in options.runtimes:
        for label, place in exports.items():
            entrants.append(Entrant("benchmarks.exported_parties:Exported", label.split()[1], (place, runtime)))
    entrants.append(Entrant("benchmarks.exported_parties:Original", "float32", (original,)))
    hq = "add" if config.hq else "off"
    works: list[Work] = [Encode(config), *(Decode(config, count, "boxes", hq) for count in options.prompts)]
    with Contest(entrants, setting) as parties:
        for work in (*works, Click(config, 1, "points", hq)):
            tell(parties.measure(work, rounds=options.rounds, seconds=options.seconds), options)


def export(name: str, place: Path, dtype: str, contract: str) -> str:
    """Exports a model, the starter or one with random weights, and returns where its files are."""
    from samhq.checkpoint.load import load_model
    from samhq.export.convert import export as write
    from samhq.speed.ours import random_model

    model = load_model() if name == "starter" else random_model(model_config(name))
    write(model, place, dtype=dtype, contract=contract)  # type: ignore[arg-type]
    return str(place)


def starts(name: str, folder: Path, exported: str, original: str, options: argparse.Namespace) -> None:
    """A process until its model is ready, and a cold command from a photograph to a mask on disk."""
    weights = folder / f"{name}.safetensors"
    elsewhere(write_starter if name == "starter" else write_weights, name, weights)
    places = dict(zip(READY, (str(weights), exported, original), strict=True))
    commands = {label: [sys.executable, "-c", code, places[label]] for label, code in READY.items()}
    processes("start-up", name, commands, options)
    picture, _ = photograph(None, folder / "photograph.png", 1500)
    command = [sys.executable, "-m", "samhq", "segment", str(picture), "--box", "400,300,900,800", "--output"]
    cold = {
        "samhq": [*command, str(folder / "torch"), "--model", str(weights), "--device", "cpu"],
        "samhq in ONNX Runtime": [*command, str(folder / "onnx"), "--model", exported, "--device", "cpu"],
        TORCH_ALONE: [sys.executable, "-c", "import torch"],
    }
    processes("cold command", name, cold, options)


def write_starter(_: str, path: Path) -> None:
    """The embedded weights as a file of float32."""
    from samhq.checkpoint.load import load_model
    from samhq.checkpoint.save import save_model

    save_model(load_model(), path)


def processes(case: str, name: str, commands: dict[str, list[str]], options: argparse.Namespace) -> None:
    """The record of commands that are started in turn."""
    taken = in_turn(commands, options)
    parties: list[dict[str, Any]] = [
        {
            "name": label,
            "dtype": "" if label.startswith("import") else "float32",
            **figures([sample for sample, _ in runs], None, 1.0),
            "model_mb": None,
            "peak_mb": round(quartiles([peak for _, peak in runs]).median, 1),
            "difference": {},
        }
        for label, runs in taken.items()
    ]
    facts = {"weights": "starter" if name == "starter" else "random", "device": "cpu", "gflop": None, "gemm_gflops": {}}
    about = {"rounds": options.rounds or 3, "machine": elsewhere(machine), "versions": installed_versions()}
    tell({"case": case, "model": name, **facts, "parties": parties, "absent": {}, **about}, options)


def tell(record: Record, options: argparse.Namespace) -> None:
    """Prints the table and writes the line."""
    print(section(record), end="\n\n", flush=True)
    append(options.json, record)


if __name__ == "__main__":
    main()
