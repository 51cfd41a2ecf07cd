"""The sample clip shows the sample photograph from a moving camera, alike each time; its spoon can be followed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from samhq.image.read import read_image
from samhq.image.sample_picture import sample_picture
from samhq.results.prompt import Prompt
from samhq.video.prompts import VideoPrompt
from samhq.video.sample_clip import FRAMES, SIZE_HW, SPOON, sample_frames, seen_box, write_sample_clip
from samhq.video.segmenter import load_video_model


def test_the_camera_moves_and_comes_closer() -> None:
    frames = list(sample_frames())
    assert {frame.shape for frame in frames} == {(*SIZE_HW, 3)}
    assert np.array_equal(frames[0], read_image(sample_picture())[0:320, 100:580])
    boxes = np.array([seen_box(index) for index in range(FRAMES)])
    assert (np.diff(boxes[:, 0]) < 0).all()
    assert (np.diff(boxes[:, 2] - boxes[:, 0]) < 0).all()
    assert all(np.array_equal(one, other) for one, other in zip(frames, sample_frames(), strict=True))


def test_the_file_is_small(tmp_path: Path) -> None:
    pytest.importorskip("av")
    assert write_sample_clip(tmp_path / "clip.mp4").stat().st_size < 150_000


@pytest.mark.slow
def test_the_starter_follows_the_spoon(tmp_path: Path) -> None:
    pytest.importorskip("av")
    clip = write_sample_clip(tmp_path / "clip.mp4")
    masks = [frame.masks[0] for frame in load_video_model().track(clip, [VideoPrompt(1, 0, Prompt(box=list(SPOON)))])]
    x0, y0, x1, y1 = seen_box(FRAMES - 1)
    whole = np.zeros((400, 600), np.uint8)
    whole[0:320, 100:580] = masks[0]
    moved = Image.fromarray(whole).resize(SIZE_HW[::-1], Image.Resampling.NEAREST, (x0, y0, x1, y1))
    expected = np.asarray(moved) > 0
    assert (masks[-1] & expected).sum() / (masks[-1] | expected).sum() > 0.7
