from __future__ import annotations

import numpy as np
import torch

from samhq.model.sam2.sam2 import Sam2
from samhq.speed.videos import Stream, drawn, first_click
from samhq.video.segmenter import VideoSegmenter
from tests import tiny

SIZE = (48, 64)


def stream() -> Stream:
    model = tiny.shared(tiny.SECOND)
    assert isinstance(model, Sam2)
    return Stream(model, SIZE)


def test_the_click_is_on_the_square_and_the_square_moves() -> None:
    x, y = map(int, first_click(SIZE))
    assert tuple(drawn(0, SIZE)[y, x]) == (220, 200, 60)
    lefts = [int(np.flatnonzero((drawn(t, SIZE)[y] == (220, 200, 60)).all(-1))[0]) for t in (0, 40, 80)]
    assert lefts == sorted(set(lefts))


@torch.inference_mode()
def test_a_stream_gives_what_the_public_tracker_gives() -> None:
    video, count = stream(), 4
    found = [video.next() for _ in range(count)]
    tracker = VideoSegmenter(video.tracker.model).tracker()
    tracker.prompt(1, points=[first_click(SIZE)])
    frames = (drawn(t, SIZE) for t in range(count))
    for logits, masks in zip(found, tracker.track(frames), strict=True):
        grid = logits.shape[-1]
        low = torch.nn.functional.interpolate(logits.float(), SIZE, mode="bilinear", align_corners=False)
        assert grid == 4 * video.tracker.model.config.grid
        assert ((low[0, 0] > 0).numpy() == masks.mask(1)).mean() > 0.99


@torch.inference_mode()
def test_a_long_stream_keeps_few_memories() -> None:
    video = stream()
    for _ in range(30):
        video.next()
    assert len(video.tracker.object(1).memory.tracked) < 20
