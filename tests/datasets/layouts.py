"""Small data sets on the disk with known masks, in every layout that is read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from samhq.masks import rle


def disc(height: int = 40, width: int = 56, centre: tuple[int, int] = (20, 20), radius: int = 9) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    return (y - centre[0]) ** 2 + (x - centre[1]) ** 2 <= radius**2


def photo(height: int = 40, width: int = 56, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def save(path: Path, values: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)
    return path


def grey(mask: np.ndarray) -> np.ndarray:
    return mask.astype(np.uint8) * 255


def pair(images: Path, masks: Path, stem: str, mask: np.ndarray) -> None:
    save(images / f"{stem}.jpg", photo(*mask.shape))
    save(masks / f"{stem}.png", grey(mask))


def annotation(number: int, image: int, mask: np.ndarray, category: int = 1, **more: Any) -> dict[str, Any]:
    rows, columns = np.nonzero(mask)
    box = [0, 0, 0, 0]
    if len(rows):
        size = [int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1]
        box = [int(columns.min()), int(rows.min()), *size]
    record = {"id": number, "image_id": image, "category_id": category, "segmentation": rle.encode(mask), "bbox": box}
    return record | {"area": int(mask.sum()), "iscrowd": 0} | more


def coco(path: Path, sizes: dict[str, tuple[int, int]], annotations: list[dict[str, Any]], folder: str = "") -> Path:
    """A COCO file whose images are numbered from 1 in the order of `sizes` (height, width), and its pictures."""
    images = []
    for number, (name, (height, width)) in enumerate(sizes.items(), 1):
        save(path.parent / folder / name, photo(height, width, number))
        images.append({"id": number, "file_name": name, "height": height, "width": width})
    categories = [{"id": 1, "name": "disc"}, {"id": 2, "name": "bar"}]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    return path
