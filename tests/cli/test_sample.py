"""`samhq sample` writes the photograph that the examples name."""

from __future__ import annotations

from pathlib import Path

import pytest

from samhq.cli.main import main
from samhq.image.sample_picture import sample_picture
from samhq.video.frames import open_frames
from samhq.video.sample_clip import FRAMES, RATE, SIZE_HW


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ([], "photo.jpg"),
        (["cup.jpg"], "cup.jpg"),
        (["."], "photo.jpg"),
        (["new/a.jpg"], "new/a.jpg"),
        (["photos"], "photos/photo.jpg"),
    ],
)
def test_a_copy_is_written_and_named(
    words: list[str], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["sample", *words]) == 0
    assert capsys.readouterr().out.strip() == name
    assert (tmp_path / name).read_bytes() == sample_picture().read_bytes()


@pytest.mark.parametrize(("words", "name"), [([], "clip.mp4"), (["new/a.mp4"], "new/a.mp4")])
def test_a_clip_is_written_and_named(
    words: list[str], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("av")
    monkeypatch.chdir(tmp_path)
    assert main(["sample", "--video", *words]) == 0
    assert capsys.readouterr().out.strip() == name
    clip = open_frames(tmp_path / name)
    assert (len(clip), clip.size_hw, clip.rate) == (FRAMES, SIZE_HW, RATE)
    assert main(["sample", "--video", *words]) == 2
    assert "--force" in capsys.readouterr().err


def test_nothing_is_replaced_unless_it_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.jpg").write_bytes(b"mine")
    assert main(["sample", str(tmp_path / "a.jpg")]) == 2
    assert "--force" in capsys.readouterr().err
    assert (tmp_path / "a.jpg").read_bytes() == b"mine"
    assert main(["sample", str(tmp_path / "a.jpg"), "--force"]) == 0
    assert (tmp_path / "a.jpg").read_bytes() != b"mine"
