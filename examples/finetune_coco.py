"""Fine-tune the embedded starter on a COCO JSON that this script draws: cells under a microscope. Minutes on a CPU.

python examples/finetune_coco.py --output cells

Writes cells/train.json and cells/val.json with their pictures, then cells/run with the tuned checkpoint, and prints the
scores on the validation pictures before and after.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter
from pycocotools import mask as rle

import samhq
from samhq.cli.train import before_and_after


def main() -> None:
    """Draws, trains, compares."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("cells"))
    parser.add_argument("--pictures", type=int, default=60)
    parser.add_argument("--epochs", type=float, default=16)
    args = parser.parse_args()
    held_out = max(1, args.pictures // 5)
    train = write_coco(args.output / "train", range(args.pictures - held_out))
    val = write_coco(args.output / "val", range(10_000, 10_000 + held_out))
    config = samhq.TrainConfig(
        data=train,
        validation=val,
        output=args.output / "run",
        epochs=args.epochs,
        learning_rate=1e-3,
        kinds="box,point",
        scale=(0.8, 1.25),
        correct=0.0,
        cache=args.output / "features",
        workers=0,
    )
    trained = samhq.train(config)
    print("\n".join(before_and_after(trained.before, trained.after)))
    print(f"better than before: {trained.improved}; samhq.load({str(trained.best)!r}) is the tuned model")


def write_coco(folder: Path, seeds: range) -> Path:
    """Pictures in a folder and the COCO JSON beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    images, annotations = [], []
    for number, seed in enumerate(seeds, 1):
        picture, masks = draw_cells(np.random.default_rng(seed))
        name = f"{folder.name}-{number:03}.png"
        Image.fromarray(picture).save(folder / name)
        images.append({"id": number, "file_name": name, "height": picture.shape[0], "width": picture.shape[1]})
        annotations += [record(mask, len(annotations) + i, number) for i, mask in enumerate(masks, 1)]
    path = folder.with_suffix(".json")
    categories = [{"id": 1, "name": "cell"}]
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    return path


def record(mask: np.ndarray, number: int, image: int) -> dict:
    """One object as COCO writes it."""
    packed = rle.encode(np.asfortranarray(mask.astype(np.uint8)))
    x, y, width, height = rle.toBbox(packed).tolist()
    segmentation = {"size": list(mask.shape), "counts": packed["counts"].decode()}
    return {
        "id": number,
        "image_id": image,
        "category_id": 1,
        "segmentation": segmentation,
        "area": int(mask.sum()),
        "bbox": [x, y, width, height],
        "iscrowd": 0,
    }


def draw_cells(rng: np.random.Generator, side: int = 256) -> tuple[np.ndarray, np.ndarray]:
    """A picture uint8 [side,side,3] of 5 to 9 cells, some touching, and their visible masks bool [K,side,side]."""
    y, x = np.mgrid[:side, :side]
    grey = 165 + 12 * np.sin((x + 2 * y) / side * 6 + rng.uniform(0, 6)) + rng.normal(0, 4, (side, side))
    picture = np.stack([grey, 0.9 * grey, 0.95 * grey], -1)
    masks: list[np.ndarray] = []
    for _ in range(rng.integers(5, 10)):
        row, column = rng.uniform(20, side - 20, 2)
        radius, turn = rng.uniform(16, 34), rng.uniform(0, 6.3, 3)
        angle, far = np.arctan2(y - row, x - column), np.hypot(y - row, x - column)
        edge = radius * (1 + 0.16 * np.cos(2 * angle + turn[0]) + 0.07 * np.cos(3 * angle + turn[1]))
        body = far < edge
        masks = [mask & ~body for mask in masks]
        shade = np.where(far > edge - 4, 95.0, 138.0)[body]  # a dark membrane around a pale body
        nucleus = np.hypot(y - row - 4 * np.sin(turn[2]), x - column - 4 * np.cos(turn[2])) < 0.4 * radius
        shade[nucleus[body]] = 80
        picture[body] = shade[:, None] * (1.0, 0.75, 1.05) + rng.normal(0, 6, (body.sum(), 1))
        masks.append(body)
    soft = Image.fromarray(picture.clip(0, 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(0.8))
    return np.asarray(soft), np.stack([mask for mask in masks if mask.sum() > 100])


if __name__ == "__main__":
    main()
