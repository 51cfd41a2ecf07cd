"""A SavedModel gives torch's results, where tensorflow is installed; what cannot be exported is a sentence."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from tests import tiny

from samhq.errors import ConfigError, MissingExtraError
from samhq.export.fixed import decoder_part, encoder_part
from samhq.export.saved_model import FILE, export_saved_model, shared_weights, spell_booleans
from samhq.types import IGNORED, ImageEmbedding, Prompts


@pytest.mark.parametrize("package", ["litert_torch", "tensorflow"])
def test_what_cannot_be_exported_is_a_sentence(package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"for TensorFlow.*SAM 2 to ONNX"):
        export_saved_model(tiny.shared(tiny.SECOND), tmp_path)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match="pip install litert-torch tensorflow"):
        export_saved_model(tiny.shared(tiny.HQ), tmp_path)
    assert not list(tmp_path.iterdir())


def test_weights_are_stored_once() -> None:
    sam = tiny.shared(tiny.HQ)
    stored = shared_weights([encoder_part(sam), decoder_part(sam, 2)])
    assert {name.removeprefix("sam.") for name in stored} == set(sam.state_dict())


def test_only_booleans_in_digits_are_spelled_as_bytes() -> None:
    kept = (
        '%a = stablehlo.constant dense<"0x0000803F"> : tensor<1xf32>\n%b = stablehlo.constant dense<true> : tensor<i1>'
    )
    changed = '%c_4 = stablehlo.constant dense<"0x0100"> : tensor<1x2xi1>'
    first, *lines = spell_booleans(f"{changed}\n{kept}").split("\n")
    assert first == '%c_4_bytes = stablehlo.constant dense<"0x0100"> : tensor<1x2xi8>'
    assert lines[0] == "%c_4 = stablehlo.convert %c_4_bytes : (tensor<1x2xi8>) -> tensor<1x2xi1>"
    assert "\n".join(lines[1:]) == kept


@pytest.mark.slow
def test_the_files_give_torchs_masks(tmp_path: Path) -> None:
    pytest.importorskip("litert_torch")
    tf = pytest.importorskip("tensorflow")
    sam = tiny.shared(tiny.HQ)
    found = export_saved_model(sam, tmp_path / "out", points=2)
    assert found.largest < 1e-4 * found.scale
    assert {path.name for path in (tmp_path / "out").iterdir()} == {FILE, "fingerprint.pb", "variables"}
    loaded = tf.saved_model.load(str(tmp_path / "out")).signatures
    pixels, box = tiny.pixels(tiny.HQ), torch.tensor([[5.0, 6.0, 40.0, 50.0]])
    embedding = loaded["encode"](pixels=tf.constant(pixels.numpy()))
    grid = 4 * sam.config.grid
    outputs = loaded["decode"](
        **embedding,
        points=tf.zeros((1, 2, 2)),
        labels=tf.fill((1, 2), IGNORED),
        boxes=tf.constant(box.numpy()),
        masks=tf.fill((1, 1, grid, grid), np.float32(np.nan)),
    )
    with torch.inference_mode():
        ours: ImageEmbedding = sam.encode(pixels)
        low = sam.decode(ours, Prompts(torch.zeros(1, dtype=torch.int64), boxes=box), candidates="single")
    assert np.allclose(outputs["logits"][:, :1] + outputs["hq_logits"], low.logits, atol=1e-4)
    assert np.allclose(outputs["iou"][:, :1], low.iou, atol=1e-4)
