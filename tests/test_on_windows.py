"""The library keeps Windows' rules for files, as far as they can be pretended: nothing open is replaced or deleted."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import samhq
from samhq.batch.manifest import Manifest
from samhq.checkpoint.load import load_state
from samhq.checkpoint.save import convert, save_model
from samhq.cli.main import main
from samhq.errors import ConfigError
from samhq.model.sam import Sam
from samhq.storage import locks
from samhq.storage.atomic import whole_file, write_bytes, write_json
from samhq.storage.locks import only_one
from samhq.storage.names import short_name
from tests.pretended_windows import AVAILABLE, windows

pytestmark = pytest.mark.skipif(not AVAILABLE, reason="open files are listed in /proc")


@pytest.fixture(autouse=True)
def _on_windows() -> Iterator[None]:
    with windows():
        yield


def test_the_rules_are_those_of_windows(tmp_path: Path) -> None:
    path = write_bytes(tmp_path / "a", b"1")
    with path.open("rb"), pytest.raises(PermissionError):
        path.unlink()
    with path.open("rb"), pytest.raises(PermissionError):
        path.replace(tmp_path / "b")
    with pytest.raises(OSError, match="is not taken"):
        (tmp_path / "a:b").write_bytes(b"")
    with pytest.raises(ImportError):
        import fcntl  # noqa: F401
    assert not locks.open_files_move()


def test_files_are_written_and_replaced(tmp_path: Path) -> None:
    for number in range(2):
        write_json(tmp_path / "a.json", number)
    assert (tmp_path / "a.json").read_text() == "1"
    with pytest.raises(TypeError), whole_file(tmp_path / "a.json") as part:
        part.write_text(None)  # type: ignore[arg-type]
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
    assert (tmp_path / "a.json").read_text() == "1"


def test_a_file_that_a_scanner_has_open_for_a_moment_is_replaced(tmp_path: Path) -> None:
    path = write_bytes(tmp_path / "a", b"1")
    scanned = path.open("rb")
    threading.Timer(0.08, scanned.close).start()
    write_bytes(path, b"2")
    assert path.read_bytes() == b"2"
    with path.open("rb"), pytest.raises(PermissionError):
        write_bytes(path, b"3")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_one_process_at_a_time_works_in_a_folder(tmp_path: Path) -> None:
    for _ in range(2):
        with only_one(tmp_path, "working"):
            refused = pytest.raises(ConfigError, match="where one is working")
            with refused, only_one(tmp_path, "working"):
                pass
        assert not list(tmp_path.iterdir())


def test_jobs_share_a_manifest(tmp_path: Path) -> None:
    with Manifest(tmp_path) as first, Manifest(tmp_path) as second:
        assert first.folder == second.folder
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_a_model_s_file_is_replaced_while_the_model_is_there(hq: Sam, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"model{suffix}"
    save_model(hq, path)
    loaded = samhq.load(path)
    convert(path, path, dtype=torch.float16)
    assert load_state(path)[1].dtype == torch.float16
    assert loaded.model.dtype == torch.float32
    path.unlink()


def test_a_job_from_pictures_to_a_data_set(tmp_path: Path) -> None:
    pictures, masks, written = tmp_path / "pictures", tmp_path / "masks", tmp_path / "written"
    pictures.mkdir()
    for name in ("cat", "dog"):
        Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)).save(pictures / f"{name}.png")
    for _ in range(2):
        assert main(["segment", str(pictures), "--box", "5,5,40,30", "--output", str(masks), "--resume"]) == 0
        assert main(["segment", str(pictures), "--box", "5,5,30,30", "--output", str(masks)]) == 0
    formats = [word for name in ("coco", "yolo", "labelme", "cvat", "svg") for word in ("--format", name)]
    for _ in range(2):
        assert main(["write", str(masks), *formats, "--output", str(written)]) == 0
    left = [path.name for path in tmp_path.rglob(".*")]
    assert not left


@pytest.mark.parametrize(
    "name", ["12:30", "aux", "NUL", "com1.old", 'a"b', "a?b*c", "a|b", "<a>", "dot.", "space ", "a/b"]
)
def test_names_of_results_are_taken(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"{short_name(name)}.json"
    write_json(path, 1)
    assert path.parent == tmp_path
    assert path.read_text() == "1"
    assert short_name("cat") == "cat"
