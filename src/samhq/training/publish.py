"""A run's averaged network as the package's starter: `python -m samhq.training.publish RUN FILE --side 448`.

Estimates BatchNorm statistics anew at the side it will be used at and writes float16 safetensors that name
the model and its side, whole or not at all.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import torch

from samhq.checkpoint import declared, files
from samhq.checkpoint.detect import detect
from samhq.checkpoint.save import save_state
from samhq.config import model_config
from samhq.model.build import build
from samhq.model.sam import Sam
from samhq.training.checkpoint import load_state
from samhq.training.norms import estimate_norms

NAME = "starter"  #: what `Segmentation.model` and the records call it


def publish(run: Path, path: Path, *, side: int, norm_pictures: int = 256) -> None:
    """Writes the averaged network of a run's folder to `path`, for pictures of `side`.

    Raises:
        CheckpointError: the folder holds no run from scratch, or the place cannot be written.
    """
    sam = export(run, side=side, norm_pictures=norm_pictures)
    save_state(sam.state_dict(), sam.config.replace(name=NAME), path, dtype=torch.float16)


def export(folder: Path, *, side: int | None = None, norm_pictures: int = 256) -> Sam:
    """The averaged network of a run from scratch, at the side it was last trained at or another.

    Raises:
        CheckpointError: the folder holds no run from scratch.
    """
    state = load_state(folder)
    if "architecture" in state:
        row = detect(state["model"], declared.from_metadata(state["architecture"])).config
    else:  # a run of before that was written down
        row = model_config(str(files.read_json(folder / "config.json")["model"]))
    sam = build(replace(row, side=side or state["side"]))
    sam.load_state_dict(state["model"] | state["average"]["weights"])
    estimate_norms(sam, norm_pictures, 0)
    return sam.eval()


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser("python -m samhq.training.publish", description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("path", type=Path)
    parser.add_argument("--side", type=int, default=448)
    parser.add_argument("--norm-pictures", type=int, default=256)
    args = parser.parse_args()
    publish(args.run, args.path, side=args.side, norm_pictures=args.norm_pictures)


if __name__ == "__main__":
    main()
