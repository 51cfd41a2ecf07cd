"""Objects through a video: with SAM 2 from one box, with any other model from a box on every frame.

python examples/video.py --output out
python examples/video.py --output out --model sam2.1_hiera_tiny

The video is a camera that moves over the sample picture, so the true place of the cup is known on every frame.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

import samhq
from samhq.video.boxes import BoxedObject, FrameBoxes, segment_by_boxes
from samhq.video.frames import open_frames
from samhq.video.result import FrameMasks

CUP = (172, 17, 410, 209)
SIZE = (340, 420)  #: Height and width of a frame.


def main(arguments: Sequence[str] | None = None) -> None:
    """Segments every frame, prints the cup's size and saves the coloured frames."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default=None, help="a SAM 2 or HQ-SAM 2; default: the starter, with boxes")
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--output", type=Path, default=Path("out"))
    args = parser.parse_args(arguments)
    args.output.mkdir(parents=True, exist_ok=True)
    photograph = np.asarray(Image.open(samhq.sample_picture()))
    corners = [(7 * step, 3 * step) for step in range(args.frames)]
    frames = [photograph[top : top + SIZE[0], left : left + SIZE[1]].copy() for left, top in corners]
    for frame in follow(args.model, frames) if args.model else from_boxes(frames, corners):
        print(f"frame {frame.index}: {frame.mask(1).sum()} pixels of cup")
        Image.fromarray(frame.overlay()).save(args.output / f"{frame.index:03}.png")


def follow(model: str, frames: list[np.ndarray]) -> Iterator[FrameMasks]:
    """The cup on every frame, from its box on the first."""
    prompt = samhq.VideoPrompt(1, 0, samhq.Prompt(box=list(CUP)), "cup")
    yield from samhq.load_video_model(model).track(frames, [prompt])


def from_boxes(frames: list[np.ndarray], corners: list[tuple[int, int]]) -> Iterator[FrameMasks]:
    """The cup on every frame, from a box on each, such as a detector and a tracker give."""
    boxes = FrameBoxes({number: [BoxedObject(1, moved(*corner), "cup")] for number, corner in enumerate(corners)})
    yield from segment_by_boxes(samhq.load(), open_frames(frames), boxes)


def moved(left: int, top: int) -> tuple[int, int, int, int]:
    """The cup's box in a frame whose corner is at (left, top)."""
    x0, y0, x1, y1 = CUP
    return max(x0 - left, 0), max(y0 - top, 0), min(x1 - left, SIZE[1]), min(y1 - top, SIZE[0])


if __name__ == "__main__":
    main()
