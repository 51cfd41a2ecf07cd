"""Whole-image segmentation of a picture: however it is called, the masks are the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tests import tiny
from tests.inference.test_segment import picture
from tests.results.test_everything import LOOSE

from samhq import progress
from samhq.checkpoint.save import save_model
from samhq.cli.main import main
from samhq.config import Defaults
from samhq.errors import ConfigError, ImageError
from samhq.inference.automatic import propose
from samhq.inference.everything import segment_everything
from samhq.inference.mosaic import segment_mosaic
from samhq.inference.segment import Segmenter
from samhq.masks import runs
from samhq.model.sam import Sam
from samhq.results.automatic_config import AutomaticConfig
from samhq.results.everything import Everything
from samhq.results.proposals import keep
from samhq.results.sa1b import read_sa1b


@pytest.fixture
def everything(hq: Sam) -> Everything:
    return segment_everything(picture(90, 120), Segmenter(hq), **LOOSE)


def test_the_ways_to_ask_agree(hq: Sam, everything: Everything, tmp_path: Path) -> None:
    path = tmp_path / "tiny.safetensors"
    save_model(hq, path)
    encoded = Segmenter(hq).encode(picture(90, 120))
    config = AutomaticConfig(**LOOSE)
    direct = keep(propose(hq, picture(90, 120), config), config)
    for one in (
        segment_everything(picture(90, 120), hq, config=config),
        segment_everything(encoded, Segmenter(hq), config=AutomaticConfig(points_per_side=9), **LOOSE),
        segment_everything(picture(90, 120), str(path), **LOOSE),
        everything,
    ):
        assert len(one) == len(direct) > 0
        assert np.allclose(one.scores, direct.iou, atol=1e-5)
        assert np.array_equal(one.boxes, direct.boxes)
        assert one.model == "tiny_hq"


def test_an_embedding_of_another_dtype_serves(hq: Sam) -> None:
    encoded = Segmenter(hq).encode(picture(90, 120))
    half = tiny.model(tiny.HQ).to(torch.bfloat16)
    assert len(segment_everything(encoded, half, **LOOSE)) > 0


def test_a_result_of_a_file_says_which(hq: Sam, tmp_path: Path) -> None:
    path = tmp_path / "in" / "photo.png"
    path.parent.mkdir()
    Image.fromarray(picture()).save(path)
    encoded = Segmenter(hq).encode(path)
    tiled = segment_mosaic(path, hq, tile=64, **LOOSE)
    for number, found in enumerate((segment_everything(str(path), hq, **LOOSE),
                                    segment_everything(encoded, hq, **LOOSE), tiled)):  # fmt: skip
        assert found.filter(pred_iou_thresh=0.0).file_name == str(path)
        found.save(tmp_path / "out", f"{number}", masks=False, overlay=False)
        found.save(tmp_path / "out", f"{number}-other", masks=False, overlay=False, file_name="other.png")
        assert read_sa1b(tmp_path / "out" / f"{number}.json").file_name == str(path)
        assert read_sa1b(tmp_path / "out" / f"{number}-other.json").file_name == "other.png"
    assert main(["write", str(tmp_path / "out" / "0.json"), "--format", "cutouts", "-o", str(tmp_path / "cut")]) == 0
    assert list((tmp_path / "cut").iterdir())
    unnamed = segment_everything(picture(), hq, **LOOSE)
    assert unnamed.file_name is None
    unnamed.save(tmp_path, "photo", masks=False, overlay=False)
    assert read_sa1b(tmp_path / "photo.json").file_name == "photo"


def test_progress(hq: Sam, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_draws", lambda: True)  # As if stderr were a terminal.
    heard: list[tuple[int, int]] = []
    segment_everything(picture(), hq, **LOOSE, progress=lambda done, total: heard.append((done, total)))
    assert heard[-1] == (25, 25)
    segment_everything(picture(), hq, **LOOSE, progress=True)
    assert "25/25" in capsys.readouterr().err


def test_misuse_ends_in_sentences(hq: Sam) -> None:
    with pytest.raises(ConfigError, match="Did you mean 'points_per_side'"):
        segment_everything(picture(), hq, points_per_sides=3)
    with pytest.raises(ConfigError, match="square of 64"):
        segment_everything(Segmenter(tiny.shared(tiny.LIGHT)).encode(picture()), hq)
    with pytest.raises(ConfigError, match="encoded by tiny_plain"):  # of the same side, without the HQ map
        segment_everything(Segmenter(tiny.shared(tiny.PLAIN)).encode(picture()), hq)
    with pytest.raises(ConfigError, match="encoded by tiny_hq"):  # the features of another encoder
        segment_everything(Segmenter(hq).encode(picture()), tiny.shared(tiny.PLAIN))
    with pytest.raises(ImageError):
        segment_everything(b"no picture", hq)
    for model in (hq, Segmenter(hq)):
        with pytest.raises(ConfigError, match=r"Write segment_everything\(image, model\)"):
            segment_everything(model, picture())


def test_large_pictures_are_held_as_outlines(hq: Sam) -> None:
    found = segment_everything(picture(90, 120), hq, **LOOSE)
    assert sum(changes.nbytes for changes in found.proposals.changes) < 90 * 120 * len(found)
    assert all(runs.pixels_on(changes) for changes in found.proposals.changes)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    "options",
    [
        {"hq": "on"},
        {"candidates": "singel"},
        {"points_per_side": 100_000},
        {"crop_n_layers": 50},
        {"mask_threshold": "0"},
    ],
)
def test_options_that_mean_nothing_are_refused_before_the_picture_is_read(hq: Sam, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(options))):
        segment_everything("no/such.png", hq, **options)
    with pytest.raises(ConfigError, match="alpha"):
        segment_everything(picture(), hq, **LOOSE).overlay(alpha=float("nan"))


def test_settings_that_the_weights_bring_are_the_defaults() -> None:
    sam = tiny.model(tiny.HQ)
    sam.config = sam.config.replace(defaults=Defaults(pred_iou_thresh=0.25, hq="off"))
    found = segment_everything(picture(), Segmenter(sam), points_per_side=2, box_nms_thresh=1.0)
    assert (found.config.pred_iou_thresh, found.config.hq, found.config.box_nms_thresh) == (0.25, "off", 1.0)
    found = segment_everything(picture(), sam, config=AutomaticConfig(points_per_side=2))
    assert found.config.pred_iou_thresh == 0.88
