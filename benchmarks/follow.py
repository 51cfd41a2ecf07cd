"""How well a model without memory follows an object: clips made of photographs that training held out.

    python benchmarks/follow.py --photos FOLDER/annotations.json --sheet out/follow.png

An object is cut out by its true mask, and moves, turns, grows and shrinks over another photograph, which moves too. The
box of frame 0 is given. "matching" is `samhq track`; "last box" prompts each frame with the box of the frame before,
8 % larger; "true box" prompts each frame with the object's own box, which no tracker knows.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))

import samhq
from benchmarks.starter import Case, held_out_cases
from samhq.image.boxes import boxes_from_masks
from samhq.image.draw import overlay
from samhq.storage.atomic import whole_file, write_json
from samhq.video.segmenter import VideoSegmenter

WAYS = ("matching", "last box", "true box")
SIZE = (360, 240)  #: Width and height of a frame.


@dataclass(frozen=True, eq=False)
class Clip:
    """Frames with the true masks of the object."""

    kind: str
    frames: list[np.ndarray]
    masks: list[np.ndarray]


def main() -> None:
    """Measures the clips one by one, prints the means, and writes them."""
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--photos", type=Path, required=True)
    flags.add_argument("--model", help="default: the starter")
    flags.add_argument("--clips", type=int, default=16)
    flags.add_argument("--frames", type=int, default=24)
    flags.add_argument("--json", type=Path)
    flags.add_argument("--sheet", type=Path, help="a picture of every sixth frame with its mask")
    options = flags.parse_args()
    model = samhq.load(options.model)
    rows: list[dict[str, Any]] = []
    sheet = []
    for clip in clips(options.photos, options.clips, options.frames):
        found = {way: masks_of(model, clip, way) for way in WAYS}
        rows.append({"kind": clip.kind} | {way: means(masks, clip) for way, masks in found.items()})
        sheet.append([overlay(f, m[None]) for f, m in zip(clip.frames[::6], found["matching"][::6], strict=True)])
        print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    print(table(rows))
    if options.json:
        write_json(options.json, rows)
    if options.sheet:
        picture = Image.fromarray(np.concatenate([np.concatenate(row, 1) for row in sheet]))
        with whole_file(options.sheet) as part:
            picture.resize((picture.width // 2, picture.height // 2)).save(part, format="PNG")


def clips(photos: Path, count: int, frames: int) -> Iterator[Clip]:
    """Clips of objects that cover 2 to 25 % of their photograph, of all kinds in turn."""
    cases = [case for case in held_out_cases(photos) if 0.02 < case.masks[0].mean() < 0.25]
    by_kind: dict[str, list[Case]] = {}
    for case in cases:
        by_kind.setdefault(case.kind, []).append(case)
    in_turn = [case for row in range(count) for kind in by_kind.values() for case in kind[row : row + 1]]
    for number, case in enumerate(in_turn[:count]):
        yield moving(case, cases[(number * 7 + 3) % len(cases)].image, frames, np.random.default_rng(number))


def moving(case: Case, ground: np.ndarray, count: int, rng: np.random.Generator) -> Clip:
    """The case's first object, moving over the ground."""
    x0, y0, x1, y1 = boxes_from_masks(case.masks[0])
    colours = Image.fromarray(case.image[y0 : y1 + 1, x0 : x1 + 1])
    alpha = Image.fromarray(case.masks[0][y0 : y1 + 1, x0 : x1 + 1].astype(np.uint8) * 255)
    size = rng.uniform(0.3, 0.55) * SIZE[1] / max(colours.size)
    begin, end = rng.uniform(0.25, 0.75, (2, 2)) * SIZE
    turn, grow = rng.uniform(-25, 25), rng.uniform(0.75, 1.35)
    pan = rng.uniform(0, 40, 2)
    frames, masks = [], []
    for t in np.linspace(0, 1, count):
        scale = size * grow**t
        small = [layer.resize([max(2, round(side * scale)) for side in layer.size]) for layer in (colours, alpha)]
        turned = [layer.rotate(turn * t, Image.Resampling.BICUBIC, expand=True) for layer in small]
        corner = tuple(round(v) for v in begin + (end - begin) * t - np.array(turned[0].size) / 2)
        window = (pan[0] * t, pan[1] * t, ground.shape[1] - pan[0] * (1 - t), ground.shape[0] - pan[1] * (1 - t))
        frame = Image.fromarray(ground).resize(SIZE, Image.Resampling.BICUBIC, window)
        frame.paste(turned[0], corner, turned[1])
        mask = Image.new("L", SIZE)
        mask.paste(turned[1], corner)
        frames.append(np.asarray(frame))
        masks.append(np.asarray(mask) >= 128)
    return Clip(case.kind, frames, masks)


def masks_of(model: samhq.Segmenter, clip: Clip, way: str) -> list[np.ndarray]:
    """The object's mask on every frame."""
    box = around(clip.masks[0], 0)
    if way == "matching":
        prompt = samhq.VideoPrompt(1, 0, samhq.Prompt(box=box))
        return [found.mask(1) for found in VideoSegmenter(model.model).track(clip.frames, [prompt])]
    found: list[np.ndarray] = []
    for frame, mask in zip(clip.frames, clip.masks, strict=True):
        if way == "true box":
            box = around(mask, 0)
        elif found and found[-1].any():
            box = around(found[-1], 0.08)
        found.append(model.segment(frame, box=box, multimask=False).masks[0])
    return found


def around(mask: np.ndarray, margin: float) -> list[float]:
    """The mask's box, larger by a part of its sides."""
    x0, y0, x1, y1 = boxes_from_masks(mask)
    x, y = margin * (x1 + 1 - x0), margin * (y1 + 1 - y0)
    return [max(0, x0 - x), max(0, y0 - y), min(SIZE[0], x1 + 1 + x), min(SIZE[1], y1 + 1 + y)]


def means(found: list[np.ndarray], clip: Clip) -> tuple[float, float]:
    """The mean IoU of the frames after the first, and that of the last."""
    overlaps = [float((a & b).sum() / (a | b).sum()) for a, b in zip(found[1:], clip.masks[1:], strict=True)]
    return round(float(np.mean(overlaps)), 3), round(overlaps[-1], 3)


def table(rows: list[dict[str, Any]]) -> str:
    """The means in Markdown."""
    lines = ["| | mean IoU | IoU on the last frame | last frame above 0.5 |", "|---|---|---|---|"]
    for way in WAYS:
        values = np.array([row[way] for row in rows])
        mean, last = values.mean(0)
        lines.append(f"| {way} | {mean:.3f} | {last:.3f} | {(values[:, 1] > 0.5).sum()} of {len(rows)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
