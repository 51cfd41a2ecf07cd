"""Pictures and folders in every place, and stores that fail now and then."""

from __future__ import annotations

import importlib.util
import io
import tarfile
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from samhq.batch.places import Folder, check_no_file, members_of_tar, read_address, system_of, upload
from samhq.errors import ConfigError, MissingExtraError


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
    for _ in range(2):
        folder.remove("out/a")
        assert folder.names("out") == ["b"]


def test_a_part_of_a_file_can_be_read(tmp_path: Path, memory: str) -> None:
    for folder in (Folder(str(tmp_path)), Folder(memory)):
        folder.write("a", b"0123456789")
        assert folder.read_with("a", lambda stream: stream.read(3)) == b"012"
        assert folder.read_with("b", lambda stream: stream.read(3)) is None
        assert folder.read_all(["a", "b", "a"], lambda stream: stream.read()) == [b"0123456789", None, b"0123456789"]


def write_tar(path: Path, members: dict[str, bytes], mode: str = "w") -> str:
    with tarfile.open(path, mode) as tar:
        for name, content in members.items():
            about = tarfile.TarInfo(name)
            about.size = len(content)
            tar.addfile(about, io.BytesIO(content))
    return str(path)


def test_members_of_tars_here_and_in_a_store(tmp_path: Path, memory: str) -> None:
    members = {"a.png": b"first", "./deep/b.png": bytes(2000), "empty": b""}
    local = write_tar(tmp_path / "set.tar", members)
    Folder(memory).write("set.tar", Path(local).read_bytes())
    for tar in (local, f"{memory}/set.tar"):
        assert list(members_of_tar(tar)) == ["a.png", "deep/b.png", "empty"]
        for name, content in members.items():
            assert read_address(f"tar://{name.removeprefix('./')}::{tar}") == content
        with pytest.raises(FileNotFoundError):
            read_address(f"tar://c.png::{tar}")
    with ThreadPoolExecutor(8) as readers:
        found = readers.map(read_address, [f"tar://{name}::{local}" for name in ("a.png", "deep/b.png") * 50])
    assert list(found) == [b"first", bytes(2000)] * 50


def test_files_that_are_no_tars(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="uncompressed tar"):
        members_of_tar(write_tar(tmp_path / "packed.tar", {"a.png": b"1"}, "w:gz"))
    with pytest.raises(FileNotFoundError):
        members_of_tar(str(tmp_path / "none.tar"))


@pytest.mark.parametrize("place", ["a.jpg", "a.jpg/job"])
def test_a_file_is_no_folder(tmp_path: Path, place: str) -> None:
    (tmp_path / "a.jpg").write_bytes(b"")
    check_no_file(str(tmp_path / "new" / "b.jpg"), "--out")
    check_no_file("memory://a.jpg", "--out")
    with pytest.raises(ConfigError, match=r"Expected a folder as --out.*a\.jpg is a file"):
        check_no_file(str(tmp_path / place), "--out")


@pytest.mark.parametrize("address", ["ssh://host/a.png", "github://a:b@main/x.png", "data://x"])
def test_other_stores_are_refused(address: str) -> None:
    with pytest.raises(ConfigError, match="known store"):
        read_address(address)


def test_a_folder_is_put_into_a_store(tmp_path: Path, memory: str) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.txt").write_text("1")
    (tmp_path / "b.txt").write_text("2")
    upload(tmp_path, f"{memory}/to")
    assert Folder(memory).read("to/deep/a.txt") == b"1"
    assert Folder(memory).read("to/b.txt") == b"2"


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


def test_stores_of_other_packages() -> None:
    system, path = system_of("hf://datasets/someone/photos/a.png")
    assert (system.protocol, path) == ("hf", "datasets/someone/photos/a.png")
    if importlib.util.find_spec("gcsfs") is None:
        with pytest.raises(MissingExtraError, match=r"samhq\[gcs\]"):
            system_of("gs://bucket/a.png")


def test_a_store_without_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    store = pytest.importorskip("s3fs").S3FileSystem
    store.clear_instance_cache()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(ConfigError, match=r"Expected access to S3, got NoCredentialsError.*AWS_ACCESS_KEY_ID"):
        read_address("s3://samhq-without-credentials/x")
    store.clear_instance_cache()
