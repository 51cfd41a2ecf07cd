"""Pictures and folders in every place, and stores that fail now and then."""

from __future__ import annotations

import io
import tarfile
import uuid
from pathlib import Path

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from samhq.batch.places import Folder, list_pictures, read_address
from samhq.errors import ConfigError
from tests.cli.segmenting import drawn


@pytest.fixture
def memory() -> str:
    return f"memory://{uuid.uuid4().hex}"


@pytest.mark.parametrize("kind", ["local", "memory"])
def test_a_folder_reads_what_it_wrote(kind: str, tmp_path: Path, memory: str) -> None:
    folder = Folder(str(tmp_path) if kind == "local" else memory)
    assert folder.names("out") == []
    assert folder.read("out/a") is None
    folder.write("out/b", b"2")
    folder.write("out/a", b"1")
    folder.write("out/a", b"3")
    assert folder.names("out") == ["a", "b"]
    assert folder.read("out/a") == b"3"


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


def test_a_store_that_fails_now_and_then_is_asked_again(memory: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("samhq.batch.places._PAUSE_S", 0.0)
    calls = {"pipe_file": 0, "cat_file": 0}
    for name in calls:
        whole = getattr(MemoryFileSystem, name)

        def flaky(self: object, *args: object, name: str = name, whole: object = whole, **more: object) -> object:
            calls[name] += 1
            if calls[name] % 2:
                raise OSError("the store is busy")
            return whole(self, *args, **more)

        monkeypatch.setattr(MemoryFileSystem, name, flaky)
    folder = Folder(memory)
    for number in range(5):
        folder.write(f"out/{number}", bytes([number]))
        assert folder.read(f"out/{number}") == bytes([number])
    assert calls == {"pipe_file": 10, "cat_file": 10}


def test_a_store_that_always_fails_is_an_error(memory: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise OSError("the store is gone")

    monkeypatch.setattr("samhq.batch.places._PAUSE_S", 0.0)
    monkeypatch.setattr(MemoryFileSystem, "pipe_file", broken)
    with pytest.raises(OSError, match="gone"):
        Folder(memory).write("a", b"")
