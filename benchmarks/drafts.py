"""Whole-image masks with and without `draft_first` on photographs: the share of equal masks, and processor time.

    python benchmarks/drafts.py --photos FOLDER                       # the starter, 16 x 16 points, every 150th picture
    python benchmarks/drafts.py --photos FOLDER --points 32 --count 4
    python benchmarks/drafts.py --photos FOLDER --model sam_hq_vit_tiny --pred-iou-thresh 0

A mask is equal if the same point has the same pixels. Agreement is twice the equal masks over the masks of both runs.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import samhq
from samhq.config import model_config
from samhq.image.suffixes import picture_files
from samhq.speed.ours import random_model


def main(arguments: list[str] | None = None) -> None:
    """A line for every picture, and one for all."""
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--photos", type=Path, required=True, help="folder of photographs")
    flags.add_argument("--model", help="default: the starter; an architecture gets random weights")
    flags.add_argument("--points", type=int, default=16, help="points along each side")
    flags.add_argument("--pred-iou-thresh", type=float, help="default: that of the weights")
    flags.add_argument("--every", type=int, default=150, help="of the pictures in order of names")
    flags.add_argument("--first", type=int, default=0, help="number of the first picture")
    flags.add_argument("--count", type=int, default=20, help="largest number of pictures")
    options = flags.parse_args(arguments)
    model = samhq.load() if options.model is None else samhq.Segmenter(random_model(model_config(options.model)))
    chosen = {"points_per_side": options.points}
    if options.pred_iou_thresh is not None:
        chosen["pred_iou_thresh"] = options.pred_iou_thresh
    pictures = picture_files(options.photos)
    total = [0, 0, 0.0, 0.0]
    for path in pictures[options.first :: options.every][: options.count]:
        encoded = model.encode(path)
        (exact, plain), (drafted, quick) = (timed(model, encoded, chosen, draft) for draft in (False, True))
        row = [2 * len(exact & drafted), len(exact) + len(drafted), plain, quick]
        total = [a + b for a, b in zip(total, row, strict=True)]
        print(f"{path.name}: {line(row)}", flush=True)
    print(f"all: {line(total)}")


def timed(model: samhq.Segmenter, encoded: samhq.EncodedImage, chosen: dict, draft: bool) -> tuple[set, float]:
    """The kept masks and the processor seconds."""
    started = time.process_time()
    result = samhq.segment_everything(encoded, model, draft_first=draft, **chosen)
    seconds = time.process_time() - started
    kept = result.kept
    points = map(tuple, kept.points.tolist())
    return {(point, changes.tobytes()) for point, changes in zip(points, kept.changes, strict=True)}, seconds


def line(row: list[float]) -> str:
    """The agreement, the number of masks and both times."""
    equal, masks, plain, quick = row
    return (
        f"agreement {equal / max(1, masks):.3f} of {masks} masks in both runs, CPU {plain:.2f} s, drafts {quick:.2f} s"
    )


if __name__ == "__main__":
    main()
