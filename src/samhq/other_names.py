"""Names that users of other libraries import, and what does the same here. Knows nothing about what the names do."""

from __future__ import annotations

import sys

from samhq.errors import SamHQError

_LOAD = (
    "Use samhq.load(...), whose segment(image, ...) takes prompts; samhq.segment_everything(image, model) needs none."
)
_VIDEO = "Use samhq.load_video_model(...), or samhq.SAM2VideoPredictor, which has the calls of the original."
_SAM3 = "samhq has no SAM 3. For objects by name use samhq.load(...).segment(image, text=...)."
_CAMERA = "Use samhq.load_video_model(...).tracker(), which takes the frames of a camera."
_SAM2 = "It is in samhq.compat.sam2."
_PAGE = "The page docs/from/{}.md shows your calls and the same calls here."

#: What to do about a name of another library.
ADVICE = {
    **dict.fromkeys(("SAM", "FastSAM", "MobileSAM", "YOLO"), f"{_LOAD} {_PAGE.format('ultralytics')}"),
    **dict.fromkeys(("SamGeo", "SamGeo2", "SamGeo3"), f"{_LOAD} {_PAGE.format('samgeo')}"),
    "LangSAM": f"Use samhq.load(...).segment(image, text=...). {_PAGE.format('samgeo')}",
    **dict.fromkeys(("TFSamModel", "TFSamVisionModel"), f"Use samhq.SamModel. {_PAGE.format('tfsammodel')}"),
    "EdgeTamVideoModel": _VIDEO,
    "Sam2VideoVideoProcessor": "Use samhq.Sam2VideoProcessor.",
    **dict.fromkeys(("Sam3Model", "Sam3Processor", "Sam3VideoModel", "build_sam3_image_model"), _SAM3),
    **dict.fromkeys(("AutoModel", "AutoModelForImageSegmentation"), "Use samhq.AutoModelForMaskGeneration."),
    **dict.fromkeys(("AutoImageProcessor", "AutoFeatureExtractor"), "Use samhq.AutoProcessor."),
    **dict.fromkeys(("Sam2ImageProcessor", "Sam2ImageProcessorFast"), "Use samhq.Sam2Processor."),
    **dict.fromkeys(("SamImageProcessorFast", "SamImageProcessorPil"), "Use samhq.SamImageProcessor."),
    "build_sam2_camera_predictor": _CAMERA,
    "SAM2CameraPredictor": _CAMERA,
    **dict.fromkeys(("build_sam2_hf", "build_sam2_video_predictor_hf"), _SAM2),
    **dict.fromkeys(("SAM2HQVideoPredictor", "build_sam2_hq_video_predictor"), _SAM2),
    **dict.fromkeys(("segment", "predict", "load_model", "from_pretrained"), _LOAD),
    "SamOnnxModel": "Use samhq export MODEL --output DIR --contract original, which writes the same decoder.",
}  # fmt: skip


class OtherNameError(SamHQError, ImportError):
    """A name that another library has. An ImportError, because `from samhq import ...` hides the text of others."""


def error_for(name: str) -> Exception:
    """The error for a name that samhq does not have: with advice if another library has it.

    >>> print(error_for("FastSAM").__class__.__name__, error_for("nothing"))
    OtherNameError module 'samhq' has no attribute 'nothing'
    """
    if name in ADVICE:
        return OtherNameError(f"Expected a public name of samhq, got {name}. {ADVICE[name]}", name="samhq")
    return AttributeError(f"module 'samhq' has no attribute {name!r}", name=name, obj=sys.modules.get("samhq"))
