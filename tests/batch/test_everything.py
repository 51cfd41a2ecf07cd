"""The work of `samhq everything` from Python, and its settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from samhq.batch import EverythingFiles, EverythingWork, ModelSettings, items_of, run_job
from samhq.batch.everything import whole_image_config
from samhq.batch.job import Tally
from samhq.checkpoint.save import save_model
from samhq.cli.main import main
from samhq.config import Defaults
from samhq.errors import ConfigError
from tests import tiny
from tests.cli.segmenting import drawn


def test_python_writes_what_the_command_writes(tmp_path: Path) -> None:
    weights = tmp_path / "model.safetensors"
    save_model(tiny.shared(tiny.PLAIN), weights)
    picture, out = drawn(tmp_path / "a.png"), tmp_path / "python"
    given = {"points_per_side": 2, "pred_iou_thresh": 0.0, "stability_score_thresh": 0.0}
    work = EverythingWork(EverythingFiles(out), given, ModelSettings(str(weights), device="cpu"))
    assert run_job(items_of([picture]), work, None) == Tally(done=1)
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in given.items()]
    command = ["everything", str(picture), "--model", str(weights), "--device", "cpu", *flags]
    assert main([*command, "--output", str(tmp_path / "command")]) == 0
    assert files_in_folder(out) == files_in_folder(tmp_path / "command")


def files_in_folder(out: Path) -> dict[str, bytes]:
    files = {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert files, f"nothing in {out}"
    return files


def test_given_settings_come_before_those_of_the_weights() -> None:
    weights = Defaults(pred_iou_thresh=0.5)
    assert whole_image_config({}, ModelSettings(), weights).pred_iou_thresh == 0.5
    assert whole_image_config({"pred_iou_thresh": None}, ModelSettings(), weights).pred_iou_thresh == 0.5
    assert whole_image_config({"pred_iou_thresh": 0.7}, ModelSettings(), weights).pred_iou_thresh == 0.7
    assert whole_image_config({}, ModelSettings(multimask=False)).candidates == "single"
    with pytest.raises(ConfigError):
        whole_image_config({"points_per_side": 0}, ModelSettings())
