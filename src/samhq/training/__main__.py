"""`python -m samhq.training --output runs/starter --stages 112:16:45m,224:8:45m`: a run from the command line.

Flags are the fields of `TrainConfig`; those of `LossWeights` begin with `--loss.`.
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import Any

from samhq.training.config import LossWeights, TrainConfig, parse_stages
from samhq.training.loop import train


def main(arguments: list[str] | None = None) -> None:
    """Runs the training that the arguments describe."""
    parser = argparse.ArgumentParser("python -m samhq.training", description=TrainConfig.__doc__)
    _add_flags(parser, TrainConfig(), "")
    _add_flags(parser, LossWeights(), "loss.")
    given: dict[str, Any] = vars(parser.parse_args(arguments))
    loss = LossWeights(**{name[5:]: value for name, value in given.items() if name.startswith("loss.")})
    train(TrainConfig(**{name: value for name, value in given.items() if "." not in name}, loss=loss))


def _add_flags(parser: argparse.ArgumentParser, defaults: TrainConfig | LossWeights, prefix: str) -> None:
    for field in dataclasses.fields(defaults):
        value = getattr(defaults, field.name)
        flag = f"--{prefix}{field.name.replace('_', '-')}"
        dest = prefix + field.name
        if field.name == "loss":
            continue
        if isinstance(value, bool):
            parser.add_argument(flag, dest=dest, action=argparse.BooleanOptionalAction, default=value)
        elif field.name == "stages":
            parser.add_argument(flag, dest=dest, type=parse_stages, default=value)
        else:
            kind = Path if isinstance(value, Path) else type(value)
            parser.add_argument(flag, dest=dest, type=kind, default=value)


if __name__ == "__main__":
    main()
