"""`samhq info` says what a file is, whole or not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from samhq.checkpoint.save import save_model
from samhq.cli.main import main
from samhq.model.sam import Sam


def shown(capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    lines = capsys.readouterr().out.splitlines()
    start = lines[0].index(lines[0].split()[1])
    return {line[:start].strip(): line[start:].strip() for line in lines}


def test_a_whole_file(tmp_path: Path, any_sam: Sam, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "tiny.safetensors"
    save_model(any_sam, path)
    assert main(["info", str(path)]) == 0
    said = shown(capsys)
    assert said["file"] == str(path)
    assert said["model"] == any_sam.config.name
    assert said["HQ heads"] == ("yes" if any_sam.config.hq else "no")
    assert said["picture side"] == f"{any_sam.config.side} px"
    assert said["layout"] == "original"
    assert said["dtype"] == "float32"
    assert said["parameters"] == f"{sum(p.numel() for p in any_sam.parameters()):,}"
    assert said["missing"] == said["unexpected"] == said["wrapped in"] == "nothing"


def test_a_wrapped_file_with_a_hole(tmp_path: Path, hq: Sam, capsys: pytest.CaptureFixture[str]) -> None:
    state = {
        f"module.{key}": value.half() for key, value in hq.state_dict().items() if key != "mask_decoder.hf_token.weight"
    }
    torch.save({"model": {**state, "module.mask_decoder.more": torch.zeros(1)}}, tmp_path / "tiny.pth")
    assert main(["info", str(tmp_path / "tiny.pth")]) == 0
    said = shown(capsys)
    assert said["dtype"] == "float16"
    assert "module" in said["wrapped in"]
    assert "model" in said["wrapped in"]
    assert said["missing"].startswith("1: mask_decoder.hf_token.weight")
    assert said["unexpected"].startswith("1: mask_decoder.more")


def test_what_is_no_model_is_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"weight": torch.zeros(3)}, tmp_path / "other.pth")
    (tmp_path / "cut.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0{")
    for name in ("other.pth", "cut.safetensors", "nowhere.pth", "sam_hq_vitb"):
        assert main(["info", str(tmp_path / name) if "." in name else name]) == 2
        said = capsys.readouterr().err
        assert name in said
        assert said.count("\n") == 1


def test_json_says_what_a_file_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "starter", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["hq"], record["missing"], record["dtype"]) == (True, [], "float16")
    assert record["parameters"] > 1e6
