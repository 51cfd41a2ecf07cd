"""Masks of everything in a picture, without prompts: a label map, a record that can be read again, and a COCO file.

python examples/everything.py --output out
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import samhq
from samhq.cli.main import main as samhq_command


def main(arguments: Sequence[str] | None = None) -> None:
    """Finds masks, filters them, writes them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--picture", type=Path, default=samhq.sample_picture())
    parser.add_argument("--points-per-side", type=int, default=16, help="more find smaller things and take longer")
    parser.add_argument("--output", type=Path, default=Path("out"))
    args = parser.parse_args(arguments)
    found = samhq.segment_everything(args.picture, points_per_side=args.points_per_side)
    height, width = found.label_map().shape
    big = [area for area in found.areas if area > 0.01 * height * width]
    print(f"{len(found)} masks, {len(big)} of more than 1 % of the picture")
    print(f"{np.count_nonzero(found.label_map()) / (height * width):.0%} of the pixels are in a mask")
    found.save(args.output / "records", args.picture.stem, labels=True)
    records, coco = str(args.output / "records"), str(args.output / "coco")
    if samhq_command(["write", records, "--format", "coco", "--output", coco]):
        raise SystemExit("The COCO file was not written.")
    print(f"wrote {records} and {coco}")


if __name__ == "__main__":
    main()
