"""A record is what was written; files are known by their content; a manifest that nobody used leaves no file."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from samhq.batch.manifest import FILENAME, Manifest, OutputFile, Record, Source


@pytest.fixture
def record(tmp_path: Path) -> Record:
    """The record of a picture that is done, with one output."""
    (tmp_path / "a.png").write_bytes(b"picture")
    (tmp_path / "a.json").write_bytes(b"{}")
    source, output = Source.of(tmp_path / "a.png"), OutputFile.of(tmp_path / "a.json", tmp_path)
    return Record(str(tmp_path / "a.png"), "a", source, "0" * 64, (output,), 0.5)


def test_records_come_back_and_the_last_one_counts(tmp_path: Path, record: Record) -> None:
    failed = replace(record, outputs=(), error="unreadable \udcff")
    with Manifest(tmp_path) as manifest:
        manifest.append(failed)
        manifest.append(record)
        manifest.append(replace(failed, name="b"))
    with Manifest(tmp_path) as manifest:
        known = list(manifest.records.values())
    assert known == [record, replace(failed, name="b")]


def test_a_picture_is_finished_while_nothing_has_changed(tmp_path: Path, record: Record) -> None:
    picture, output = tmp_path / "a.png", tmp_path / "a.json"
    with Manifest(tmp_path) as manifest:
        manifest.append(record)
        assert manifest.finished(picture, "a", record.options)
        assert not manifest.finished(picture, "b", record.options)
        assert not manifest.finished(picture, "a", "1" * 64)
        os.utime(picture, ns=(1, 1))
        assert manifest.finished(picture, "a", record.options), "another time, the same bytes"
        output.write_bytes(b"[]")
        assert not manifest.finished(picture, "a", record.options)
        output.write_bytes(b"{}")
        picture.write_bytes(b"changed")
        assert not manifest.finished(picture, "a", record.options)
        picture.unlink()
        assert not manifest.finished(picture, "a", record.options)
        manifest.append(replace(record, error="failed"))
        assert not manifest.finished(picture, "a", record.options)


def test_only_the_last_user_of_an_empty_manifest_removes_it(tmp_path: Path, record: Record) -> None:
    with Manifest(tmp_path / "new"):
        pass
    assert list((tmp_path / "new").iterdir()) == []
    with Manifest(tmp_path) as first:
        with Manifest(tmp_path):
            pass
        assert (tmp_path / FILENAME).exists(), "another job still uses it"
        first.append(record)
    assert (tmp_path / FILENAME).stat().st_size > 0


def test_outputs_inside_the_folder_move_with_it(tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "out", tmp_path / "elsewhere.json"
    folder.mkdir()
    for path in (folder / "a.json", elsewhere):
        path.write_bytes(b"{}")
    inside, outside = OutputFile.of(folder / "a.json", folder), OutputFile.of(elsewhere, folder)
    assert (inside.file, outside.file) == ("a.json", str(elsewhere))
    folder = folder.rename(tmp_path / "moved")
    assert inside.intact(folder)
    assert outside.intact(folder)
