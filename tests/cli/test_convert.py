"""`samhq convert` goes to every layout and back without a change."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tests import tiny

from samhq.checkpoint.load import load_model
from samhq.checkpoint.save import save_model
from samhq.cli.main import main
from samhq.config import DecoderConfig
from samhq.model.sam import Sam
from samhq.storage.locks import only_one


@pytest.fixture(scope="module")
def hq() -> Sam:
    """With as many heads as every published decoder has: tensors do not say how many."""
    decoder = DecoderConfig(dim=32, heads=8, mlp_dim=48, iou_dim=24)
    return tiny.model(tiny.HQ.replace(decoder=decoder)).requires_grad_(False)


def test_there_and_back(tmp_path: Path, hq: Sam, capsys: pytest.CaptureFixture[str]) -> None:
    save_model(hq, tmp_path / "a.safetensors")
    for source, target in (("a.safetensors", "b.pth"), ("b.pth", "c"), ("c", "d.safetensors")):
        assert main(["convert", str(tmp_path / source), str(tmp_path / target)]) == 0
        assert capsys.readouterr().out.startswith(str(tmp_path / target))
    assert (tmp_path / "c" / "config.json").is_file()
    end = load_model(tmp_path / "d.safetensors").state_dict()
    assert end.keys() == hq.state_dict().keys()
    assert all(torch.equal(end[key], value) for key, value in hq.state_dict().items())


def test_the_starter_is_a_source(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "own.safetensors"
    assert main(["convert", "starter", str(target)]) == 0
    assert capsys.readouterr().out == f"{target}: starter (samhq starter)\n"
    own, embedded = (load_model(source, dtype=None) for source in (target, None))
    assert own.config == embedded.config
    state = own.state_dict()
    assert state.keys() == embedded.state_dict().keys()
    assert all(torch.equal(state[key], value) for key, value in embedded.state_dict().items())


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".bin"])
def test_a_model_whose_tensors_do_not_say_what_it_is_becomes_no_pickle(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], suffix: str
) -> None:
    """A convolutional encoder's side leaves no trace in its tensors: read back it would be 1024."""
    assert main(["convert", "starter", str(tmp_path / f"own{suffix}")]) == 2
    said = capsys.readouterr().err
    assert "do not say side = 512" in said
    assert ".safetensors" in said
    assert list(tmp_path.iterdir()) == []


def test_half_precision(tmp_path: Path, hq: Sam) -> None:
    save_model(hq, tmp_path / "a.safetensors")
    assert (
        main(["convert", str(tmp_path / "a.safetensors"), str(tmp_path / "b.safetensors"), "--dtype", "float16"]) == 0
    )
    assert load_model(tmp_path / "b.safetensors", dtype=None).dtype == torch.float16


def test_wrong_use_is_a_sentence_and_writes_nothing(
    tmp_path: Path, hq: Sam, capsys: pytest.CaptureFixture[str]
) -> None:
    save_model(hq, tmp_path / "a.safetensors")
    for source, target in (("nowhere.pth", "b.pth"), ("a.safetensors", "b.onnx")):
        assert main(["convert", str(tmp_path / source), str(tmp_path / target)]) == 2
        assert capsys.readouterr().err.count("\n") == 1
        assert not (tmp_path / target).exists()


@pytest.mark.parametrize(
    ("target", "taken"), [("b.pth", "b.pth"), ("c", "c/config.json"), ("c", "c/model.safetensors")]
)
def test_what_is_there_is_replaced_only_by_force(
    tmp_path: Path, hq: Sam, capsys: pytest.CaptureFixture[str], target: str, taken: str
) -> None:
    save_model(hq, tmp_path / "a.safetensors")
    (tmp_path / taken).parent.mkdir(exist_ok=True)
    (tmp_path / taken).write_text("mine")
    command = ["convert", str(tmp_path / "a.safetensors"), str(tmp_path / target)]
    assert main(command) == 2
    said = capsys.readouterr().err
    assert str(tmp_path / taken) in said
    assert "--force" in said
    assert (tmp_path / taken).read_text() == "mine"
    assert main([*command, "--force"]) == 0
    assert load_model(tmp_path / target).config.hq


def test_a_folder_into_which_another_process_converts_is_refused(
    tmp_path: Path, hq: Sam, capsys: pytest.CaptureFixture[str]
) -> None:
    save_model(hq, tmp_path / "a.safetensors")
    with only_one(tmp_path / "c", "converting"), only_one(tmp_path, "converting"):
        assert main(["convert", str(tmp_path / "a.safetensors"), str(tmp_path / "c"), "--force"]) == 2
        assert "where one is converting now" in capsys.readouterr().err
        assert main(["convert", str(tmp_path / "a.safetensors"), str(tmp_path / "b.pth")]) == 0, "one file is whole"
    assert not (tmp_path / "c").exists()


def test_a_folder_of_other_things_may_be_the_target(tmp_path: Path, hq: Sam) -> None:
    save_model(hq, tmp_path / "a.safetensors")
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "README.md").write_text("mine")
    assert main(["convert", str(tmp_path / "a.safetensors"), str(tmp_path / "c")]) == 0
