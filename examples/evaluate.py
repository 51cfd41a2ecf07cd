"""How good a model is on pictures with known masks: IoU by prompt, with and without the HQ heads, and the worst object.

python examples/evaluate.py
python examples/evaluate.py --data val.json --images pictures --model sam_hq_vit_b

Without --data the sample picture is used, and the model's own masks from boxes are the truth. That shows the report.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

import samhq

BOXES = [[172, 17, 410, 209], [326, 200, 407, 326]]


def main(arguments: Sequence[str] | None = None) -> None:
    """Evaluates and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="a COCO file, or a folder with images/ and masks/")
    parser.add_argument("--images", type=Path, help="the folder of a COCO file's pictures")
    parser.add_argument("--model", default=None)
    parser.add_argument("--output", type=Path, default=Path("out"))
    args = parser.parse_args(arguments)
    model = samhq.load(args.model)
    data = args.data or write_data(args.output / "data", model)
    result = samhq.evaluate(model, data, images=args.images, prompts=["box", "1p"], hq=["add", "off"])
    print(result.table())
    worst = min(result.rows, key=lambda row: row.iou)
    print(f"The worst: object {worst.object} of {worst.picture} from {worst.prompt}, IoU {worst.iou:.2f}")


def write_data(folder: Path, model: samhq.Segmenter) -> Path:
    """A folder with a picture and a mask for each object."""
    masks = model.segment(samhq.sample_picture(), boxes=BOXES).masks
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for number, mask in enumerate(masks):
        Image.open(samhq.sample_picture()).save(folder / "images" / f"{number}.png")
        Image.fromarray(mask).convert("L").save(folder / "masks" / f"{number}.png")
    return folder


if __name__ == "__main__":
    main()
