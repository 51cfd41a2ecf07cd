"""Flipped bytes of exported files are an error; files that a tool changed are not checked."""

from __future__ import annotations

import shutil
from pathlib import Path

import onnx
import pytest

from samhq.errors import CheckpointError
from samhq.runtime.about import DECODER, ENCODER
from samhq.runtime.graph import open_graph
from samhq.runtime.model import OnnxModel
from samhq.runtime.seal import UNSEALED, check_seal, seal


def made(path: Path, size: int = 999) -> Path:
    metadata = b"".join(
        b"\x0a" + bytes([len(name)]) + name.encode() + b"\x12" + bytes([len(value)]) + value.encode()
        for name, value in UNSEALED.items()
    )
    path.write_bytes(bytes(range(256)) + metadata + bytes(size))
    seal(path)
    return path


@pytest.mark.parametrize("size", [999, 200_000])  # The metadata is near the end, as exporters write it, or far from it.
@pytest.mark.parametrize("place", [0, 100, -1, -500])
def test_a_flipped_byte_is_an_error(tmp_path: Path, place: int, size: int) -> None:
    path = made(tmp_path / "a.onnx", size)
    check_seal(path)
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="damaged on the disk"):
        check_seal(path)


def test_weights_beside_the_file_count_too(tmp_path: Path) -> None:
    beside = tmp_path / "a.onnx.data"
    beside.write_bytes(b"weights")
    path = made(tmp_path / "a.onnx")
    check_seal(path)
    beside.write_bytes(b"Weights")
    with pytest.raises(CheckpointError, match="other bytes"):
        check_seal(path)


def test_files_of_another_size_or_maker_are_not_checked(tmp_path: Path) -> None:
    path = made(tmp_path / "a.onnx")
    path.write_bytes(path.read_bytes() + b"more")
    check_seal(path)
    path.write_bytes(b"of another maker")
    check_seal(path)
    path.write_bytes(b"")
    with pytest.raises(CheckpointError, match="Export it again"):
        check_seal(path)


@pytest.mark.parametrize("name", [ENCODER, DECODER])
def test_exported_weights_are_checked_before_they_are_loaded(hq_folder: Path, tmp_path: Path, name: str) -> None:
    folder = Path(shutil.copytree(hq_folder, tmp_path / "exported"))
    OnnxModel(folder)
    proto = onnx.load(folder / name)
    largest = max(proto.graph.initializer, key=lambda tensor: len(tensor.raw_data))
    content = bytearray((folder / name).read_bytes())
    content[content.index(largest.raw_data) + 3] ^= 0x40
    (folder / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=name):
        OnnxModel(folder)
    with pytest.raises(CheckpointError, match=name):
        open_graph(folder / name, "openvino")
