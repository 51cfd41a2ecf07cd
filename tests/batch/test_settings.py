"""Settings from which works are made, and which of them results depend on."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from samhq.batch.settings import (
    BandSettings,
    EmbeddingSettings,
    EverythingFiles,
    MaskFiles,
    ModelSettings,
    RefineSettings,
    TileSettings,
)
from samhq.checkpoint.save import save_model
from samhq.errors import ConfigError
from samhq.image.read import read_image
from tests import tiny
from tests.cli.segmenting import drawn


def test_a_model_is_known_by_its_weights_not_its_name(tmp_path: Path) -> None:
    one, copy, other = (tmp_path / f"{name}.safetensors" for name in ("one", "copy", "other"))
    save_model(tiny.shared(tiny.HQ), one)
    copy.write_bytes(one.read_bytes())
    save_model(tiny.shared(tiny.PLAIN), other)
    options = [ModelSettings(str(path)).options() for path in (one, copy, other)]
    assert options[0] == options[1] != options[2]
    assert ModelSettings(str(one), hq="off").options() != options[0]
    with pytest.raises(ConfigError):
        ModelSettings(str(other), hq="only", device="cpu").load()


def test_a_picture_is_its_path_unless_channels_are_chosen(tmp_path: Path) -> None:
    picture = drawn(tmp_path / "a.png")
    assert BandSettings().picture(picture) == picture
    swapped = BandSettings(bands=(3, 2, 1)).picture(picture)
    np.testing.assert_array_equal(swapped, read_image(picture)[..., ::-1])


def test_settings_travel_and_say_what_results_depend_on() -> None:
    settings = [BandSettings((1,)), RefineSettings(refine=True), TileSettings(tile=512), MaskFiles(Path("out"))]
    settings += [EverythingFiles(Path("out")), EmbeddingSettings(Path("kept"))]
    for one in settings:
        assert pickle.loads(pickle.dumps(one)).options() == one.options()
    assert RefineSettings(bands=(1,), refine=True).options() == {"bands": (1,), "stretch": None, "refine": True}
    assert MaskFiles(Path("a")).options() == MaskFiles(Path("b")).options()


def test_an_overlap_needs_tiles() -> None:
    with pytest.raises(ConfigError, match="--tile"):
        TileSettings(overlap=8).check(None)
    with pytest.raises(ConfigError, match="Leave one out"):
        TileSettings(tile=512).check(Path("kept"))
