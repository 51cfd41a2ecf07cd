"""The old name of `samhq.runtime`. It works for one more release."""

from __future__ import annotations

import warnings

from samhq.runtime import OnnxImage as OnnxImage
from samhq.runtime import OnnxPredictor as OnnxPredictor
from samhq.runtime import OnnxSegmenter as OnnxSegmenter

warnings.warn("Expected samhq.runtime, got its old name samhq.onnx. Change the import.", FutureWarning, stacklevel=2)
