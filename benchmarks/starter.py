"""The starter's figures for its card, on photographs that its training held out, by kind of picture.

Asked with each object's tight box and with one click on its middle, through the library as a user calls it. Beside it
stand the filled box, the least to ask for, and OpenCV's GrabCut from the same box. The photographs are those of a COCO
file whose entries name their `source`; the held-out ones follow from their file names. Thin things are drawn, with
exact masks, across scikit-image's photographs, which no training sees.

    python benchmarks/starter.py --photos ../shared/photos/annotations.json --json out/starter.json
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))

import samhq
from benchmarks.photographs import OUTLINES, grabcut, inner_point, outline_mask, photograph, score, tight_box
from samhq.datasets.open import open_dataset
from samhq.datasets.weighted import split
from samhq.image.draw import overlay
from samhq.training.compose.thin import draw_thin
from samhq.training.compose.views import whole_window, window_canvas

#: Percent of the photographs that training holds out.
HELD_OUT = 8
#: Kinds of pictures by a part of their source's name.
KINDS = {
    "coco": "everyday",
    "pet": "pets",
    "cat": "cats",
    "kuih": "food",
    "chicken": "food",
    "dsb": "cells",
    "facade": "façades",
    "screw": "screws",
}
#: Most pictures of a kind, most objects of a picture, and fewest pixels of an object.
PICTURES, OBJECTS, PIXELS = 24, 2, 100
THIN_ON = ("coffee", "astronaut", "rocket", "chelsea")


@dataclass(frozen=True, eq=False)
class Case:
    """A picture of a kind with the true masks of some of its objects."""

    kind: str
    image: np.ndarray
    masks: list[np.ndarray]


def held_out_cases(photos: Path) -> Iterator[Case]:
    """Photographs that training held out, the same ones in the same order each time."""
    pictures = split(open_dataset(photos), HELD_OUT)[1]
    whole, places = pictures.pictures, pictures.places  # type: ignore[attr-defined]
    counts: dict[str, int] = defaultdict(int)
    for place in sorted(places, key=lambda p: hashlib.sha256(whole.file_name(p).encode()).hexdigest()[8:]):
        source = whole.source(place).lower()
        kind = next((kind for part, kind in KINDS.items() if part in source), "other")
        if counts[kind] >= PICTURES:
            continue
        sample = whole[place]
        masks = [sample.masks[i] for i in sample.objects if sample.masks[i].sum() >= PIXELS]
        if masks:
            counts[kind] += 1
            chosen = np.random.default_rng(place).permutation(len(masks))[:OBJECTS]
            yield Case(kind, sample.image, [masks[i] for i in chosen])


def thin_cases(count: int = 32) -> Iterator[Case]:
    """Drawn cables, lines and branches across scikit-image's photographs."""
    for number in range(count):
        rng = np.random.default_rng(7_000 + number)
        image = photograph(THIN_ON[number % len(THIN_ON)])
        ground = window_canvas(image, [], whole_window(image.shape[:2], 1.3, rng), 448)
        drawn = draw_thin(ground, [ground.image], rng)
        masks = [layer.cover >= 128 for layer in drawn.layers if layer.area >= PIXELS][:OBJECTS]
        if masks:
            yield Case("thin, drawn", drawn.image, masks)


def outlined_cases() -> Iterator[Case]:
    """Objects on scikit-image's photographs, outlined by hand."""
    for name, objects in json.loads(OUTLINES.read_text()).items():
        image = photograph(name)
        yield Case("outlined", image, [outline_mask(outline, image.shape[:2]) for outline in objects.values()])


def measure(model: samhq.Segmenter, case: Case, hq: str | None = None) -> list[dict[str, object]]:
    """A row for each object: IoU and boundary IoU of every way, and the predicted IoU of the model's own."""
    encoded, rows = model.encode(case.image), []
    for mask in case.masks:
        box = tight_box(mask)
        boxed = model.segment(encoded, box=box, hq=hq)
        clicked = model.segment(encoded, points=[inner_point(mask)], hq=hq)
        filled = np.zeros_like(mask)
        filled[box[1] : box[3], box[0] : box[2]] = True
        cut = filled if filled.all() else grabcut(case.image, box)
        rows.append(
            {
                "kind": case.kind,
                "box": score(boxed.masks[0], mask),
                "click": score(clicked.masks[0], mask),
                "grabcut": score(cut, mask),
                "filled": score(filled, mask),
                "predicted": [float(boxed.scores[0]), float(clicked.scores[0])],
            }
        )
    return rows


def table(rows: list[dict[str, object]]) -> str:
    """The means by kind in Markdown, and over the kinds of photographs."""
    kinds = list(dict.fromkeys(row["kind"] for row in rows))
    lines = ["| kind | objects | box | one click | GrabCut | filled box |", "|---|---:|---|---|---|---|"]
    means = {kind: _means([row for row in rows if row["kind"] == kind]) for kind in kinds}
    for kind in kinds:
        lines.append(_line(str(kind), sum(row["kind"] == kind for row in rows), means[kind]))
    held_out = [means[kind] for kind in kinds if kind != "outlined"]
    lines.append(_line("**mean over the kinds**, without outlined", len(rows), np.mean(held_out, axis=0)))
    return "\n".join(lines)


def _means(rows: list[dict[str, object]]) -> np.ndarray:
    ways = ("box", "click", "grabcut", "filled")
    return np.array([np.mean([row[way] for row in rows], axis=0) for way in ways])  # type: ignore[misc]


def _line(name: str, count: int, means: np.ndarray) -> str:
    return f"| {name} | {count} | " + " | ".join(f"{iou:.3f} / {edge:.3f}" for iou, edge in means) + " |"


def reliability(rows: list[dict[str, object]]) -> str:
    """How the predicted IoU goes with the true one: their correlation, and the mean true IoU by tenths."""
    pairs = np.array(
        [(p, row[way][0]) for row in rows for p, way in zip(row["predicted"], ("box", "click"), strict=True)]  # type: ignore[index,call-overload]
    )
    lines = [f"correlation of predicted and true IoU: {np.corrcoef(pairs.T)[0, 1]:.2f} over {len(pairs)} masks", ""]
    lines += ["| predicted IoU | masks | mean true IoU |", "|---|---:|---:|"]
    for low in np.arange(0, 1, 0.1):
        inside = (pairs[:, 0] >= low) & (pairs[:, 0] < low + 0.1)
        if inside.any():
            lines.append(f"| {low:.1f} to {low + 0.1:.1f} | {inside.sum()} | {pairs[inside, 1].mean():.2f} |")
    return "\n".join(lines)


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default=None, help="name or file; the starter when left out")
    parser.add_argument("--photos", type=Path, default=None, help="COCO file of the training photographs")
    parser.add_argument("--hq", choices=("add", "only", "off"), default=None, help="the model's own when left out")
    parser.add_argument("--sheet", type=Path, default=None, help="a picture of every case: boxes, clicks, truth")
    parser.add_argument("--json", type=Path, default=None, help="a file for the figures of every object")
    args = parser.parse_args()
    model = samhq.load(args.model)
    cases = [*(held_out_cases(args.photos) if args.photos else ()), *thin_cases(), *outlined_cases()]
    rows = [row for case in cases for row in measure(model, case, args.hq)]
    print(table(rows), "", reliability(rows), sep="\n")
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(rows, default=float))
    if args.sheet:
        args.sheet.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(sheet(model, cases)).save(args.sheet)


def sheet(model: samhq.Segmenter, cases: list[Case], tile: int = 240) -> np.ndarray:
    """Rows of masks from boxes, masks from clicks, and the truth, for every fourth case."""
    rows = []
    for case in cases[::4]:
        encoded = model.encode(case.image)
        boxed = model.segment(encoded, boxes=[tight_box(mask) for mask in case.masks])
        clicked = model.segment(encoded, prompts=[samhq.Prompt(points=[inner_point(mask)]) for mask in case.masks])
        shown = (boxed.masks, clicked.masks, np.stack(case.masks))
        tiles = [Image.fromarray(overlay(case.image, masks)).resize((tile, tile)) for masks in shown]
        rows.append(np.concatenate([np.asarray(picture) for picture in tiles], axis=1))
    while len(rows) % 3:
        rows.append(np.zeros_like(rows[0]))
    columns = [np.concatenate(rows[i::3]) for i in range(3)]
    return np.concatenate(columns, axis=1)


if __name__ == "__main__":
    main()
