"""Masks of objects in a picture from boxes and clicks: saved as PNG, as outlines, and as cut-outs.

python examples/segment.py --output out
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import samhq

#: Objects of the sample picture. For a picture of your own, change them: (x, y) and (x0, y0, x1, y1) in pixels.
OBJECTS = [
    samhq.Prompt(box=[172, 17, 410, 209], label="cup"),
    samhq.Prompt(box=[326, 200, 407, 326], label="spoon"),
    samhq.Prompt(points=[[180, 330], [420, 330], [285, 150]], labels=[1, 1, 0], label="saucer"),  # 1: on it, 0: not
]


def main(arguments: Sequence[str] | None = None) -> None:
    """Segments, prints a line an object, saves."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--picture", type=Path, default=samhq.sample_picture())
    parser.add_argument("--model", default=None, help="a name from `samhq models`, or a file; default: the starter")
    parser.add_argument("--output", type=Path, default=Path("out"))
    args = parser.parse_args(arguments)
    result = samhq.load(args.model).segment(args.picture, prompts=OBJECTS)
    for row, outline in zip(result.to_records(), result.polygons(tolerance=1.0), strict=True):
        corners = sum(len(part.exterior) for part in outline)
        print(f"{row['label']}: {row['area']} pixels, predicted IoU {row['score']:.2f}, outline of {corners} corners")
    for path in result.save(args.output, "objects", cutouts=True):
        print(path)


if __name__ == "__main__":
    main()
