"""Segments the package's photograph of a coffee cup with the starter model, by boxes and a click.

No network is needed. Run it with `make demo`, or: python examples/demo.py --output demo
"""

from __future__ import annotations

import argparse
import resource
import time
from pathlib import Path

import samhq

RIM, SPOON, ESPRESSO = [172, 17, 410, 209], [326, 200, 407, 326], [203, 95, 370, 194]


def main() -> None:
    """Writes the photograph, masks, overlay, cut-outs and record, and says where they are."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("demo"))
    output = parser.parse_args().output
    photograph = samhq.sample_picture()

    start = time.perf_counter()
    model = samhq.load()
    loaded = time.perf_counter()
    encoded = model.encode(photograph)
    encoded_at = time.perf_counter()
    prompts = [samhq.Prompt(box=RIM), samhq.Prompt(box=SPOON), samhq.Prompt(points=[[285, 150]], box=ESPRESSO)]
    result = model.segment(encoded, prompts=prompts)
    done = time.perf_counter()
    files = result.save(output, "coffee", cutouts=True)

    for name, score, area in zip(("cup rim", "spoon", "espresso"), result.scores, result.areas, strict=True):
        print(f"{name:9} predicted IoU {score:.2f}, {area} pixels")
    print(f"load {loaded - start:.2f} s, encode {encoded_at - loaded:.2f} s, three prompts {done - encoded_at:.2f} s")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")
    print(f"wrote {len(files)} files to {output}/ - open {output / 'coffee_overlay.jpg'}")


if __name__ == "__main__":
    main()
