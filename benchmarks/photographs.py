"""The starter beside OpenCV's GrabCut on real photographs, both started from the same boxes.

The photographs come with scikit-image; `photographs.json` holds outlines drawn by hand for this project, in
pixels, good to two or three of them. The box is the outline's tight box. Prints one row an object and the means;
`--sheet FILE` writes the pictures with outlines and masks to look at, `--json FILE` the figures.

    python benchmarks/photographs.py --sheet photographs.jpg
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import cv2
import numpy as np
import skimage.data
from PIL import Image, ImageDraw

import samhq
from samhq.evaluation.metrics import boundary_iou, iou

OUTLINES = Path(__file__).with_suffix(".json")


def outline_mask(outline: list[list[float]], size_hw: tuple[int, int]) -> np.ndarray:
    """The inside of an outline, bool [H,W]."""
    canvas = Image.new("1", (size_hw[1], size_hw[0]))
    ImageDraw.Draw(canvas).polygon([tuple(point) for point in outline], fill=1)
    return np.asarray(canvas)


def tight_box(mask: np.ndarray) -> list[int]:
    """The mask's box as (x0, y0, x1, y1), the last pixel left out."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return [int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1]


def grabcut(image: np.ndarray, box: list[int]) -> np.ndarray:
    """GrabCut's foreground after five rounds from a box, bool [H,W]."""
    cv2.setRNGSeed(0)
    labels = np.zeros(image.shape[:2], np.uint8)
    x0, y0, x1, y1 = box
    rect = (x0, y0, x1 - x0, y1 - y0)
    cv2.grabCut(image[..., ::-1].copy(), labels, rect, np.zeros((1, 65)), np.zeros((1, 65)), 5, cv2.GC_INIT_WITH_RECT)
    return (labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)


def photograph(name: str) -> np.ndarray:
    """One of scikit-image's photographs, uint8 RGB."""
    image = getattr(skimage.data, name)()
    return image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2)


def compare(model: samhq.Segmenter) -> tuple[list[dict[str, object]], list[np.ndarray]]:
    """A row of figures for every object, and a picture with both masks for every photograph."""
    rows, sheets = [], []
    for name, objects in json.loads(OUTLINES.read_text()).items():
        image = photograph(name)
        truths = np.stack([outline_mask(outline, image.shape[:2]) for outline in objects.values()])
        boxes = [tight_box(mask) for mask in truths]
        encoded = model.encode(image)
        ours = model.segment(encoded, boxes=boxes)
        clicks = [samhq.Prompt(points=[inner_point(mask)]) for mask in truths]
        clicked = model.segment(encoded, prompts=clicks)
        theirs = np.stack([grabcut(image, box) for box in boxes])
        for i, label in enumerate(objects):
            rows.append(
                {
                    "photograph": name,
                    "object": label,
                    "box": score(ours.masks[i], truths[i]),
                    "click": score(clicked.masks[i], truths[i]),
                    "grabcut": score(theirs[i], truths[i]),
                }
            )
        sheets += [ours.overlay(), clicked.overlay(), painted(image, theirs), painted(image, truths)]
    return rows, sheets


def inner_point(mask: np.ndarray) -> list[int]:
    """The pixel (x, y) farthest from the mask's border."""
    distance = cv2.distanceTransform(np.pad(mask, 1).astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1]
    y, x = np.unravel_index(distance.argmax(), distance.shape)
    return [int(x), int(y)]


def score(mask: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """IoU and boundary IoU."""
    import torch

    pair = torch.from_numpy(np.ascontiguousarray(mask)), torch.from_numpy(truth)
    return float(iou(*pair)), float(boundary_iou(*pair))


def painted(image: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """The picture with masks in colour."""
    from samhq.image.draw import overlay

    return overlay(image, masks)


def sheet(pictures: list[np.ndarray], columns: int = 4, width: int = 480) -> Image.Image:
    """Pictures side by side: box, click, GrabCut, outline."""
    tiles = [Image.fromarray(p).resize((width, round(p.shape[0] * width / p.shape[1]))) for p in pictures]
    rows = [tiles[i : i + columns] for i in range(0, len(tiles), columns)]
    page = Image.new("RGB", (columns * width, sum(max(t.height for t in row) for row in rows)))
    top = 0
    for row in rows:
        for i, tile in enumerate(row):
            page.paste(tile, (i * width, top))
        top += max(tile.height for tile in row)
    return page


def main() -> None:
    """Runs the comparison and prints it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default=None, help="name or file; the starter when left out")
    parser.add_argument("--sheet", type=Path)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    rows, pictures = compare(samhq.load(args.model))
    print("| photograph | object | box IoU / boundary | click IoU / boundary | GrabCut IoU / boundary |")
    print("|---|---|---|---|---|")
    kinds = ("box", "click", "grabcut")
    for row in rows:
        cells = " | ".join(f"{row[k][0]:.3f} / {row[k][1]:.3f}" for k in kinds)
        print(f"| {row['photograph']} | {row['object']} | {cells} |")
    means = {k: np.mean([row[k] for row in rows], axis=0) for k in kinds}
    print("| mean | | " + " | ".join(f"{means[k][0]:.3f} / {means[k][1]:.3f}" for k in kinds) + " |")
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1))
    if args.sheet:
        sheet(pictures).save(args.sheet, quality=88)


if __name__ == "__main__":
    main()
