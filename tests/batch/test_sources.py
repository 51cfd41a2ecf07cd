"""Pictures of every kind of source, in every place."""

from __future__ import annotations

import io
import os
import tarfile
import uuid
from pathlib import Path

import pytest

from samhq.batch.places import Folder, read_address
from samhq.batch.sources import list_pictures
from samhq.errors import ConfigError
from tests.cli.segmenting import drawn


@pytest.fixture
def memory() -> str:
    return f"memory://{uuid.uuid4().hex}"


def test_pictures_of_a_folder_a_tar_a_store_and_a_list(tmp_path: Path, memory: str) -> None:
    content = drawn(tmp_path / "in" / "deep" / "b.png").read_bytes()
    drawn(tmp_path / "in" / "a.png")
    (tmp_path / "in" / "note.txt").write_text("no picture")
    names = ["a.png", "deep/b.png"]
    with tarfile.open(tmp_path / "set.tar", "w") as tar:
        for name in ("note.txt", "deep/b.png", "a.png"):
            tar.add(tmp_path / "in" / name, name)
    for name in names:
        Folder(memory).write(name, (tmp_path / "in" / name).read_bytes())
    for source in (str(tmp_path / "in"), str(tmp_path / "set.tar"), memory):
        found = list_pictures(source)
        assert [name for name, _ in found] == names
        assert read_address(found[1][1]) == content
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    stream = io.BytesIO()
    pq.write_table(pa.table({"uri": [uri for _, uri in found], "id": ["y", "x"]}), stream)
    Folder(memory).write("list.parquet", stream.getvalue())
    assert list_pictures(f"{memory}/list.parquet") == [("x", found[1][1]), ("y", found[0][1])]


def test_sources_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="got none"):
        list_pictures(str(tmp_path))
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    pq.write_table(pa.table({"uri": ["a.png", "a.png"]}), tmp_path / "twice.parquet")
    with pytest.raises(ConfigError, match="twice"):
        list_pictures(str(tmp_path / "twice.parquet"))
    pq.write_table(pa.table({"path": ["a.png"]}), tmp_path / "other.parquet")
    with pytest.raises(ConfigError, match="column uri"):
        list_pictures(str(tmp_path / "other.parquet"))


@pytest.mark.parametrize("name", ["none", "none.parquet", "none.tar", "none-{0..1}.tar", "none.jpg"])
def test_sources_that_are_not_there(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        list_pictures(str(tmp_path / name))


def test_a_damaged_list(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    (tmp_path / "bad.parquet").write_text("x")
    with pytest.raises(ConfigError, match="Expected a Parquet file"):
        list_pictures(str(tmp_path / "bad.parquet"))


def test_one_picture(tmp_path: Path, memory: str) -> None:
    content = drawn(tmp_path / "a.png").read_bytes()
    Folder(memory).write("a.png", content)
    for source in (str(tmp_path / "a.png"), f"{memory}/a.png"):
        ((name, address),) = list_pictures(source)
        assert name == "a.png"
        assert read_address(address) == content


def test_several_tars_by_a_pattern_or_in_a_folder(tmp_path: Path) -> None:
    content = drawn(tmp_path / "p.png").read_bytes()
    folder = tmp_path / "tars"
    folder.mkdir()
    for number in range(3):
        with tarfile.open(folder / f"x-{number:03d}.tar", "w") as tar:
            tar.add(tmp_path / "p.png", f"{number}.png")
    ids = ["x-000/0.png", "x-001/1.png", "x-002/2.png"]
    for source in (folder, folder / "x-*.tar", folder / "x-{000..002}.tar"):
        found = list_pictures(str(source))
        assert [name for name, _ in found] == ids
        assert [read_address(uri) for _, uri in found] == [content] * 3
    assert [name for name, _ in list_pictures(str(folder / "x-{001..001}.tar"))] == ["x-001/1.png"]
    with pytest.raises(ConfigError, match="got none"):
        list_pictures(str(folder / "y-*.tar"))


def test_a_relative_folder_gives_whole_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn(tmp_path / "in" / "a.png")
    monkeypatch.chdir(tmp_path)
    assert list_pictures("in") == [("a.png", str(tmp_path / "in" / "a.png"))]


@pytest.mark.skipif(os.name == "nt", reason="names there are text")
def test_names_that_no_list_can_hold_are_refused(tmp_path: Path) -> None:
    content = drawn(tmp_path / "in" / "a.png").read_bytes()
    try:
        (tmp_path / "in" / "b\udcff.png").write_bytes(content)
    except (OSError, UnicodeError):
        pytest.skip("this file system takes text only")
    with pytest.raises(ConfigError, match=r"UTF-8 .*, got b\\xff\.png\. Rename"):
        list_pictures(str(tmp_path / "in"))
