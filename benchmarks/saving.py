"""The processor time of each step of a folder's work: read, encode, segment, save; on photographs of 12 megapixels.

Scikit-image's photographs are enlarged to 4000 x 3000 pixels and written as JPEG into a temporary folder. Each gets two
boxes. The starter, one thread. The last line is the share of a picture's time, saving with overlay, that is neither
the network's encoder nor its decoder.

    python benchmarks/saving.py
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))

import samhq
from benchmarks.photographs import photograph
from samhq.image.read import read_image
from samhq.model.sam import Sam

NAMES = ("coffee", "astronaut", "rocket", "chelsea")
BOXES = [[500, 500, 2000, 2000], [2200, 300, 3600, 2500]]


def main() -> None:
    """Prints a table of mean seconds for each picture."""
    torch.set_num_threads(1)
    model = samhq.load()
    seconds: dict[str, float] = defaultdict(float)
    network = timed_network(model.model)

    @contextmanager
    def step(name: str) -> Iterator[None]:
        start = time.process_time()
        yield
        seconds[name] += time.process_time() - start

    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{name}.jpg" for name in NAMES]
        for name, path in zip(NAMES, paths, strict=True):
            Image.fromarray(photograph(name)).resize((4000, 3000), Image.Resampling.BICUBIC).save(path, quality=92)
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
                result.save(Path(folder) / "all", path.stem)
            with step("save masks and record"):
                result.save(Path(folder) / "plain", path.stem, overlay=False)
    print("\n".join(f"| {name} | {total / len(NAMES):.3f} |" for name, total in seconds.items()))
    picture = sum(total for name, total in seconds.items() if name != "save masks and record")
    print(f"| of which in the network | {sum(network) / len(NAMES):.3f} |")
    print(f"\n{1 - sum(network) / picture:.0%} of the time is outside the network")


def timed_network(network: Sam) -> list[float]:
    """A list that gets the processor seconds of every call of the network's encoder and decoder."""
    seconds: list[float] = []

    def timed(method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any, **options: Any) -> Any:
            start = time.process_time()
            try:
                return method(*given, **options)
            finally:
                seconds.append(time.process_time() - start)

        return call

    for name in ("encode", "prepared", "decode"):
        setattr(network, name, timed(getattr(network, name)))
    return seconds


if __name__ == "__main__":
    main()
