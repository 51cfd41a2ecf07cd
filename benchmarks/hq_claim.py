"""The claim of SAM-HQ's paper, small: with SAM frozen, do HQ heads alone make its masks better where things are thin?

Takes the plain SAM out of a model (the embedded starter by default) and trains new HQ heads for it, once for each seed,
on the photographs with the finest masks, cut-outs and drawn thin things. Compares the masks with and without the heads
on what no run saw: held-out photographs, held-out cut-outs on photographs, and drawn thin things on scikit-image's
photographs. Writes a table (hq-claim.md), a log (hq-claim.jsonl) and a picture (hq-claim.jpg) into a folder. Runs that
are complete are not repeated.

    python benchmarks/hq_claim.py --photos ../shared/photos --work runs/hq-claim --output docs
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import fmean, stdev

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))

import samhq
from benchmarks.photographs import photograph, score, tight_box
from benchmarks.starter import HELD_OUT, Case, held_out_cases, thin_cases
from samhq.checkpoint.declared import with_published_name
from samhq.checkpoint.load import load_model
from samhq.checkpoint.save import save_state
from samhq.datasets.weighted import is_held_out
from samhq.image.draw import overlay
from samhq.inference.thin_look import is_thin
from samhq.model.build import build
from samhq.model.sam import Sam
from samhq.training.compose.cutouts import cutout_files, paste
from samhq.training.compose.views import whole_window, window_canvas

#: Fewest pixels of an object.
PIXELS = 100
#: The photographs that cut-outs are pasted on.
BEHIND = ("coffee", "astronaut", "rocket", "chelsea")
#: The photographs to learn from: those with the finest masks most often.
WEIGHTS = "coco:0.3,pet:3,balloon:1,cat:0.3,screw:1,facade:0.3,dsb:1,kuih:1,chicken:0.3"


@dataclass(frozen=True)
class Found:
    """One object of a kind: boundary IoU and IoU of SAM's mask and of the mask with HQ heads."""

    kind: str
    thin: bool
    sam: tuple[float, float]
    hq: tuple[float, float]


def main() -> None:
    """Trains, measures, writes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=Path, required=True, help="folder of the training photographs")
    parser.add_argument("--model", default=None, help="name or file; the starter when left out")
    parser.add_argument("--work", type=Path, default=Path("runs/hq-claim"), help="runs")
    parser.add_argument("--output", type=Path, default=Path("docs"))
    parser.add_argument("--steps", type=int, default=150, help="steps of four pictures")
    parser.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args()
    plain = args.work / "plain.safetensors"
    if not plain.exists():
        write_plain(load_model(args.model), plain)
    cases = [*held_out_cases(args.photos / "annotations.json"), *cutout_cases(args.photos / "cutouts"), *thin_cases()]
    found = []
    for seed in range(args.seeds):
        model = samhq.load(tune(plain, args, seed))
        found.append([row for case in cases for row in measure(model, case)])
        print(table(found), flush=True)
    args.output.mkdir(parents=True, exist_ok=True)
    (args.output / "hq-claim.md").write_text(page(found, args))
    write_log(args.output / "hq-claim.jsonl", args)
    Image.fromarray(sheet(model, cases)).save(args.output / "hq-claim.jpg", quality=90)


def write_plain(model: Sam, path: Path) -> None:
    """The model without its HQ heads, as a file."""
    config = with_published_name(replace(model.config, hq=False))
    wanted = build(config, device="meta").state_dict()
    path.parent.mkdir(parents=True, exist_ok=True)
    save_state({name: value for name, value in model.state_dict().items() if name in wanted}, config, path)


def cutout_cases(folder: Path, count: int = 60) -> Iterator[Case]:
    """Cut-outs that training held out, one on a photograph of scikit-image; the truth is the alpha channel."""
    files = [path for path in cutout_files(folder) if is_held_out(path.name, HELD_OUT)]
    for number in range(count):
        rng = np.random.default_rng(9_000 + number)
        image = photograph(BEHIND[number % len(BEHIND)])
        ground = window_canvas(image, [], whole_window(image.shape[:2], 1.0, rng), 512)
        drawn = paste(ground, [files[number % len(files)]], rng)
        masks = [layer.cover >= 128 for layer in drawn.layers if layer.area >= PIXELS]
        if masks:
            yield Case("cut-outs", drawn.image, masks)


def tune(plain: Path, args: argparse.Namespace, seed: int) -> Path:
    """The checkpoint of one seed's run."""
    folder = args.work / f"seed-{seed}"
    photos = args.photos
    config = samhq.TrainConfig(
        mode="hq",
        init=str(plain),
        data=str(photos / "annotations.json"),
        images=photos / "images",
        paste=photos / "cutouts",
        backgrounds=photos / "backgrounds",
        source_weights=WEIGHTS,
        hold_out=HELD_OUT,
        thin=0.6,
        close=0.4,
        scale=(0.7, 1.8),
        kinds="box:2,tight_box:1,points:1,mask:1",
        prompts_per_picture=8,
        validate_pictures=2,
        stages=f"{load_model(plain).config.side}:4:{args.steps}",
        output=folder,
        seed=seed,
        workers=0,
        threads=1,
        resume=(folder / "state.pt").exists(),
    )
    if not (folder / "last.safetensors").exists() or config.resume:
        samhq.train(config)
    return folder / "last.safetensors"


def measure(model: samhq.Segmenter, case: Case) -> list[Found]:
    """A row for each object, from its box in one look."""
    encoded, rows = model.encode(case.image), []
    segment = partial(model.segment, encoded, refine=False)
    for mask in case.masks:
        sam, hq = (score(segment(box=tight_box(mask), hq=mode).masks[0], mask)[::-1] for mode in ("off", "add"))
        kind = case.kind if case.kind in ("cut-outs", "thin, drawn") else "photographs"
        rows.append(Found(kind, is_thin(mask), sam, hq))
    return rows


def table(found: list[list[Found]]) -> str:
    """The result in Markdown: a line for each kind, all objects and the thin ones."""
    lines = [
        "| pictures | objects | number | SAM | SAM + HQ heads, each seed | gain | SAM IoU | HQ IoU |",
        "|---|---|---:|---|---|---|---|---|",
    ]
    for kind in dict.fromkeys(row.kind for row in found[0]):
        for only_thin in (False, True):
            chosen = [[row for row in rows if row.kind == kind and row.thin >= only_thin] for rows in found]
            if chosen[0] and not (only_thin and len(chosen[0]) == sum(row.kind == kind for row in found[0])):
                lines.append(line(kind, "thin" if only_thin else "all", chosen))
    return "\n".join(lines)


def line(kind: str, which: str, found: list[list[Found]]) -> str:
    """One line of the table; `found` has the same objects for each seed."""
    sam, sam_iou = (100 * fmean(row.sam[i] for row in found[0]) for i in (0, 1))
    edges = [100 * fmean(row.hq[0] for row in rows) for rows in found]
    iou = fmean(100 * row.hq[1] for rows in found for row in rows)
    gains = [edge - sam for edge in edges]
    spread = f" ± {stdev(gains):.1f}" if len(gains) > 1 else ""
    each = ", ".join(f"{edge:.1f}" for edge in edges)
    return (
        f"| {kind} | {which} | {len(found[0])} | {sam:.1f} | {each} | {fmean(gains):+.1f}{spread} "
        f"| {sam_iou:.1f} | {iou:.1f} |"
    )


def page(found: list[list[Found]], args: argparse.Namespace) -> str:
    """The result as a page in Markdown."""
    return "\n".join(
        [
            "# HQ heads on a frozen SAM",
            "",
            f"The SAM of the starter, frozen, without its HQ heads; new heads trained for {args.steps} steps of four "
            f"pictures with eight prompts each, {args.seeds} seeds: photographs, mostly those with fine masks, pasted "
            "cut-outs, and drawn thin things. Measured with boxes in one look, on what no run saw: held-out "
            "photographs, held-out cut-outs on other photographs, and drawn thin things. Boundary IoU and IoU in per "
            "cent. An object is thin if no circle inside it is wider than a tenth of its box's longer side. "
            "`python benchmarks/hq_claim.py --photos ...` makes this page.",
            "",
            table(found),
            "",
            "![Truth, SAM, SAM with HQ heads, from the same boxes](hq-claim.jpg)",
            "",
        ]
    )


def write_log(path: Path, args: argparse.Namespace) -> None:
    """The runs' logs as JSON lines, each with its seed."""
    lines = []
    for seed in range(args.seeds):
        text = (args.work / f"seed-{seed}" / "log.jsonl").read_text()
        lines += [json.dumps({"seed": seed} | json.loads(line)) for line in text.splitlines()]
    path.write_text("\n".join(lines) + "\n")


def sheet(model: samhq.Segmenter, cases: list[Case], rows: int = 5) -> np.ndarray:
    """Rows of truth, SAM's mask and that with HQ heads, for drawn thin things on scikit-image's photographs."""
    shown = [case for case in cases if case.kind in ("cut-outs", "thin, drawn") and is_thin(case.masks[0])]
    return np.concatenate([_row(model, case) for case in shown[:: max(1, len(shown) // rows)][:rows]])


def _row(model: samhq.Segmenter, case: Case, side: int = 320) -> np.ndarray:
    encoded, box = model.encode(case.image), tight_box(case.masks[0])
    masks = [model.segment(encoded, box=box, refine=False, hq=mode).masks[0] for mode in ("off", "add")]
    pictures = [overlay(case.image, mask[None]) for mask in (case.masks[0], *masks)]
    return np.concatenate([np.asarray(Image.fromarray(picture).resize((side, side))) for picture in pictures], axis=1)


if __name__ == "__main__":
    main()
