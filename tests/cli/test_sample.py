"""`samhq sample` writes the photograph that the examples name."""

from __future__ import annotations

from pathlib import Path

import pytest

from samhq.cli.main import main
from samhq.image.sample_picture import sample_picture


@pytest.mark.parametrize(
    ("words", "name"), [([], "photo.jpg"), (["cup.jpg"], "cup.jpg"), (["."], "photo.jpg"), (["new/a.jpg"], "new/a.jpg")]
)
def test_a_copy_is_written_and_named(
    words: list[str], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["sample", *words]) == 0
    assert capsys.readouterr().out.strip() == name
    assert (tmp_path / name).read_bytes() == sample_picture().read_bytes()


def test_nothing_is_replaced_unless_it_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.jpg").write_bytes(b"mine")
    assert main(["sample", str(tmp_path / "a.jpg")]) == 2
    assert "--force" in capsys.readouterr().err
    assert (tmp_path / "a.jpg").read_bytes() == b"mine"
    assert main(["sample", str(tmp_path / "a.jpg"), "--force"]) == 0
    assert (tmp_path / "a.jpg").read_bytes() != b"mine"
