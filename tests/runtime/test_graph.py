"""Files are opened by the runtime that was asked for, or a sentence says why not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.runtime.test_predictor import PROMPTS, picture

from samhq.errors import CheckpointError, ConfigError, MissingExtraError
from samhq.runtime import OnnxPredictor, graph
from samhq.runtime.graph import open_graph


def test_short_and_long_names_of_providers(hq_folder: Path) -> None:
    pixels = {"pixels": np.zeros((1, 3, 64, 64), np.float32)}
    by_default, short, long = (
        open_graph(hq_folder / "encoder.onnx", name)(pixels) for name in (None, "cpu", ["CPUExecutionProvider"])
    )
    assert set(by_default) == {"features", "hq_features"}
    np.testing.assert_array_equal(by_default["features"], short["features"])
    np.testing.assert_array_equal(by_default["features"], long["features"])


def test_openvino_answers_as_onnx_runtime(hq_folder: Path) -> None:
    pytest.importorskip("openvino", reason="the extra `openvino` is not installed")
    answers = []
    for providers in ("cpu", "openvino"):
        predictor = OnnxPredictor(hq_folder, providers)
        predictor.set_image(picture())
        answers.append([predictor.predict(**asked) for asked in (PROMPTS[1], PROMPTS[4], PROMPTS[5])])
    for (_, scores, low_res), (_, other_scores, other_low_res) in zip(*answers, strict=True):
        np.testing.assert_allclose(other_scores, scores, atol=1e-4)
        np.testing.assert_allclose(other_low_res, low_res, atol=1e-3)


def test_bfloat16_needs_hardware(hq_folder: Path) -> None:
    openvino = pytest.importorskip("openvino", reason="the extra `openvino` is not installed")
    if "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        predictor = OnnxPredictor(hq_folder, "openvino", "bfloat16")
        predictor.set_image(picture())
        assert np.isfinite(predictor.predict(**PROMPTS[0])[2]).all()
    else:
        with pytest.raises(ConfigError, match="bfloat16 instructions"):
            OnnxPredictor(hq_folder, "openvino", "bfloat16")


@pytest.mark.parametrize(
    ("providers", "says"),
    [
        ("gpu", "Known: .*CPUExecutionProvider.*cpu"),
        (["cpu", "cdua"], "got cdua"),
        (["openvino", "cpu"], "openvino alone"),
        ("openvino:MOON", "device of OpenVINO"),
    ],
)
def test_what_is_not_there_is_told(hq_folder: Path, providers: str | list[str], says: str) -> None:
    if "openvino" in providers:
        pytest.importorskip("openvino")
    with pytest.raises(ConfigError, match=says):
        open_graph(hq_folder / "decoder.onnx", providers)


def test_bfloat16_is_openvinos(hq_folder: Path) -> None:
    with pytest.raises(ConfigError, match='providers="openvino"'):
        open_graph(hq_folder / "decoder.onnx", "cpu", "bfloat16")


@pytest.mark.parametrize("providers", ["cpu", "openvino"])
def test_files_that_are_none(tmp_path: Path, providers: str) -> None:
    with pytest.raises(CheckpointError, match="samhq export"):
        open_graph(tmp_path / "encoder.onnx", providers)
    (tmp_path / "encoder.onnx").write_bytes(b"no graph at all")
    with pytest.raises(CheckpointError, match="that this runtime reads"):
        open_graph(tmp_path / "encoder.onnx", providers)


@pytest.mark.parametrize(("providers", "package"), [("cpu", "onnxruntime"), ("openvino", "openvino")])
def test_a_missing_runtime_is_named_with_its_extra(
    hq_folder: Path, providers: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graph, "_openvino", graph._openvino.__wrapped__)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=r"pip install 'samhq\["):
        open_graph(hq_folder / "encoder.onnx", providers)


def test_signals_can_be_handled_after_predictors_of_openvino_are_gone(hq_folder: Path) -> None:
    """Its CPU plug-in gives the thread a signal stack and takes it away again, in the wrong order for two of them."""
    pytest.importorskip("openvino", reason="the extra `openvino` is not installed")
    code = """
import faulthandler, os, signal, sys
from samhq.runtime import OnnxPredictor
faulthandler.enable()
first = OnnxPredictor(sys.argv[1], "openvino")
second = OnnxPredictor(sys.argv[1], "openvino")
del first
del second
signal.signal(signal.SIGTERM, lambda *_: print("handled"))
os.kill(os.getpid(), signal.SIGTERM)
"""
    done = subprocess.run([sys.executable, "-c", code, hq_folder], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, "handled\n"), done.stderr
