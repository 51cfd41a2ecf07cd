"""A job over many pictures that can be stopped and started again: only what is missing is done.

python examples/many_pictures.py --output out
python examples/many_pictures.py --pictures photos --output out --workers 2
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

import samhq
from samhq.batch import GivenPrompts, MaskFiles, SegmentWork, items_of, run_job

SUFFIXES = {".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp"}


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the job twice; the second time there is nothing left to do."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=Path, help="a folder; default: three crops of the sample picture")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--output", type=Path, default=Path("out"))
    args = parser.parse_args(arguments)
    folder = args.pictures or write_crops(args.output / "pictures")
    pictures = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    masks = args.output / "masks"
    work = SegmentWork(MaskFiles(masks), GivenPrompts([samhq.Prompt(box=[160, 10, 420, 220])]))
    for attempt in ("first", "second"):
        tally = run_job(items_of(pictures, masks), work, masks, resume=True, workers=args.workers)
        print(f"{attempt} run: {tally.done} done, {tally.skipped} skipped, {tally.failed} failed")


def write_crops(folder: Path) -> Path:
    """Pictures to work on."""
    folder.mkdir(parents=True, exist_ok=True)
    photograph = Image.open(samhq.sample_picture())
    for number in range(3):
        photograph.crop((8 * number, 0, 500 + 8 * number, 400)).save(folder / f"{number}.png")
    return folder


if __name__ == "__main__":  # Needed: with several workers each process imports this file.
    main()
