"""How far masks in half precision are from those in float32, with the starter's own weights on photographs.

The photographs and outlines are those of `photographs.py`. For every precision: IoU of its masks with the float32
ones, mean and lowest, and the mean IoU with the outlines, which says what the difference costs.

    python benchmarks/precision.py
    python benchmarks/precision.py --model sam_hq_vit_b --dtypes bfloat16
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

import samhq
from benchmarks.photographs import OUTLINES, inner_point, outline_mask, photograph, tight_box


def masks_of(model: samhq.Segmenter, kind: str) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The model's masks of all outlined objects, each from its box or a click, and the outlines' own."""
    ours, truths = [], []
    for name, objects in json.loads(OUTLINES.read_text()).items():
        image = photograph(name)
        inside = [outline_mask(outline, image.shape[:2]) for outline in objects.values()]
        asked = [
            samhq.Prompt(box=tight_box(mask)) if kind == "box" else samhq.Prompt(points=[inner_point(mask)])
            for mask in inside
        ]
        ours += list(model.segment(image, prompts=asked).masks)
        truths += inside
    return ours, truths


def agreement(some: list[np.ndarray], others: list[np.ndarray]) -> list[float]:
    """IoU of every mask with its partner; two empty ones agree."""
    pairs = zip(some, others, strict=True)
    return [float((a & b).sum() / max((a | b).sum(), 1)) if (a | b).any() else 1.0 for a, b in pairs]


def main() -> None:
    """Prints a row for every kind of prompt and precision."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default=None, help="name or file; the starter when left out")
    parser.add_argument("--device", default=None)
    parser.add_argument("--dtypes", nargs="+", default=["bfloat16", "float16"])
    args = parser.parse_args()
    print("| prompt | precision | IoU with float32, mean | lowest | IoU with the outlines, mean |")
    print("|---|---|---:|---:|---:|")
    for kind in ("box", "click"):
        exact, truths = masks_of(samhq.load(args.model, device=args.device), kind)
        print(f"| {kind} | float32 | 1.0000 | 1.0000 | {np.mean(agreement(exact, truths)):.4f} |")
        for dtype in args.dtypes:
            masks, _ = masks_of(samhq.load(args.model, device=args.device, dtype=dtype), kind)
            same = agreement(masks, exact)
            outlines = np.mean(agreement(masks, truths))
            print(f"| {kind} | {dtype} | {np.mean(same):.4f} | {min(same):.4f} | {outlines:.4f} |")


if __name__ == "__main__":
    main()
