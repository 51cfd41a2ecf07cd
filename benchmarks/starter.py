"""The starter's figures for its card: IoU and boundary IoU by kind of prompt on scenes that no run trains on.

Beside them stand three that need no model: the filled box, the least to ask for; OpenCV's GrabCut from the same box;
and the truth when it is only as fine as the model's own masks. With --fit also the best masks of so few pixels that a
descent on the truth itself finds.

python benchmarks/starter.py --pictures 200 --side 224 512 --json out/starter.json
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

import samhq
from benchmarks.photographs import grabcut
from samhq.checkpoint import files
from samhq.evaluation.bounds import Answer, coarsened, filled_boxes, fitted, score_answers
from samhq.evaluation.scenes import Score, evaluate_scenes
from samhq.image.boxes import boxes_from_masks
from samhq.model.sam import Sam
from samhq.training.drawn import unseen_scenes


def main() -> None:
    """Prints, for each side, a row for every kind of prompt and HQ mode, and one for each bound."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default=None, help="name or file; the starter when left out")
    parser.add_argument("--pictures", type=int, default=200)
    parser.add_argument("--side", type=int, nargs="+", default=[224, 512], help="sides of the drawn pictures")
    parser.add_argument("--fit", type=int, default=0, help="scenes to fit masks to; some ten seconds each")
    parser.add_argument("--json", type=Path, default=None, help="a file for the same figures")
    args = parser.parse_args()
    model = samhq.load(args.model).model
    found = [measure(model, side, args.pictures, args.fit) for side in args.side]
    if args.json is not None:
        files.write_json(args.json, {"model_side": model.config.side, "sides": found})


def measure(model: Sam, side: int, pictures: int, fit: int) -> dict[str, object]:
    """The figures on scenes of one side, printed and as JSON values."""
    grid = model.config.side // 4
    print(f"{pictures} unseen scenes of {side} pixels, seen by the model at {model.config.side}")
    answers: dict[str, Answer] = {
        "filled box": lambda _, masks: filled_boxes(masks),
        "GrabCut": cut_out,
        f"truth at {grid}": lambda _, masks: coarsened(masks, grid),
    }
    scores = evaluate_scenes(model, unseen_scenes(pictures, side), modes=("add", "only", "off"))
    scores += score_answers(unseen_scenes(pictures, side), answers)
    print(*scores, sep="\n")
    few: list[Score] = []
    if fit:
        answers[f"fitted at {grid}"] = lambda _, masks: fitted(masks, grid)
        few = score_answers(unseen_scenes(fit, side), answers)
        print(f"the first {fit} of them", *few, sep="\n")
    rows = {"scores": list(map(asdict, scores)), "fit": fit, "fit_scores": list(map(asdict, few))}
    return {"pictures": pictures, "side": side} | rows


def cut_out(image: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """GrabCut's foreground of each mask's box; the box itself where it leaves no background to learn from."""
    boxes, filled = boxes_from_masks(masks).astype(int), filled_boxes(masks)
    whole = filled.all((1, 2))
    cuts = [
        fill if full else grabcut(image, [x0, y0, x1 + 1, y1 + 1])
        for (x0, y0, x1, y1), fill, full in zip(boxes.tolist(), filled, whole, strict=True)
    ]
    return np.stack(cuts)


if __name__ == "__main__":
    main()
