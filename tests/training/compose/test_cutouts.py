"""Cut-outs: pasted with soft alpha, exact cover; files that are none are refused in a sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from samhq.errors import ConfigError, ImageError
from samhq.training.compose.canvas import Composite
from samhq.training.compose.cutouts import cutout_files, paste, read_cutout


def write_disc(path: Path, mode: str = "RGBA") -> Path:
    rows, columns = np.mgrid[:60, :60]
    rgba = np.zeros((60, 60, 4), np.uint8)
    rgba[..., 0] = 250
    rgba[..., 3] = ((columns - 30) ** 2 + (rows - 30) ** 2 < 27**2) * 255
    Image.fromarray(rgba).convert(mode).save(path)
    return path


def blank(side: int = 128) -> Composite:
    return Composite(np.full((side, side, 3), 60, np.uint8), (), np.ones((side, side), bool))


def test_a_pasted_disc_is_where_its_cover_says(tmp_path: Path) -> None:
    file = write_disc(tmp_path / "disc.png")
    overlaps = []
    for seed in range(20):
        canvas = paste(blank(), [file], np.random.default_rng(seed))
        for layer in canvas.layers:
            red = canvas.image[..., 0].astype(int) - canvas.image[..., 2]
            shown, cover = red > 45, layer.cover >= 128
            overlaps.append((shown & cover).sum() / max(1, (shown | cover).sum()))
    assert len(overlaps) > 15
    assert np.median(overlaps) > 0.85


def test_a_picture_without_alpha_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="alpha channel"):
        read_cutout(write_disc(tmp_path / "disc.png", "RGB"))


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n" + b"\0" * 40])
def test_a_damaged_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(content)
    with pytest.raises(ImageError, match="cannot be read"):
        read_cutout(path)


def test_a_folder_without_cutouts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cut-outs"):
        cutout_files(tmp_path)
    with pytest.raises(ConfigError, match="cut-outs"):
        cutout_files(tmp_path / "nowhere")


def test_files_come_in_order_of_their_names(tmp_path: Path) -> None:
    for name in ("b.png", "a.webp", "c.txt"):
        (tmp_path / name).write_bytes(b"")
    assert [path.name for path in cutout_files(tmp_path)] == ["a.webp", "b.png"]
