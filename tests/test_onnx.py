"""The earlier name of `samhq.runtime` still works, and says that it goes."""

from __future__ import annotations

import sys
from importlib import import_module

import pytest

from samhq import runtime


def test_the_earlier_name_gives_the_same_classes_and_warns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "samhq.onnx", raising=False)  # it warns when it is imported first
    with pytest.warns(FutureWarning, match=r"samhq\.runtime"):
        earlier = import_module("samhq.onnx")
    assert earlier.OnnxPredictor is runtime.OnnxPredictor
    assert earlier.OnnxSegmenter is runtime.OnnxSegmenter
    assert earlier.OnnxImage is runtime.OnnxImage
