"""The claim of SAM-HQ's paper, small: with SAM frozen, do HQ heads alone make its masks better where things are thin?

Takes the plain SAM out of a model (the embedded starter by default), trains new HQ heads for it on drawn scenes rich in
thin structures with cached features, once for each seed, and compares the masks with and without them on scenes that no
run saw: thin-rich ones and ordinary ones. Writes a table (hq-claim.md), a log (hq-claim.jsonl) and a picture
(hq-claim.jpg) into a folder.

    python benchmarks/hq_claim.py --work runs/hq-claim --output docs
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean, stdev

import numpy as np
import torch
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))

import samhq
from benchmarks.thin_scores import ThinScores, thin_scores
from samhq.checkpoint.declared import named
from samhq.checkpoint.load import load_model
from samhq.checkpoint.save import save_state
from samhq.datasets.drawn.pictures import DrawnPictures, learnt_scenes
from samhq.datasets.drawn.scene import Scene
from samhq.evaluation.run import evaluate
from samhq.image.boxes import boxes_from_masks
from samhq.image.draw import overlay
from samhq.model.build import build
from samhq.model.sam import Sam

#: The numbers of sets of scenes: one to learn from, two to be measured on.
LEARNT, UNSEEN = 0, 7


def main() -> None:
    """Trains, measures, writes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default=None, help="name or file; the starter when left out")
    parser.add_argument("--work", type=Path, default=Path("runs/hq-claim"), help="runs and cached features")
    parser.add_argument("--output", type=Path, default=Path("docs"))
    parser.add_argument("--pictures", type=int, default=400, help="scenes to learn from")
    parser.add_argument("--copies", type=int, default=2)
    parser.add_argument("--epochs", type=float, default=8)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--unseen", type=int, default=150, help="scenes of each kind to measure on")
    args = parser.parse_args()
    plain = args.work / "plain.safetensors"
    write_plain(load_model(args.model), plain)
    sam = load_model(plain)
    side = sam.config.side
    sets = {
        "thin-rich": learnt_scenes(args.unseen, side, thin=True, number=UNSEEN),
        "ordinary": learnt_scenes(args.unseen, side, number=UNSEEN + 1),
    }
    scores = {"SAM": {name: measure(sam, pictures) for name, pictures in sets.items()}}
    for seed in range(args.seeds):
        tuned = load_model(tune(plain, args, seed, side))
        scores[f"HQ, seed {seed}"] = {name: measure(tuned, pictures) for name, pictures in sets.items()}
    args.output.mkdir(parents=True, exist_ok=True)
    (args.output / "hq-claim.md").write_text(page(scores, args, side))
    write_log(args.output / "hq-claim.jsonl", args)
    Image.fromarray(sheet(sam, tuned, sets["thin-rich"])).save(args.output / "hq-claim.jpg", quality=90)
    print((args.output / "hq-claim.md").read_text())


def write_plain(model: Sam, path: Path) -> None:
    """The model without its HQ heads, as a file."""
    config = named(replace(model.config, hq=False))
    wanted = build(config, device="meta").state_dict()
    save_state({name: value for name, value in model.state_dict().items() if name in wanted}, config, path)


def tune(plain: Path, args: argparse.Namespace, seed: int, side: int) -> Path:
    """The checkpoint of one seed's run; the features are the same for all seeds and encoded once."""
    folder = args.work / f"seed-{seed}"
    checkpoint = folder / "last.safetensors"
    if not checkpoint.exists():
        shutil.rmtree(folder, ignore_errors=True)
        config = samhq.TrainConfig(
            mode="hq",
            init=str(plain),
            data="drawn here",
            output=folder,
            cache=args.work / "features",
            copies=args.copies,
            epochs=args.epochs,
            seed=seed,
            workers=0,
            threads=1,
            scale=(0.7, 1.4),
            kinds="box,tight_box,points,noise_mask",
        )
        samhq.train(config, data=learnt_scenes(args.pictures, side, thin=True, number=LEARNT))
    return checkpoint


def measure(sam: Sam, pictures: DrawnPictures) -> list[ThinScores]:
    """Scores with boxes, of SAM's masks and, where there are heads, of the sum with theirs."""
    return thin_scores(evaluate(sam, pictures, hq=("off", "add") if sam.config.hq else ("off",)))


def page(scores: dict[str, dict[str, list[ThinScores]]], args: argparse.Namespace, side: int) -> str:
    """The result in Markdown."""
    lines = [
        "# HQ heads on a frozen SAM",
        "",
        f"SAM as it is in the starter, without its HQ heads; new heads trained for {args.epochs:g} epochs on "
        f"{args.pictures} drawn thin-rich scenes of {side} pixels ({args.copies} cached views of each), "
        f"{args.seeds} seeds. Measured with boxes on {args.unseen} unseen scenes of each kind; boundary IoU and IoU in "
        "per cent. `python benchmarks/hq_claim.py` makes this page.",
        "",
        "| scenes | objects | SAM | SAM + HQ heads, each seed | gain | SAM IoU | HQ IoU |",
        "|---|---|---|---|---|---|---|",
    ]
    for kind in scores["SAM"]:
        for thin in (False, True):
            lines.append(row(scores, kind, thin))
    lines += ["", "![Truth, SAM, SAM with HQ heads, from the same boxes](hq-claim.jpg)", ""]
    return "\n".join(lines)


def row(scores: dict[str, dict[str, list[ThinScores]]], kind: str, thin: bool) -> str:
    """One line of the table: a kind of scenes, all objects or the thin ones."""
    what = "thin_boundary_iou" if thin else "boundary_iou"
    area = "thin_iou" if thin else "iou"
    sam = find(scores["SAM"][kind], "off")
    tuned = [find(found[kind], "add") for name, found in scores.items() if name != "SAM"]
    gains = [100 * (getattr(score, what) - getattr(sam, what)) for score in tuned]
    spread = f" ± {stdev(gains):.1f}" if len(gains) > 1 else ""
    each = ", ".join(f"{100 * getattr(score, what):.1f}" for score in tuned)
    whole = fmean(100 * getattr(score, area) for score in tuned)
    return (
        f"| {kind} | {'thin' if thin else 'all'} | {100 * getattr(sam, what):.1f} | {each} "
        f"| {fmean(gains):+.1f}{spread} | {100 * getattr(sam, area):.1f} | {whole:.1f} |"
    )


def find(scores: Sequence[ThinScores], mode: str) -> ThinScores:
    """The score with boxes in one HQ mode."""
    return next(score for score in scores if score.kind == "box" and score.hq == mode)


def write_log(path: Path, args: argparse.Namespace) -> None:
    """The runs' logs, one line of JSON a line, each with its seed."""
    lines = []
    for seed in range(args.seeds):
        text = (args.work / f"seed-{seed}" / "log.jsonl").read_text()
        lines += [json.dumps({"seed": seed} | json.loads(line)) for line in text.splitlines()]
    path.write_text("\n".join(lines) + "\n")


def sheet(plain: Sam, tuned: Sam, pictures: DrawnPictures, rows: int = 4) -> np.ndarray:
    """Rows of truth, SAM's masks and those with HQ heads, for the first scenes whose largest object is thin."""
    found = []
    for index in range(len(pictures)):
        scene = pictures.scene(index)
        largest = int(scene.masks.sum((1, 2)).argmax())
        if scene.thin[largest] and scene.masks[largest].sum() > 800:
            found.append(np.concatenate([show(scene, largest, model) for model in (None, plain, tuned)], 1))
        if len(found) == rows:
            break
    return np.concatenate(found)


@torch.no_grad()
def show(scene: Scene, k: int, model: Sam | None) -> np.ndarray:
    """The scene with object `k` laid over it: the true one, or what the model makes of its box."""
    mask = scene.masks[k]
    if model is not None:
        segmenter = samhq.Segmenter(model)
        mask = segmenter.segment(scene.image, box=boxes_from_masks(mask).tolist()).masks[0]
    return overlay(scene.image, mask[None], boxes=boxes_from_masks(scene.masks[k])[None])


if __name__ == "__main__":
    main()
