"""`samhq data check` tells what is wrong, and what `samhq data make` writes is right."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests.datasets.layouts import disc, pair

from samhq.cli.main import main
from samhq.datasets.open import open_dataset

Shown = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "scenes"
    assert main(["data", "make", str(folder), "--count", "10", "--side", "64", "--seed", "1"]) == 0
    return folder


def test_what_is_made_is_sound(made: Path, capsys: Shown) -> None:
    assert main(["data", "check", str(made / "train.json")]) == 0
    said = capsys.readouterr().out
    assert "nothing is wrong" in said
    assert main(["data", "check", str(made / "val.json"), "--json"]) == 0
    (report,) = json.loads(capsys.readouterr().out)
    assert (report["pictures"], report["sound"]) == (2, True)
    train, val = open_dataset(made / "train.json"), open_dataset(made / "val.json")
    assert (len(train), len(val)) == (8, 2)
    assert not set(train.names()) & set(val.names())
    assert all(len(train[i].objects) == len(train[i].masks) > 0 for i in range(len(train)))
    assert {c for i in range(len(train)) for c in train[i].categories} <= {"object", "thin object"}
    assert train[0].masks.sum(0).max() == 1, "wholes do not overlap"


def test_equal_flags_give_equal_masks(made: Path, tmp_path: Path) -> None:
    assert main(["data", "make", str(tmp_path), "--count", "10", "--side", "64", "--seed", "1"]) == 0
    assert (tmp_path / "train.json").read_bytes() == (made / "train.json").read_bytes()
    assert main(["data", "make", str(tmp_path / "2"), "--count", "5", "--side", "64", "--seed", "2"]) == 0
    assert not np.array_equal(open_dataset(made / "val.json")[0].image, open_dataset(tmp_path / "2/val.json")[0].image)


def test_thin_scenes_are_mostly_thin(tmp_path: Path) -> None:
    assert main(["data", "make", str(tmp_path), "--count", "10", "--side", "96", "--thin"]) == 0
    pictures = open_dataset(tmp_path / "train.json")
    labels = [label for i in range(len(pictures)) for label in pictures[i].categories]
    assert labels.count("thin object") > len(labels) / 2


def test_earlier_data_is_not_overwritten(made: Path, capsys: Shown) -> None:
    before = (made / "train.json").read_bytes()
    assert main(["data", "make", str(made), "--count", "5"]) == 2
    assert "train.json" in capsys.readouterr().err
    assert (made / "train.json").read_bytes() == before


def test_what_is_wrong_is_named_and_counted(tmp_path: Path, capsys: Shown) -> None:
    for number in range(12):
        pair(tmp_path, tmp_path, str(number), disc())
        if number:
            (tmp_path / f"{number}.png").unlink()
    assert main(["data", "check", str(tmp_path)]) == 1
    said = capsys.readouterr().out
    assert "10.jpg" in said
    assert "missing: and 1 more" in said


def test_published_counts_are_said(tmp_path: Path, capsys: Shown) -> None:
    folder = tmp_path / "thin_object_detection" / "COIFT"
    pair(folder / "images", folder / "masks", "a", disc())
    assert main(["data", "check", f"hqseg44k:COIFT@{tmp_path}"]) == 1
    assert "COIFT has 1 picture, published with 280" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        ["check", "/nowhere/at/all"],
        ["check"],
        ["check", "hqseg44k:none@/"],
        ["make", "x", "--count", "2"],
        ["other"],
        ["make", "x", "--side", "100000000"],
        ["make", "x", "--side", "1e8"],
        ["make", "x", "--count", "10000000000000"],
        ["make", "x", "--seed", "-1"],
    ],
)
def test_wrong_use(arguments: list[str], capsys: Shown) -> None:
    assert main(["data", *arguments]) == 2
    assert capsys.readouterr().err.startswith("samhq: ")
