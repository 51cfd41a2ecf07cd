"""Whole-image masks: time and peak memory of ours beside transformers' own steps, each in a process of its own.

Both see the same photograph, grid and thresholds. transformers' steps are those of its mask-generation pipeline, called
one by one because the pipeline itself needs torchvision; it has no TinyViT, so there its decoder works on our
embedding. Prints one JSON line a run: seconds, `cpu_seconds` (of all threads, for machines that do other work too),
`model_mb` (resident memory with the model loaded), `peak_mb`, and how many masks were kept.

    python benchmarks/everything.py                        # 32 x 32 points, TinyViT and ViT-B
    python benchmarks/everything.py --large                # ours alone, on 8192 x 8192 pixels
    python benchmarks/everything.py --points 2 --models mobile_sam
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from PIL import Image

LARGE = 8192
ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Run:
    """What one process does."""

    package: str  #: "samhq" or "transformers"
    model: str  #: a row of samhq's MODELS; "starter" is the model in the package
    picture: str
    points: int
    threads: int
    pred_iou_thresh: float
    stability_score_thresh: float


def main() -> None:
    """A line for every model and package, and their ratios."""
    options = arguments()
    with tempfile.TemporaryDirectory() as folder:
        picture = photograph(options.picture, Path(folder) / "photograph.png", LARGE if options.large else options.side)
        for model in options.models or ["sam_hq_vit_tiny", *([] if options.large else ["sam_hq_vit_b"])]:
            times = {}
            packages = ["samhq"] if options.large or model == "starter" else options.packages
            for package in packages:
                run = Run(package, model, str(picture), options.points, options.threads, *thresholds(options, model))
                line = in_a_process(run)
                times[package] = line
                print(json.dumps(line), flush=True)
            if len(times) == 2 and options.ratios:
                print(json.dumps({"model": model, **ratios(times["samhq"], times["transformers"])}), flush=True)


def arguments() -> argparse.Namespace:
    """The command line; in a child process, what it measured instead."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--picture", type=Path, help="a photograph; by default scikit-image's astronaut")
    parser.add_argument("--side", type=int, default=1500, help="the photograph's longer side in pixels")
    parser.add_argument("--points", type=int, default=32, help="points along each side")
    parser.add_argument("--models", nargs="*", help='names of models, with random weights, or "starter", ours alone')
    parser.add_argument("--packages", nargs="*", default=["samhq", "transformers"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--pred-iou-thresh", type=float, help="by default 0.88, and for random weights 0, which paints all"
    )
    parser.add_argument("--stability-score-thresh", type=float, default=0.95)
    parser.add_argument("--large", action="store_true", help=f"ours alone, on {LARGE} x {LARGE} pixels")
    parser.add_argument("--no-ratios", dest="ratios", action="store_false")
    parser.add_argument("--run", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        print(json.dumps(measure(Run(**json.loads(options.run)))))
        sys.exit()
    return options


def thresholds(options: argparse.Namespace, model: str) -> tuple[float, float]:
    """Random weights predict no IoU worth the name, so all of their masks are painted."""
    iou = options.pred_iou_thresh
    return (0.88 if model == "starter" else 0.0) if iou is None else iou, options.stability_score_thresh


def photograph(given: Path | None, path: Path, side: int) -> Path:
    """The photograph at the size that is asked, as a file."""
    if given is None:
        from skimage.data import astronaut

        image = Image.fromarray(astronaut())
    else:
        image = Image.open(given).convert("RGB")
    scale = side / max(image.size)
    image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BICUBIC).save(
        path, compress_level=1
    )
    return path


def in_a_process(run: Run) -> dict[str, Any]:
    """What the process measured of itself."""
    command = [sys.executable, __file__, "--run", json.dumps(asdict(run))]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def ratios(ours: dict[str, Any], theirs: dict[str, Any]) -> dict[str, float]:
    """How many times as long and as much memory theirs takes; memory with and without the model."""
    return {
        "seconds": round(theirs["seconds"] / ours["seconds"], 2),
        "cpu_seconds": round(theirs["cpu_seconds"] / ours["cpu_seconds"], 2),
        "peak_mb": round(theirs["peak_mb"] / ours["peak_mb"], 2),
        "beyond_model_mb": round((theirs["peak_mb"] - theirs["model_mb"]) / (ours["peak_mb"] - ours["model_mb"]), 2),
    }


def measure(run: Run) -> dict[str, Any]:
    """Time and memory of a run in this process."""
    import torch

    torch.set_num_threads(run.threads)
    torch.manual_seed(0)
    work = {"samhq": ours, "transformers": theirs}[run.package](run)
    model_mb = memory("VmRSS")
    started, busy = time.perf_counter(), time.process_time()
    with torch.inference_mode():
        kept = work()
    seconds, busy = time.perf_counter() - started, time.process_time() - busy
    figures = {
        "seconds": round(seconds, 2),
        "cpu_seconds": round(busy, 2),
        "model_mb": model_mb,
        "peak_mb": memory("VmHWM"),
        "kept": kept,
    }
    with Image.open(run.picture) as image:
        return {**asdict(run), "picture": list(image.size), **figures}


def memory(field: str) -> int:
    """Resident memory of this process in MiB: VmRSS now, VmHWM at its highest."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(field))) // 1024


def network(name: str) -> Any:
    """The starter, or a model with random weights."""
    from samhq.checkpoint.load import load_model
    from samhq.config import MODELS
    from samhq.model.build import build

    return load_model(None) if name == "starter" else build(MODELS[name]).eval()


def ours(run: Run) -> Any:
    """A function that segments the picture with samhq and returns the number of masks."""
    import samhq.inference.everything as samhq

    model = network(run.model)
    asked = {"pred_iou_thresh": run.pred_iou_thresh, "stability_score_thresh": run.stability_score_thresh}
    return lambda: len(samhq.segment_everything(run.picture, model, points_per_side=run.points, **asked))


def theirs(run: Run) -> Any:
    """The same with transformers' model and the steps of its pipeline."""
    import torch
    from transformers.models.sam.image_processing_pil_sam import SamImageProcessorPil

    encode, model = their_model(run.model)
    processor = SamImageProcessorPil()

    def work() -> int:
        with Image.open(run.picture) as image:
            boxes, points, crops, labels = processor.generate_crop_boxes(
                image.convert("RGB"), 1024, points_per_crop=run.points
            )
        inputs = processor(images=crops, return_tensors="pt")
        size = inputs["original_sizes"][0].tolist()
        resized = inputs["reshaped_input_sizes"].tolist()
        embeddings = encode(inputs["pixel_values"])
        found = []
        for start in range(0, points.shape[1], 64):  # the pipeline's points_per_batch
            chosen = slice(start, start + 64)
            output = model(**embeddings, input_points=points[:, chosen].float(), input_labels=labels[:, chosen])
            masks = processor.post_process_masks(output.pred_masks, [size], resized, binarize=False)
            found.append(
                processor.filter_masks(
                    masks[0], output.iou_scores[0], size, boxes[0], run.pred_iou_thresh, run.stability_score_thresh
                )
            )
        return count_after_nms(torch.cat([f[2] for f in found]).numpy(), torch.cat([f[1] for f in found]).numpy())

    return work


def count_after_nms(boxes: Any, scores: Any) -> int:
    """What torchvision's suppression would leave."""
    from samhq.inference.filters import nms

    return len(nms(boxes, scores, 0.7))


def their_model(name: str) -> tuple[Any, Any]:
    """A function that embeds pixels, and transformers' model; TinyViT's pictures are embedded by ours."""
    import torch
    from transformers import SamConfig, SamHQConfig, SamHQModel, SamModel

    from samhq.config import MODELS, TinyViTConfig

    row = MODELS[name]
    family, configuration = (SamHQModel, SamHQConfig) if row.hq else (SamModel, SamConfig)
    config = configuration()
    if isinstance(row.encoder, TinyViTConfig):  # its own encoder is not used: a small one in its place
        config.vision_config.num_hidden_layers, config.vision_config.global_attn_indexes = 1, [0]
        if row.hq:
            config.mask_decoder_config.vit_dim = row.encoder.early_dim
        model, tiny = family(config).eval(), network(name)

        def encode(pixels: Any) -> dict[str, Any]:
            embedding = tiny.encode(pixels, keep_early=True)
            early = {"intermediate_embeddings": [embedding.early]} if row.hq else {}
            return {"image_embeddings": embedding.features, **early}

        return encode, model
    model = family(config).eval()

    def encode_whole(pixels: torch.Tensor) -> dict[str, Any]:
        seen = model.get_image_embeddings(pixels)
        return (
            {"image_embeddings": seen[0], "intermediate_embeddings": seen[1]} if row.hq else {"image_embeddings": seen}
        )

    return encode_whole, model


if __name__ == "__main__":
    main()
