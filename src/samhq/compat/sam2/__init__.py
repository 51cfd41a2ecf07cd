"""The interface of SAM 2 and of HQ-SAM 2. Scripts for either run after changing the import.

from samhq.compat.sam2 import SAM2ImagePredictor, build_sam2
"""

from samhq.compat.sam2.automatic import SAM2AutomaticMaskGenerator
from samhq.compat.sam2.build import build_sam2, build_sam2_hf, build_sam2_hq
from samhq.compat.sam2.build_video import (
    build_sam2_hq_video_predictor,
    build_sam2_video_predictor,
    build_sam2_video_predictor_hf,
)
from samhq.compat.sam2.predictor import SAM2ImagePredictor
from samhq.compat.sam2.refusals import NoImageError, RefusedImageError, RefusedPromptError
from samhq.compat.sam2.state import StateError
from samhq.compat.sam2.video_predictor import SAM2HQVideoPredictor, SAM2VideoPredictor

__all__ = [
    "NoImageError",
    "RefusedImageError",
    "RefusedPromptError",
    "SAM2AutomaticMaskGenerator",
    "SAM2HQVideoPredictor",
    "SAM2ImagePredictor",
    "SAM2VideoPredictor",
    "StateError",
    "build_sam2",
    "build_sam2_hf",
    "build_sam2_hq",
    "build_sam2_hq_video_predictor",
    "build_sam2_video_predictor",
    "build_sam2_video_predictor_hf",
]
