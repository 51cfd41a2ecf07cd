"""A run's averaged network as the package's starter: `python -m samhq.training.publish RUN FILE --side 448`.

Estimates BatchNorm statistics anew at the side it will be used at and writes float16 safetensors that name
the model and its side, whole or not at all.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from samhq.checkpoint.save import save_state
from samhq.training.loop import export

NAME = "starter"  #: what `Segmentation.model` and the records call it


def publish(run: Path, path: Path, *, side: int, norm_pictures: int = 256) -> None:
    """Writes the averaged network of a run's folder to `path`, for pictures of `side`.

    Raises:
        CheckpointError: the folder holds no run, or the place cannot be written.
    """
    sam = export(run, side=side, norm_pictures=norm_pictures)
    save_state(sam.state_dict(), sam.config.replace(name=NAME), path, dtype=torch.float16)


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
