from __future__ import annotations

import argparse
import datetime
import io
import json
import os
import pickle
import sys
import traceback
import types
import zipfile
from pathlib import Path, PureWindowsPath

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import safe_open

from samhq.checkpoint import files
from samhq.errors import CheckpointError, ConfigError

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:torch", "ignore:'torch.load' received a zip")

STATE = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.steps": torch.tensor(7), "b": torch.ones(3).half()}


def same(a, b):
    return a.keys() == b.keys() and all(a[k].dtype == b[k].dtype and torch.equal(a[k], b[k]) for k in a)


def legacy_pickle() -> bytes:
    stream = io.BytesIO()
    torch.save(STATE, stream, _use_new_zipfile_serialization=False)
    return stream.getvalue()


@pytest.mark.parametrize("name", ["m.pth", "m.pt", "m.bin", "m.safetensors"])
def test_what_is_written_is_read(tmp_path, name):
    files.write_tensors(tmp_path / name, STATE, {"note": "x"})
    found = files.read(tmp_path / name)
    assert same(found.value, STATE)
    assert found.metadata.get("note") == ("x" if name.endswith("safetensors") else None)


@pytest.mark.parametrize("name", ["m.pth", "m.safetensors"])
def test_the_bytes_decide_not_the_suffix(tmp_path, name):
    files.write_tensors(tmp_path / name, STATE)
    (tmp_path / name).rename(tmp_path / "weights.dat")
    assert same(files.read(tmp_path / "weights.dat").value, STATE)


def test_a_pickle_that_is_called_safetensors_is_read(tmp_path):
    files.write_tensors(tmp_path / "m.pth", STATE)
    (tmp_path / "m.pth").rename(tmp_path / "new.safetensors")
    (tmp_path / "old.safetensors").write_bytes(legacy_pickle())
    assert same(files.read(tmp_path / "new.safetensors").value, STATE)
    assert same(files.read(tmp_path / "old.safetensors").value, STATE)


def test_old_pickles_are_read(tmp_path):
    (tmp_path / "old.pth").write_bytes(legacy_pickle())
    assert same(files.read(tmp_path / "old.pth").value, STATE)


@pytest.mark.parametrize("name", ["a.safetensors", "a.pth"])
def test_the_same_content_gives_the_same_bytes(tmp_path, name):
    """safetensors keeps its metadata in a table that has another order each time."""
    metadata = {f"key{number}": 'ü "quoted" \\ \n \x01 \u2028' for number in range(6)}
    contents = set()
    for number in range(5):
        path = tmp_path / str(number) / name
        path.parent.mkdir()
        files.write_tensors(path, STATE, metadata)
        contents.add(path.read_bytes())
    assert len(contents) == 1
    assert same(files.read(path).value, STATE)
    if name.endswith("safetensors"):
        with safe_open(path, framework="pt") as stream:
            assert stream.metadata() == {"format": "pt", **metadata}


def test_a_view_does_not_drag_its_storage_along(tmp_path):
    files.write_tensors(tmp_path / "m.pth", {"row": torch.zeros(100_000, 4)[0]})
    assert (tmp_path / "m.pth").stat().st_size < 10_000


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    files.write_tensors(tmp_path / "m.pth", STATE)

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", fail)
    with pytest.raises(CheckpointError, match="No space left"):
        files.write_tensors(tmp_path / "m.pth", {"a": torch.zeros(1)})
    assert os.listdir(tmp_path) == ["m.pth"]
    assert same(files.read(tmp_path / "m.pth").value, STATE)


def test_written_files_have_ordinary_permissions(tmp_path):
    files.write_tensors(tmp_path / "m.pth", STATE)
    (tmp_path / "plain").touch()
    assert (tmp_path / "m.pth").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_unwritable_places_and_odd_suffixes_are_errors(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(CheckpointError, match="place to write"):
        files.write_tensors(tmp_path / "file" / "m.pth", STATE)
    with pytest.raises(ConfigError, match="safetensors"):
        files.write_tensors(tmp_path / "m.onnx", STATE)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"<!DOCTYPE html><html>404", "a web page"),
        (b"\n  <html><body>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n", "git-lfs pointer"),
        (b'{"model_type": "sam"}', "JSON text"),
        (b"\x89PNG\r\n\x1a\n", "PNG picture"),
        (b"\x1f\x8b\x08\x00", "unpack it"),
        (b"hello there, this is no checkpoint", "neither a PyTorch nor"),
        (b"PK\x03\x04 and then nothing", "cut short, damaged or no checkpoint"),
    ],
)
def test_other_files_are_named(tmp_path, content, words):
    (tmp_path / "sam.pth").write_bytes(content)
    with pytest.raises(CheckpointError, match=words):
        files.read(tmp_path / "sam.pth")


def test_a_zip_without_weights_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "m.pth", "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(CheckpointError, match="no checkpoint"):
        files.read(tmp_path / "m.pth")


class Bomb:
    def __reduce__(self):
        return os.system, ("touch exploded",)


def test_a_yolo_is_named(tmp_path, monkeypatch):
    module = types.ModuleType("ultralytics")
    module.Model = type("Model", (), {"__module__": "ultralytics"})
    monkeypatch.setitem(sys.modules, "ultralytics", module)
    torch.save({"model": module.Model()}, tmp_path / "FastSAM-s.pt")
    with pytest.raises(CheckpointError, match=r"`ultralytics\.Model`.*no SAM\. Use it as a detector"):
        files.read(tmp_path / "FastSAM-s.pt")


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_with_code_is_not_run(tmp_path, monkeypatch, zipped):
    monkeypatch.chdir(tmp_path)
    torch.save({"model": STATE, "x": Bomb()}, "m.pth", _use_new_zipfile_serialization=zipped)
    with pytest.raises(CheckpointError, match=r"calls for `\w+\.system`.*not read"):
        files.read("m.pth")
    Path("plain.pkl").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(CheckpointError):
        files.read("plain.pkl")
    assert not Path("exploded").exists()


def test_a_pickled_module_is_refused_by_name(tmp_path):
    torch.save(torch.nn.Linear(2, 2), tmp_path / "m.pth")
    with pytest.raises(CheckpointError, match=r"torch\.nn\.modules\.linear\.Linear"):
        files.read(tmp_path / "m.pth")


def test_a_torchscript_program_is_refused_by_name(tmp_path):
    with zipfile.ZipFile(tmp_path / "m.pt", "w") as archive:
        for name in ("version", "data.pkl", "constants.pkl", "code/__torch__.py"):
            archive.writestr(f"m/{name}", "3\n")
    with pytest.raises(CheckpointError, match="TorchScript"):
        files.read(tmp_path / "m.pt")


@pytest.mark.parametrize("name", ["m.pth", "m.safetensors", "old.pth"])
@pytest.mark.parametrize("part", [0.2, 0.7, 0.99])
def test_truncated_files_are_refused(tmp_path, name, part):
    path = tmp_path / name
    path.write_bytes(legacy_pickle()) if name == "old.pth" else files.write_tensors(path, STATE)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(part * len(whole))])
    with pytest.raises(CheckpointError, match="cut short"):
        files.read(path)


@pytest.mark.parametrize("path", ["nothing.pth", "no/folder/m.pth", "zero\0byte", "x" * 5000])
def test_what_is_not_there_is_an_error(tmp_path, path):
    with pytest.raises(CheckpointError):
        files.read(tmp_path / path)


def test_folders(tmp_path):
    with pytest.raises(CheckpointError, match="Give a file, or another folder"):
        files.read(tmp_path)
    files.write_tensors(tmp_path / "sam_b.pth", STATE)
    with pytest.raises(CheckpointError, match=r"one of its files instead: sam_b\.pth"):
        files.read(tmp_path)
    files.write_tensors(tmp_path / "pytorch_model.bin", STATE)
    files.write_object(tmp_path / "config.json", {"model_type": "sam"})
    assert same(files.read(tmp_path).value, STATE)
    assert files.read(tmp_path).config == {"model_type": "sam"}
    (tmp_path / "config.json").write_text("{not json")
    with pytest.raises(CheckpointError, match="as JSON, got text that is not"):
        files.read(tmp_path)


def test_shards(tmp_path):
    index = {"weight_map": {"a.weight": "1.safetensors", "a.steps": "2.safetensors", "b": "2.safetensors"}}
    files.write_tensors(tmp_path / "1.safetensors", {"a.weight": STATE["a.weight"]})
    files.write_tensors(tmp_path / "2.safetensors", {k: STATE[k] for k in ("a.steps", "b")})
    path = tmp_path / "model.safetensors.index.json"
    path.write_text(json.dumps(index))
    assert same(files.read(tmp_path).value, STATE)
    path.write_text(json.dumps({"weight_map": {"b": "../elsewhere.safetensors"}}))
    with pytest.raises(CheckpointError, match="leads elsewhere"):
        files.read(tmp_path)
    path.write_text("{}")
    with pytest.raises(CheckpointError, match="weight_map"):
        files.read(tmp_path)


BEGINNINGS = [b"", b"PK\x03\x04", b"\x80\x02", b"\x80\x04", b"\x10\0\0\0\0\0\0\0{", b"\xff\xff\xff\xff\0\0\0\0{}"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(BEGINNINGS), st.binary(max_size=300))
def test_random_bytes_give_only_our_error(tmp_path, beginning, rest):
    (tmp_path / "m.pth").write_bytes(beginning + rest)
    with pytest.raises(CheckpointError):
        files.read(tmp_path / "m.pth")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["m.pth", "m.safetensors", "old.pth"]),
    st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=4))),
)
def test_mutated_files_give_tensors_or_our_error(tmp_path, name, changes):
    path = tmp_path / name
    path.write_bytes(legacy_pickle()) if name == "old.pth" else files.write_tensors(path, STATE)
    whole = bytearray(path.read_bytes())
    for where, what in changes:
        at = int(where * (len(whole) - 1))
        whole[at : at + len(what)] = what
    path.write_bytes(whole)
    try:
        assert files.read(path).value is not None or changes
    except CheckpointError:
        assert changes


HARMLESS = {
    "float64": np.float64(0.5),
    "float32": np.float32(1),
    "int64": np.int64(3),
    "bool": np.bool_(True),
    "arguments": argparse.Namespace(lr=0.1, out=Path("runs") / "one"),
    "path": Path("runs") / "one",
}


@pytest.mark.parametrize("value", HARMLESS.values(), ids=HARMLESS)
@pytest.mark.parametrize("zipped", [True, False])
def test_numbers_arguments_and_paths_beside_weights_do_not_hinder(tmp_path, value, zipped):
    torch.save({"model": STATE, "best": value}, tmp_path / "a.pth", _use_new_zipfile_serialization=zipped)
    for source in (tmp_path / "a.pth", (tmp_path / "a.pth").read_bytes()):
        found = files.read(source).value
        assert str(found["best"]).replace("Pure", "").replace("Posix", "") == str(value).replace("Posix", "")
        assert found["model"].keys() == STATE.keys()


@pytest.mark.skipif(os.name == "nt", reason="names the classes of the other system")
def test_a_path_of_windows_is_read_elsewhere(tmp_path):
    torch.save({"model": STATE, "out": PureWindowsPath("c:/runs")}, tmp_path / "a.pth")
    with zipfile.ZipFile(tmp_path / "a.pth") as archive, zipfile.ZipFile(tmp_path / "b.pth", "w") as changed:
        for item in archive.infolist():
            content = archive.read(item)
            changed.writestr(item, content.replace(b"PureWindowsPath", b"WindowsPath"))
    assert str(files.read(tmp_path / "b.pth").value["out"]) == "c:\\runs"


def test_a_refused_pickle_says_how_it_is_made_plain(tmp_path):
    for name, value in (
        ("module.pth", torch.nn.Linear(2, 2)),
        ("class.pth", {"model": STATE, "when": datetime.date(2024, 1, 1)}),
    ):
        torch.save(value, tmp_path / name)
        with pytest.raises(CheckpointError, match=r"weights_only=False.*torch\.save\(whole\['model'\]"):
            files.read(tmp_path / name)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_a_pickle_of_a_newer_protocol_is_not_called_damaged(tmp_path):
    torch.save({"model": STATE, "x": "y"}, tmp_path / "a.pth", pickle_protocol=4)
    with pytest.raises(CheckpointError, match="newer protocol"):
        files.read(tmp_path / "a.pth")


@pytest.mark.parametrize("names", [["encoder.onnx"], ["decoder.onnx"], ["encoder.onnx", "decoder.onnx"]])
def test_a_folder_of_graphs_is_called_what_it_is(names, tmp_path):
    for name in names:
        (tmp_path / name).write_bytes(b"graph")
    with pytest.raises(CheckpointError, match=rf"{names[-1]}.*samhq export.*export it again") as caught:
        files.read(tmp_path)
    assert "model.safetensors" not in str(caught.value)


@pytest.mark.parametrize("name", ["nowhere.pth", "nowhere.safetensors"])
def test_a_missing_file_is_one_error_and_not_two(name, tmp_path):
    with pytest.raises(CheckpointError, match="does not exist") as caught:
        files.read(tmp_path / name)
    assert "FileNotFoundError" not in "".join(traceback.format_exception(caught.value))
