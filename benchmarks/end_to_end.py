"""From a file to a mask: a cold `samhq segment`, and a click on a picture that is encoded already.

The cold command reads a photograph and a weights file, and writes a mask; beside it the same with transformers, and
what Python takes to import PyTorch and nothing else. The click ends with a mask of the photograph's size in memory.

    python benchmarks/end_to_end.py                       # Light HQ-SAM's architecture
    python benchmarks/end_to_end.py --model sam_hq_vit_b --rounds 3
    python benchmarks/end_to_end.py --imports             # what the cold command imports, and how long that takes
    python benchmarks/end_to_end.py --only click --dtypes float32 bfloat16
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.everything import photograph
from benchmarks.options import append, contest, parser, show
from benchmarks.report import TORCH_ALONE
from samhq.config import model_config
from samhq.encoder_config import TinyViTConfig
from samhq.speed.contest import Record, figures, installed_versions
from samhq.speed.measure import Measurement, quartiles
from samhq.speed.report import text, text_table
from samhq.speed.work import Click, decoder_only

BOX = (400, 300, 900, 800)
THEIRS = """
import sys
import torch
from PIL import Image
from transformers import {family}Model
from transformers.models.sam.image_processing_pil_sam import SamImageProcessorPil
folder, picture, mask = sys.argv[1:]
model, processor = {family}Model.from_pretrained(folder).eval(), SamImageProcessorPil.from_pretrained(folder)
with Image.open(picture) as opened:
    image = opened.convert("RGB")
inputs = processor(images=image, return_tensors="pt")
(high, wide), (height, width) = inputs["reshaped_input_sizes"][0].tolist(), inputs["original_sizes"][0].tolist()
box = [value * scale for value, scale in zip({box}, [wide / width, high / height] * 2)]
with torch.inference_mode():
    output = model(inputs["pixel_values"], input_boxes=torch.tensor([[box]]), multimask_output=False)
masks = processor.post_process_masks(output.pred_masks, inputs["original_sizes"], inputs["reshaped_input_sizes"])
Image.fromarray(masks[0][0, 0].numpy()).save(mask)
"""


def main(arguments: list[str] | None = None) -> None:
    """Both cases for every model."""
    flags = parser(__doc__, models=["sam_hq_vit_tiny"], peers=["sdpa"])
    flags.add_argument("--only", choices=["cold", "click"])
    flags.add_argument("--imports", action="store_true", help="list what the cold command imports, and do no more")
    options = flags.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        picture, _ = photograph(None, Path(folder) / "photograph.png", 1500)
        for name in options.model:
            if options.imports:
                imports(ours(name, Path(folder), picture))
                continue
            if options.only != "click":
                cold(name, Path(folder), picture, options)
            if options.only != "cold":
                click(name, options)


def click(name: str, options: argparse.Namespace) -> None:
    """A point on an encoded photograph."""
    config = decoder_only(model_config(name))
    with contest(config, options) as parties:
        show(parties, Click(config, 1, "points", "add" if config.hq else "off"), options)


def cold(name: str, folder: Path, picture: Path, options: argparse.Namespace) -> None:
    """A whole command, from its start to its end, in turn with the others."""
    commands = {"samhq segment": ours(name, folder, picture)}
    absent = {}
    if "sdpa" not in options.peers:
        absent["transformers sdpa"] = "not asked"
    elif isinstance(model_config(name).encoder, TinyViTConfig):
        absent["transformers sdpa"] = "has no TinyViT"
    else:
        commands["transformers sdpa"] = theirs(name, folder, picture)
    commands[TORCH_ALONE] = [sys.executable, "-c", "import torch"]
    show_cold(name, in_turn(commands, options), absent, options)


def ours(name: str, folder: Path, picture: Path) -> list[str]:
    """The command, with a file of random weights."""
    weights, box = folder / f"{name}.safetensors", ",".join(map(str, BOX))
    elsewhere(write_weights, name, weights)
    command = [sys.executable, "-m", "samhq", "segment", str(picture), "--model", str(weights), "--box", box]
    return [*command, "--device", "cpu", "--output", str(folder / "ours")]


def theirs(name: str, folder: Path, picture: Path) -> list[str]:
    """The same by a program that uses transformers, with the same weights as a folder."""
    weights = folder / name
    elsewhere(write_weights, name, weights)
    program = THEIRS.format(family="SamHQ" if model_config(name).hq else "Sam", box=list(BOX))
    return [sys.executable, "-c", program, str(weights), str(picture), str(folder / "theirs.png")]


def elsewhere(work: Callable[..., Any], *arguments: Any) -> Any:
    """What a function returns, called in another process.

    This one stays small: a process begins with the resident memory of the one that starts it as its highest so far.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(work, *arguments).result()


def write_weights(name: str, path: Path) -> None:
    """A file, or a folder in transformers' form, of random weights."""
    from samhq.checkpoint.save import save_model
    from samhq.speed.ours import random_model

    save_model(random_model(model_config(name)), path)


def machine() -> dict[str, Any]:
    """The machine and the versions."""
    import torch

    from samhq.speed.machine import describe_machine

    return describe_machine(torch.device("cpu"))


def in_turn(commands: dict[str, list[str]], options: argparse.Namespace) -> dict[str, list[tuple[Measurement, float]]]:
    """For each command what its runs took, and the MiB at its peak; each runs once before, to warm the disk's cache."""
    for command in commands.values():
        run(command, options.threads)
    taken: dict[str, list[tuple[Measurement, float]]] = {label: [] for label in commands}
    for _ in range(options.rounds or 3):
        for label, command in commands.items():
            taken[label].append(run(command, options.threads))
    return taken


def run(command: list[str], threads: int) -> tuple[Measurement, float]:
    """One process, waited for: what it took, and its resident MiB at its peak."""
    environment = {**os.environ, **({"OMP_NUM_THREADS": str(threads)} if threads else {}), "HF_HUB_OFFLINE": "1"}
    started = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"exit code {process.returncode}: {' '.join(command)}")
    return Measurement(seconds, used.ru_utime + used.ru_stime, used.ru_minflt), used.ru_maxrss / 1024


def show_cold(
    name: str, taken: dict[str, list[tuple[Measurement, float]]], absent: dict[str, str], options: argparse.Namespace
) -> None:
    """The table and the line of cold commands."""
    parties = [
        {
            "name": "samhq" if label == "samhq segment" else label,
            "dtype": "" if "torch" in label else "float32",
            **figures([sample for sample, _ in runs], None, 1.0),
            "model_mb": None,
            "peak_mb": round(quartiles([peak for _, peak in runs]).median, 1),
            "difference": {},
        }
        for label, runs in taken.items()
    ]
    record: Record = {
        "case": "cold command",
        "model": name,
        "weights": "random",
        "device": "cpu",
        "gflop": None,
        "gemm_gflops": {},
        "rounds": options.rounds or 3,
        "parties": parties,
        "absent": absent,
        "machine": elsewhere(machine),
        "versions": installed_versions(),
    }
    print(text(record), end="\n\n", flush=True)
    append(options.json, record)


def imports(command: list[str]) -> None:
    """Seconds that a command's imports take, by top-level package, of all and of this library's modules."""
    python, *rest = command
    done = subprocess.run(
        [python, "-X", "importtime", *rest], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=True
    )
    own: Counter[str] = Counter()
    count: Counter[str] = Counter()
    for line in re.findall(r"import time:\s+(\d+) \|\s+\d+ \|\s+(\S+)", done.stderr.decode()):
        package = line[1].split(".")[0]
        own[package] += int(line[0])
        count[package] += 1
    total = sum(own.values()) / 1e6
    rows = [(name, str(count[name]), f"{micro / 1e6:.3f}") for name, micro in own.most_common(25)]
    print(f"{total:.2f} s of imports (slower than without -X importtime)")
    print(text_table([("package", "modules", "seconds of its own"), *rows]))


if __name__ == "__main__":
    main()
