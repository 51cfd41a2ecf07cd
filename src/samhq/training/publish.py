"""A trained checkpoint as the package's starter: `python -m samhq.training.publish CHECKPOINT FILE`.

Writes float16 safetensors with the model's name, its side, and the settings that suit it, atomically.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import get_args

import torch

from samhq.checkpoint.load import load_model
from samhq.checkpoint.save import save_state
from samhq.checkpoint.starter import STARTER
from samhq.config import ClickMask, Defaults


def publish(checkpoint: Path, path: Path, *, side: int | None = None, defaults: Defaults | None = None) -> None:
    """Writes the network of a checkpoint to `path`, for pictures of `side`, by default its own.

    Raises:
        CheckpointError: the checkpoint cannot be read, or `path` cannot be written.
        ConfigError: its encoder works only at its own side.
    """
    sam = load_model(checkpoint)
    config = replace(sam.config, name=STARTER, side=side or sam.config.side, defaults=defaults or sam.config.defaults)
    save_state(sam.state_dict(), config, path, dtype=torch.float16)


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser("python -m samhq.training.publish", description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("path", type=Path)
    parser.add_argument("--side", type=int, default=None)
    parser.add_argument("--pred-iou-thresh", type=float, default=None)
    parser.add_argument("--stability-score-thresh", type=float, default=None)
    parser.add_argument("--refine-margin", type=float, default=None)
    parser.add_argument("--thin-zoom", type=float, default=None)
    parser.add_argument("--click-mask", choices=get_args(ClickMask), default=None)
    args = parser.parse_args()
    defaults = Defaults(
        args.pred_iou_thresh,
        args.stability_score_thresh,
        refine_margin=args.refine_margin,
        thin_zoom=args.thin_zoom,
        click_mask=args.click_mask,
    )
    publish(args.checkpoint, args.path, side=args.side, defaults=defaults)


if __name__ == "__main__":
    main()
