"""Label files come out of a ZIP by their names alone, and never more bytes than a limit."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from samhq.serve import archives
from samhq.serve.archives import is_archive, unpack_labels
from samhq.serve.faults import Fault


def packed(path: Path, *names: str, content: str = "{}") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, content)
    return path


def test_labels_only_and_never_outside_of_the_folder(tmp_path: Path) -> None:
    names = [
        "a/x.json",
        "b/x.json",
        "/etc/y.xml",
        "../../z.txt",
        "..\\\\w.yaml",
        "photo.png",
        ".hidden/a.json",
        "__MACOSX/x.json",
    ]
    path = packed(tmp_path / "a.zip", *names, f"{'n' * 250}.json")
    found = unpack_labels(path, tmp_path / "files")
    assert [file.name for file in found] == ["x.json", "x.json", "y.xml", "z.txt", "w.yaml"]
    assert len(set(found)) == len(found)
    assert all(file.resolve().is_relative_to(tmp_path / "files") for file in found)


def test_too_many_bytes_and_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = packed(tmp_path / "a.zip", "a.json", "b.json", content=" " * 1000)
    for limit, most in (("MOST_BYTES", 1999), ("MOST_FILES", 1)):
        with monkeypatch.context() as patched:
            patched.setattr(archives, limit, most)
            with pytest.raises(Fault, match="in parts"):
                unpack_labels(path, tmp_path / "files")
    assert len(unpack_labels(path, tmp_path / "files")) == 2


def test_damaged_and_encrypted_files(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.zip", "a.json", content="x" * 500)
    whole = path.read_bytes()
    for broken in (whole[:60], whole[:10] + b"\0" * 30 + whole[40:], whole[:6] + b"\1" + whole[7:]):
        path.write_bytes(broken)
        with pytest.raises(Fault, match="Pack it again"):
            unpack_labels(path, tmp_path / str(len(broken)))


def test_a_zip_is_known_by_its_first_bytes(tmp_path: Path) -> None:
    assert is_archive(packed(tmp_path / "a.zip", "a.json").read_bytes())
    assert is_archive(packed(tmp_path / "empty.zip").read_bytes())
    assert not is_archive(b"{}")
