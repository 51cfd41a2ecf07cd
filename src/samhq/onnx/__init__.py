"""Exported models without torch: NumPy, Pillow and ONNX Runtime or OpenVINO."""

from __future__ import annotations

from samhq.onnx.predictor import OnnxPredictor as OnnxPredictor
from samhq.onnx.segmenter import OnnxImage as OnnxImage
from samhq.onnx.segmenter import OnnxSegmenter as OnnxSegmenter
