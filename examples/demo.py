"""Segments three of scikit-image's photographs with the starter model, by boxes and clicks.

No network is needed. Run it with `make demo`, or: python examples/demo.py --output demo
"""

from __future__ import annotations

import argparse
import os
import textwrap
import time
from pathlib import Path

import numpy as np
import skimage.data
from PIL import Image

import samhq

# PyTorch's idle threads sleep, so that other programs do not slow this one down; the samhq command does the same.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

#: The middles of the 24 coins, (x, y).
COINS = [
    *([44, 54], [100, 56], [155, 51], [216, 51], [276, 53], [335, 44]),
    *([46, 124], [103, 126], [153, 127], [206, 124], [270, 119], [336, 125]),
    *([44, 198], [102, 196], [154, 198], [213, 193], [274, 194], [347, 187]),
    *([46, 260], [114, 266], [172, 262], [244, 264], [301, 264], [359, 268]),
]
#: For each photograph what is asked, with a name for the printed lines.
OBJECTS = {
    "astronaut": {
        "head": samhq.Prompt(box=[150, 10, 300, 200]),
        "badge": samhq.Prompt(box=[130, 340, 215, 425]),
        "helmet": samhq.Prompt(points=[[390, 430], [330, 470]]),
    },
    "coins": {f"coin {number}": samhq.Prompt(points=[middle]) for number, middle in enumerate(COINS, start=1)},
    "coffee": {
        "cup": samhq.Prompt(points=[[285, 150], [240, 60]]),
        "spoon": samhq.Prompt(box=[326, 200, 407, 326]),
    },
}


def main() -> None:
    """Writes photographs, masks, overlays, cut-outs and records, and one picture of all overlays."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("demo"))
    output = parser.parse_args().output
    output.mkdir(parents=True, exist_ok=True)

    start = time.perf_counter()
    model = samhq.load()
    print(f"loaded the starter in {time.perf_counter() - start:.2f} s")
    overlays = []
    for name, objects in OBJECTS.items():
        photograph = output / f"{name}.png"
        Image.fromarray(getattr(skimage.data, name)()).save(photograph)
        start = time.perf_counter()
        result = model.segment(photograph, prompts=list(objects.values()))
        seconds = time.perf_counter() - start
        result.save(output, name, cutouts=True)
        overlays.append(result.overlay())
        scores = ", ".join(f"{label} {score:.2f}" for label, score in zip(objects, result.scores, strict=True))
        print(f"{name}: {seconds:.2f} s, predicted IoU: {textwrap.shorten(scores, 80, placeholder=' ...')}")
    Image.fromarray(side_by_side(overlays)).save(output / "overview.jpg", quality=92)
    print(f"wrote masks, cut-outs and records to {output}/ - open {output / 'overview.jpg'}")


def side_by_side(pictures: list[np.ndarray], height: int = 320) -> np.ndarray:
    """The pictures in a row, all of one height."""
    resized = [Image.fromarray(p).resize((round(p.shape[1] * height / p.shape[0]), height)) for p in pictures]
    return np.concatenate([np.asarray(p) for p in resized], axis=1)


if __name__ == "__main__":
    main()
