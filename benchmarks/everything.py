"""Whole-image masks: time and peak memory of ours beside transformers' own steps, each in a process of its own.

Both see the same photograph, grid and thresholds. transformers' steps are those of its mask-generation pipeline, called
one by one because the pipeline itself needs torchvision; it has no TinyViT, so there its decoder works on our
embedding. With random weights the IoU threshold is 0, which paints every mask: of each point three of a plain
SAM, the best one of an HQ model. Hardly any is stable, so nearly all of the time goes into making and judging masks.

    python benchmarks/everything.py                        # 32 x 32 points, TinyViT
    python benchmarks/everything.py --large                # ours alone, on 8192 x 8192 pixels
    python benchmarks/everything.py --points 2 --model mobile_sam
    python benchmarks/everything.py --model starter --peers
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.options import entrants_of, has_device, parser, show
from samhq.config import ModelConfig, model_config
from samhq.speed import flops
from samhq.speed.contest import Contest
from samhq.speed.worker import Setting

LARGE = 8192
MAKERS = {
    "samhq.speed.ours:Ours": "benchmarks.everything_parties:Ours",
    "benchmarks.peers:Transformers": "benchmarks.everything_parties:Transformers",
}


@dataclass(frozen=True)
class Everything:
    """All masks of a photograph in a file."""

    case: ClassVar[str] = "everything"
    verb: ClassVar[str] = "segmenting"
    long: ClassVar[bool] = True
    config: ModelConfig
    picture: str
    size: tuple[int, int]
    points: int
    pred_iou_thresh: float
    stability_score_thresh: float

    @property
    def count(self) -> int:
        """Points."""
        return self.points**2

    def facts(self) -> dict[str, Any]:
        """The photograph's width and height, the grid, the thresholds."""
        return {
            "picture": list(self.size),
            "points_per_side": self.points,
            "pred_iou_thresh": self.pred_iou_thresh,
            "stability_score_thresh": self.stability_score_thresh,
        }

    def flops(self) -> int | None:
        """Of the picture and of all masks, where all are painted."""
        if self.pred_iou_thresh:
            return None
        return flops.whole_image(self.config, self.count)


def main(arguments: list[str] | None = None) -> None:
    """One case for every model."""
    flags = parser(__doc__, models=["sam_hq_vit_tiny"], peers=["sdpa"])
    flags.set_defaults(rounds=1)
    flags.add_argument("--picture", type=Path, help="a photograph; by default scikit-image's astronaut")
    flags.add_argument("--side", type=int, default=1500, help="the photograph's longer side in pixels")
    flags.add_argument("--points", type=int, default=32, help="points along each side")
    flags.add_argument(
        "--pred-iou-thresh", type=float, help="default: 0.88, and for random weights 0, which paints all"
    )
    flags.add_argument("--stability-score-thresh", type=float, default=0.95)
    flags.add_argument("--large", action="store_true", help=f"ours alone, on {LARGE} x {LARGE} pixels")
    options = flags.parse_args(arguments)
    has_device(options)
    if options.large:
        options.peers = []
    with tempfile.TemporaryDirectory() as folder:
        side = LARGE if options.large else options.side
        picture, size = photograph(options.picture, Path(folder) / "photograph.png", side)
        for name in options.model:
            one(name, picture, size, options)


def one(name: str, picture: Path, size: tuple[int, int], options: Any) -> None:
    """One model's case; the starter has its own weights, the others random ones."""
    starter = name == "starter"
    config = starter_config() if starter else model_config(name)
    threshold = options.pred_iou_thresh
    if threshold is None:
        threshold = 0.88 if starter else 0.0
    work = Everything(config, str(picture), size, options.points, threshold, options.stability_score_thresh)
    setting = Setting(config, options.device, options.threads, "starter" if starter else "random")
    with Contest(entrants_of(options, MAKERS), setting) as parties:
        show(parties, work, options)


def starter_config() -> ModelConfig:
    """The architecture of the model in the package."""
    from samhq.checkpoint.load import load_model

    return load_model().config


def photograph(given: Path | None, path: Path, side: int) -> tuple[Path, tuple[int, int]]:
    """The photograph at the size that is asked, as a file, and its width and height."""
    from PIL import Image

    if given is None:
        from skimage.data import astronaut

        image = Image.fromarray(astronaut())
    else:
        image = Image.open(given).convert("RGB")
    scale = side / max(image.size)
    size = round(image.width * scale), round(image.height * scale)
    image.resize(size, Image.Resampling.BICUBIC).save(path, compress_level=1)
    return path, size


if __name__ == "__main__":
    main()
