"""The starter's times on its card: encoding, a click, a box, boxes with their second look, and masks at full size.

Milliseconds, medians: processor time with one thread, time by the clock with more. Run it in turn in two checkouts to
compare them.

    python benchmarks/starter_speed.py
    python benchmarks/starter_speed.py --threads 2
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from statistics import median

import torch

import samhq
from samhq.image.frame import Frame

TIMES = 15
BOXES = [[x, y, x + 90, y + 110] for y in (60, 220) for x in (40, 180, 320, 460)]


def main() -> None:
    """Prints a line for each call."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1, help="of PyTorch; default: 1")
    threads = parser.parse_args().threads
    torch.set_num_threads(threads)
    clock = time.process_time if threads == 1 else time.perf_counter
    model, picture = samhq.load(), samhq.sample_picture()
    encoded = model.encode(picture)
    calls: dict[str, Callable[[], object]] = {
        "encode": lambda: model.encode(picture),
        "one click": lambda: model.segment(encoded, points=[[365, 285]]),
        "a box, without a second look": lambda: model.segment(encoded, box=[172, 17, 410, 209], refine=False),
        "a box, with its second look": lambda: model.segment(encoded, box=[326, 200, 407, 326]),
        "a picture and a box": lambda: model.segment(picture, box=[326, 200, 407, 326]),
        "a picture and eight boxes": lambda: model.segment(picture, boxes=BOXES),
        "a mask of 4000 x 3000 pixels": full_size((3000, 4000)),
        "a mask of 640 x 427 pixels": full_size((427, 640)),
    }
    for name, call in calls.items():
        print(f"{name}: {1e3 * middle(call, clock):.1f} ms")


def full_size(size_hw: tuple[int, int], side: int = 1024) -> Callable[[], object]:
    """Brings a mask with a wavy outline from SAM's low resolution to a picture of this size."""
    frame, grid = Frame.fit(size_hw, side), side // 4
    y, x = torch.meshgrid(torch.arange(grid) / grid, torch.arange(grid) / grid, indexing="ij")
    waves = 0.03 * torch.sin(40 * x) * torch.sin(37 * y)
    logits = 30 * (0.3 - torch.hypot(y - 0.4, x - 0.5) + waves)[None, None]
    return lambda: frame.masks_to_image(logits)


def middle(call: Callable[[], object], clock: Callable[[], float]) -> float:
    """The median of the call's seconds, after two calls that do not count."""
    times = []
    for _ in range(TIMES + 2):
        start = clock()
        call()
        times.append(clock() - start)
    return median(times[2:])


if __name__ == "__main__":
    main()
