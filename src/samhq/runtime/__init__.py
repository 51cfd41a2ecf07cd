"""Exported models without torch: NumPy, Pillow and ONNX Runtime or OpenVINO."""

from __future__ import annotations

from samhq.runtime.predictor import OnnxPredictor as OnnxPredictor
from samhq.runtime.segmenter import OnnxImage as OnnxImage
from samhq.runtime.segmenter import OnnxSegmenter as OnnxSegmenter
