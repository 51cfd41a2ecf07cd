"""The starter's figures for its card: IoU and boundary IoU by kind of prompt on scenes that no run trains on.

Beside them stand two that need no model: the filled box, the least to ask for, and the truth when it is only as fine as
the model's own masks. With --fit also the best masks of so few pixels that a descent on the truth itself finds.

python benchmarks/starter.py --pictures 200 --side 512 --json out/starter.json
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from functools import partial
from pathlib import Path

import samhq
from samhq.checkpoint import files
from samhq.evaluation.bounds import Answer, coarsened, filled_boxes, fitted, score_answers
from samhq.evaluation.scenes import Score, evaluate_scenes
from samhq.training.drawn import unseen_scenes


def main() -> None:
    """Prints a table row for every kind of prompt and HQ mode, and one for each bound."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default=None, help="name or file; the starter when left out")
    parser.add_argument("--pictures", type=int, default=200)
    parser.add_argument("--side", type=int, default=512, help="side of the drawn pictures")
    parser.add_argument("--fit", type=int, default=0, help="scenes to fit masks to; some ten seconds each")
    parser.add_argument("--json", type=Path, default=None, help="a file for the same figures")
    args = parser.parse_args()
    model = samhq.load(args.model).model
    grid = model.config.side // 4
    print(f"{args.pictures} unseen scenes of {args.side} pixels, seen by the model at {model.config.side}")
    answers: dict[str, Answer] = {"filled box": filled_boxes, f"truth at {grid}": partial(coarsened, grid=grid)}
    scores = evaluate_scenes(model, unseen_scenes(args.pictures, args.side), modes=("add", "only", "off"))
    scores += score_answers(unseen_scenes(args.pictures, args.side), answers)
    for score in scores:
        print(score)
    few: list[Score] = []
    if args.fit:
        answers[f"fitted at {grid}"] = partial(fitted, grid=grid)
        few = score_answers(unseen_scenes(args.fit, args.side), answers)
        print(f"the first {args.fit} of them", *few, sep="\n")
    if args.json is not None:
        asked = {"pictures": args.pictures, "side": args.side, "model_side": model.config.side}
        rows = {"scores": list(map(asdict, scores)), "fit": args.fit, "fit_scores": list(map(asdict, few))}
        files.write_json(args.json, asked | rows)


if __name__ == "__main__":
    main()
