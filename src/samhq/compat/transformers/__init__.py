"""transformers' SAM, SAM-HQ and SAM 2 classes, without transformers: change the import, keep the script."""

from __future__ import annotations

from samhq.compat.transformers.auto import AutoModelForMaskGeneration, AutoProcessor
from samhq.compat.transformers.configs import (
    SamConfig,
    SamHQConfig,
    SamHQMaskDecoderConfig,
    SamHQPromptEncoderConfig,
    SamHQVisionConfig,
    SamMaskDecoderConfig,
    SamPromptEncoderConfig,
    SamVisionConfig,
)
from samhq.compat.transformers.configs_sam2 import (
    Sam2Config,
    Sam2HieraDetConfig,
    Sam2MaskDecoderConfig,
    Sam2PromptEncoderConfig,
    Sam2VisionConfig,
)
from samhq.compat.transformers.configs_sam2_video import (
    Sam2VideoConfig,
    Sam2VideoMaskDecoderConfig,
    Sam2VideoPromptEncoderConfig,
)
from samhq.compat.transformers.image_processor import SamImageProcessor
from samhq.compat.transformers.image_segmentation import ImageSegmentationPipeline
from samhq.compat.transformers.models import SamHQModel, SamModel
from samhq.compat.transformers.pipelines import MaskGenerationPipeline, pipeline
from samhq.compat.transformers.processors import SamHQProcessor, SamProcessor
from samhq.compat.transformers.sam2 import Sam2Model
from samhq.compat.transformers.sam2_processor import Sam2Processor
from samhq.compat.transformers.sam2_video import Sam2VideoModel
from samhq.compat.transformers.sam2_video_processor import Sam2VideoProcessor
from samhq.compat.transformers.sam2_video_session import Sam2VideoInferenceSession
from samhq.compat.transformers.vision import SamHQVisionModel, SamVisionModel

__all__ = [
    "AutoModelForMaskGeneration",
    "AutoProcessor",
    "ImageSegmentationPipeline",
    "MaskGenerationPipeline",
    "Sam2Config",
    "Sam2HieraDetConfig",
    "Sam2MaskDecoderConfig",
    "Sam2Model",
    "Sam2Processor",
    "Sam2PromptEncoderConfig",
    "Sam2VideoConfig",
    "Sam2VideoInferenceSession",
    "Sam2VideoMaskDecoderConfig",
    "Sam2VideoModel",
    "Sam2VideoProcessor",
    "Sam2VideoPromptEncoderConfig",
    "Sam2VisionConfig",
    "SamConfig",
    "SamHQConfig",
    "SamHQMaskDecoderConfig",
    "SamHQModel",
    "SamHQProcessor",
    "SamHQPromptEncoderConfig",
    "SamHQVisionConfig",
    "SamHQVisionModel",
    "SamImageProcessor",
    "SamMaskDecoderConfig",
    "SamModel",
    "SamProcessor",
    "SamPromptEncoderConfig",
    "SamVisionConfig",
    "SamVisionModel",
    "pipeline",
]
