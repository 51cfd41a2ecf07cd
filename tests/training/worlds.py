"""What training tests share: pictures held in memory, a small model on disk, a quick configuration."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from tests import tiny

from samhq.checkpoint.save import save_model
from samhq.config import DecoderConfig, ModelConfig
from samhq.datasets.sample import Sample, labelled
from samhq.encoder_config import TinyViTConfig
from samhq.training.config import TrainConfig

#: A TinyViT for any side, smaller than any published.
SMALL = ModelConfig(
    "small",
    TinyViTConfig(dims=(8, 16, 16, 32), depths=(1, 1, 1, 1), heads=(1, 1, 1, 1), classes=2),
    hq=True,
    decoder=DecoderConfig(dim=32, heads=2, mlp_dim=32, iou_dim=32),
)


class Held:
    """Pictures of one or two bright shapes on a dark ground, of several sizes; picture 1 has no object."""

    def __init__(self, count: int = 5, empty: int | None = 1) -> None:
        self.name, self.count, self.empty = "held", count, empty

    def __len__(self) -> int:
        return self.count

    def names(self) -> list[str]:
        return [str(i) for i in range(self.count)]

    def __getitem__(self, index: int) -> Sample:
        rng = np.random.default_rng(index)
        height, width = 60 + 10 * index, 80
        masks = np.zeros((0 if index == self.empty else 2, height, width), bool)
        for mask in masks:
            y, x = rng.integers(0, 30, 2)
            mask[y : y + rng.integers(10, 30), x : x + rng.integers(10, 40)] = True
        image = rng.integers(0, 80, (height, width, 3)).astype(np.uint8)
        image[masks.any(0)] += 150
        return labelled(str(index), image, masks)


def saved(config, folder: Path, salt: int = 0) -> str:
    """A model of that architecture with fixed weights, as a file."""
    path = folder / f"{config.name}-{salt}.safetensors"
    if not path.exists():
        save_model(tiny.model(config, salt), path)
    return str(path)


def quick(folder: Path, init: str, **fields) -> TrainConfig:
    """A run of a few steps on a tiny model."""
    few = {"prompts_per_picture": 2, "workers": 0, "log_steps": 1, "warmup": 1}
    few |= {} if "stages" in fields else {"epochs": 2, "batch": 2}
    wanted = few | {"data": "held", "loss": "points:64", "tensorboard": False, "device": "cpu"} | fields
    return TrainConfig(output=folder, init=init, **wanted)


def from_scratch(folder: Path, **fields) -> TrainConfig:
    """Four steps on drawn scenes with a model that the caller has registered as "small"."""
    few = {
        "prompts_per_picture": 3,
        "workers": 0,
        "log_steps": 1,
        "warmup": 1,
        "norm_pictures": 4,
        "validate_pictures": 2,
    }
    wanted = few | {"stages": "32:2:2,48:2:2", "tensorboard": False, "device": "cpu"} | fields
    return TrainConfig(mode="scratch", output=folder, model="small", **wanted)


def losses(folder: Path) -> list[float]:
    """The losses in a run's log, in order."""
    rows = map(json.loads, (folder / "log.jsonl").read_text().splitlines())
    return [row["loss"] for row in rows if "loss" in row]
