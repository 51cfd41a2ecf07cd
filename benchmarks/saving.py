"""What reading and writing take of a folder's work, on photographs of 12 megapixels with two boxes each.

The first table has the processor time of each step: read, encode, segment, save. The second has a job over the folder
(`samhq segment FOLDER`), once with one step after the other and once with the next picture read and the last ones saved
in threads, in turn; medians. Its last column is the share of the main thread's time that is outside the network's
encoder and decoder: what the network waits for.

Scikit-image's photographs are enlarged to 4000 x 3000 pixels and written as JPEG into a temporary folder. The starter,
or an architecture with random weights; PyTorch has one thread.

    python benchmarks/saving.py
    python benchmarks/saving.py --model sam_hq_vit_b --pictures 4 --rounds 1
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))

import samhq
from benchmarks.photographs import photograph
from samhq.batch import GivenPrompts, Item, MaskFiles, ModelSettings, Outcome, SegmentWork, items_of, run_job
from samhq.checkpoint.save import save_model
from samhq.config import model_config
from samhq.image.read import read_image
from samhq.model.sam import Sam
from samhq.speed.ours import random_model

NAMES = ("coffee", "astronaut", "rocket", "chelsea")
BOXES = [[500, 500, 2000, 2000], [2200, 300, 3600, 2500]]


def main() -> None:
    """Prints both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="starter", help="starter, or an architecture; default: starter")
    parser.add_argument("--pictures", type=int, default=12, help="in the folder; default: 12")
    parser.add_argument("--rounds", type=int, default=3, help="of the job, each way; default: 3")
    options = parser.parse_args()
    torch.set_num_threads(1)
    network = timed_network()
    with tempfile.TemporaryDirectory() as folder:
        paths = [drawn(Path(folder) / f"{number}.jpg", number) for number in range(options.pictures)]
        weights = None if options.model == "starter" else Path(folder, "model.safetensors")
        if weights is not None:
            save_model(random_model(model_config(options.model)), weights)
        steps(paths[: len(NAMES)], samhq.load(weights), network, Path(folder))
        jobs(paths, weights, options.rounds, network, Path(folder))


def drawn(path: Path, number: int) -> Path:
    """Writes the photograph with this number: the photographs in turn, then the same ones mirrored, and so on."""
    picture = Image.fromarray(photograph(NAMES[number % len(NAMES)]))
    turns = (None, Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.FLIP_TOP_BOTTOM, Image.Transpose.ROTATE_180)
    turn = turns[number // len(NAMES) % len(turns)]
    picture = picture if turn is None else picture.transpose(turn)
    picture.resize((4000, 3000), Image.Resampling.BICUBIC).save(path, quality=92)
    return path


def steps(paths: list[Path], model: samhq.Segmenter, network: list[float], folder: Path) -> None:
    """Prints the mean processor time of each step for a picture."""
    seconds: dict[str, float] = defaultdict(float)

    @contextmanager
    def step(name: str) -> Iterator[None]:
        start = time.process_time()
        yield
        seconds[name] += time.process_time() - start

    model.segment(paths[0], boxes=BOXES)  # Not counted: the first run sets up the network.
    network.clear()
    for path in paths:
        with step("read JPEG"):
            image = read_image(path)
        with step("encode"):
            encoded = model.encode(image)
        with step("segment, with the second look and masks at full size"):
            result = model.segment(encoded, boxes=BOXES)
        with step("save masks, record and overlay"):
            result.save(folder / "all", path.stem)
        with step("save masks and record"):
            result.save(folder / "plain", path.stem, overlay=False)
    print("| step | CPU s |\n| --- | ---: |")
    print("\n".join(f"| {name} | {total / len(paths):.3f} |" for name, total in seconds.items()))
    print(f"| of which in the network | {sum(network) / len(paths):.3f} |")


@dataclass(frozen=True)
class Loaded:
    """A work whose model is loaded already."""

    each: Callable[[Item], Outcome]

    def __call__(self) -> Callable[[Item], Outcome]:
        """The function of a picture."""
        return self.each


def jobs(paths: list[Path], weights: Path | None, rounds: int, network: list[float], folder: Path) -> None:
    """Prints the times of a job over the folder for a picture, both ways."""
    model = ModelSettings(None if weights is None else str(weights), device="cpu")
    out, prompts = folder / "job", GivenPrompts([samhq.Prompt(box=box) for box in BOXES])
    work, items = Loaded(SegmentWork(MaskFiles(out), prompts, model=model)()), items_of(paths)
    clocks = (time.perf_counter, time.process_time, time.thread_time)
    ways = {"one step after the other": False, "in threads": True}
    taken: dict[str, list[list[float]]] = defaultdict(list)
    for _ in range(rounds):
        for way, overlapped in ways.items():
            network.clear()
            starts = [clock() for clock in clocks]
            # A job that ends at the first failure begins no picture before the last one is saved.
            run_job(items, work, out, keep_going=overlapped, progress=False)
            spent = [clock() - start for clock, start in zip(clocks, starts, strict=True)]
            taken[way].append([value / len(paths) for value in (*spent, sum(network))])
    print("\n| a picture | clock, s | CPU of all threads, s | of the main one, s | in the network, s | outside it |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for way, rows in taken.items():
        clock, cpu, main, inside = (median(column) for column in zip(*rows, strict=True))
        print(f"| {way} | {clock:.3f} | {cpu:.3f} | {main:.3f} | {inside:.3f} | {1 - inside / main:.0%} |")


def timed_network() -> list[float]:
    """A list that gets the processor seconds of every call of a network's encoder and decoder."""
    seconds: list[float] = []

    def timed(method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any, **options: Any) -> Any:
            start = time.thread_time()
            try:
                return method(*given, **options)
            finally:
                seconds.append(time.thread_time() - start)

        return call

    for name in ("encode", "prepared", "decode"):
        setattr(Sam, name, timed(getattr(Sam, name)))
    return seconds


if __name__ == "__main__":
    main()
