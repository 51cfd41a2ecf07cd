"""LiteRT files give torch's results, where litert-torch is installed; what cannot be exported is a sentence."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from tests import tiny

from samhq.errors import ConfigError, MissingExtraError
from samhq.export.litert import export_litert


def test_what_cannot_be_exported_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="SAM 2 to ONNX"):
        export_litert(tiny.shared(tiny.SECOND), tmp_path)
    monkeypatch.setitem(sys.modules, "litert_torch", None)
    with pytest.raises(MissingExtraError, match="pip install litert-torch"):
        export_litert(tiny.shared(tiny.HQ), tmp_path)


@pytest.mark.slow
def test_the_files_give_torchs_results(tmp_path: Path) -> None:
    pytest.importorskip("litert_torch")
    written = export_litert(tiny.shared(tiny.HQ), tmp_path, points=2)
    assert [path.name for path in written] == ["encoder.tflite", "decoder.tflite"]
    assert all(path.read_bytes()[4:8] == b"TFL3" for path in written)
    assert all(found.largest < 1e-4 * found.scale for found in written.values())
