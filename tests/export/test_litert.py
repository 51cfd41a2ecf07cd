"""The graph for LiteRT gives the network's own masks; its conversion is compared with torch where litert-torch is."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from tests import tiny

from samhq.config import ModelConfig
from samhq.errors import ConfigError, MissingExtraError
from samhq.export.litert import EveryMask, check_close, example_prompt, export_litert
from samhq.types import IGNORED, ImageEmbedding, Prompts


@pytest.mark.parametrize("given", ["points", "box", "mask"])
@pytest.mark.parametrize("config", tiny.FIRST, ids=lambda config: config.name)
@torch.inference_mode()
def test_every_mask_is_the_networks(config: ModelConfig, given: str) -> None:
    sam = tiny.shared(config)
    inputs, owner = example_prompt(sam, 3), torch.zeros(1, dtype=torch.int64)
    prompts = Prompts(owner, inputs["points"][:, :2], inputs["labels"][:, :2].long())
    if given == "box":
        inputs["labels"][:] = IGNORED
        inputs["boxes"] = torch.tensor([[5.0, 6.0, 40.0, 50.0]])
        prompts = Prompts(owner, boxes=inputs["boxes"])
    if given == "mask":
        inputs["masks"] = torch.randn_like(inputs["masks"])
        prompts = Prompts(owner, prompts.points, prompts.labels, masks=inputs["masks"])
    logits, *hq, iou = EveryMask(sam)(**inputs)
    embedding = ImageEmbedding(inputs["features"], inputs.get("hq_features"))
    for candidates, rows in (("single", slice(0, 1)), ("all", slice(1, 4))):
        low = sam.decode(embedding, prompts, candidates=candidates)
        assert torch.allclose(logits[:, rows] + (hq[0] if hq else 0), low.logits, atol=1e-4)
        assert torch.allclose(iou[:, rows], low.iou, atol=1e-5)


def test_other_results_are_refused() -> None:
    expected = (torch.tensor([1.0, -2.0]),)
    check_close("a", np.array([1.0, -2.001]), expected)
    for wrong in (np.array([1.0, -2.1]), np.array([1.0, np.nan])):
        with pytest.raises(ConfigError, match="Export to ONNX"):
            check_close("a", [wrong], expected)


def test_what_cannot_be_exported_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="SAM 2 to ONNX"):
        export_litert(tiny.shared(tiny.SECOND), tmp_path)
    monkeypatch.setitem(sys.modules, "litert_torch", None)
    with pytest.raises(MissingExtraError, match="pip install litert-torch"):
        export_litert(tiny.shared(tiny.HQ), tmp_path)


@pytest.mark.slow
def test_the_files_give_torchs_results(tmp_path: Path) -> None:
    pytest.importorskip("litert_torch")
    paths = export_litert(tiny.shared(tiny.HQ), tmp_path, points=2)
    assert [path.name for path in paths] == ["encoder.tflite", "decoder.tflite"]
    assert all(path.read_bytes()[4:8] == b"TFL3" for path in paths)
