"""Files say what they are, and strangers are refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from samhq.errors import CheckpointError
from samhq.runtime.about import DECODER, ENCODER, About, is_exported

ABOUT = About("sam_hq_vit_b", "SAM-HQ", 1024, True, 4, "int8", "original", "ab" * 32, "0.1.0")


@pytest.mark.parametrize(
    "about",
    [ABOUT, replace(ABOUT, side=224, mean=(0.5, 1.0, 2.0), default_hq="only", click_mask="single", refine_margin=0.5)],
)
def test_what_is_written_is_read(about: About) -> None:
    metadata = about.to_metadata()
    assert all(name.startswith("samhq.") for name in metadata)
    assert About.from_metadata({**metadata, "other": "thing"}, Path("x")) == about


@pytest.mark.parametrize(
    ("changes", "came"),
    [
        ({"samhq.format": "9"}, "another form"),
        ({"samhq.side": "wide"}, "damaged"),
        ({"samhq.mean": "1,x"}, "damaged"),
        ({"samhq.mean": "1,2"}, "damaged"),
        ({"samhq.std": "1,2,nan"}, "damaged"),
        ({"samhq.std": "1,2,1e400"}, "damaged"),
        ({"samhq.side": "0"}, "damaged"),
        ({"samhq.side": "9" * 5000}, "damaged"),
        ({"samhq.masks": "-4"}, "damaged"),
        ({"samhq.hq": "maybe"}, "damaged"),
        ({"samhq.dtype": "int3"}, "damaged"),
        ({"samhq.contract": ""}, "damaged"),
        ({"samhq.default_hq": "both"}, "damaged"),
        ({"samhq.click_mask": "all"}, "damaged"),
        ({"samhq.refine_margin": "wide"}, "damaged"),
        ({"samhq.refine_margin": "-1"}, "damaged"),
    ],
)
def test_other_forms_and_damage_are_told(changes: dict[str, str], came: str) -> None:
    with pytest.raises(CheckpointError, match=came):
        About.from_metadata({**ABOUT.to_metadata(), **changes}, Path("x"))


def test_a_missing_entry_and_a_foreign_file() -> None:
    said = ABOUT.to_metadata()
    del said["samhq.weights"]
    with pytest.raises(CheckpointError, match=r"damaged.*weights"):
        About.from_metadata(said, Path("x"))
    with pytest.raises(CheckpointError, match="another maker"):
        About.from_metadata({"producer": "me"}, Path("x"))


def test_low_resolution_is_a_quarter() -> None:
    assert ABOUT.low_res == 256


def test_a_folder_is_known_by_both_files(tmp_path: Path) -> None:
    assert not is_exported(tmp_path)
    (tmp_path / ENCODER).touch()
    assert not is_exported(tmp_path)
    (tmp_path / DECODER).touch()
    assert is_exported(tmp_path)
