"""The starter's figures for its card: IoU and boundary IoU by kind of prompt on scenes that no run trains on.

python benchmarks/starter.py --pictures 200 --side 512
"""

from __future__ import annotations

import argparse

import samhq
from samhq.evaluation.scenes import evaluate_scenes
from samhq.training.drawn import unseen_scenes


def main() -> None:
    """Prints a table row for every kind of prompt and HQ mode."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default=None, help="name or file; the starter when left out")
    parser.add_argument("--pictures", type=int, default=200)
    parser.add_argument("--side", type=int, default=512, help="side of the drawn pictures")
    args = parser.parse_args()
    model = samhq.load(args.model).model
    print(f"{args.pictures} unseen scenes of {args.side} pixels, seen by the model at {model.config.side}")
    for score in evaluate_scenes(model, unseen_scenes(args.pictures, args.side), modes=("add", "only", "off")):
        print(score)


if __name__ == "__main__":
    main()
