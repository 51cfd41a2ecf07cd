"""What cached features save: pictures a second of HQ tuning with and without them, in the epoch after the first.

    python benchmarks/train.py --model starter sam_hq_vit_b

A published name is taken with random weights, which cost the same. Prints a row a model and the ratio.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import samhq
from samhq.datasets.drawn.pictures import learnt_scenes
from samhq.training.start import start


def main() -> None:
    """Trains two epochs each way."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", nargs="+", default=["starter"])
    parser.add_argument("--pictures", type=int, default=24)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--prompts", type=int, default=4, help="of each picture")
    parser.add_argument("--threads", type=int, default=0)
    args = parser.parse_args()
    print("| model | direct, pictures/s | cached, pictures/s | ratio |\n|---|---|---|---|")
    for model in args.model:
        direct, cached = (speed(model, args, cache) for cache in (False, True))
        print(f"| {model} | {direct:.2f} | {cached:.2f} | {cached / direct:.1f} |")


def speed(model: str, args: argparse.Namespace, cache: bool) -> float:
    """Pictures a second in the second epoch."""
    with tempfile.TemporaryDirectory() as folder:
        own = {"init": "starter"} if model == "starter" else {"init": "random", "model": model}
        config = samhq.TrainConfig(
            mode="hq",
            data="drawn here",
            output=Path(folder) / "run",
            cache=Path(folder) / "features" if cache else None,
            copies=1,
            epochs=2,
            batch=args.batch,
            prompts_per_picture=args.prompts,
            threads=args.threads,
            log_steps=-(-args.pictures // args.batch),
            tensorboard=False,
            **own,
        )
        pictures = learnt_scenes(args.pictures, start(config).config.side)
        samhq.train(config, data=pictures, say=lambda _: None)
        rows = [json.loads(line) for line in (config.output / "log.jsonl").read_text().splitlines()]
    return [row["images_s"] for row in rows if "images_s" in row][-1]


if __name__ == "__main__":
    main()
