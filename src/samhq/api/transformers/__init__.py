"""transformers' SAM and SAM-HQ classes, without transformers: change the import, keep the script."""

from __future__ import annotations

from samhq.api.transformers.configs import (
    SamConfig,
    SamHQConfig,
    SamHQMaskDecoderConfig,
    SamHQPromptEncoderConfig,
    SamHQVisionConfig,
    SamMaskDecoderConfig,
    SamPromptEncoderConfig,
    SamVisionConfig,
)
from samhq.api.transformers.image_processor import SamImageProcessor
from samhq.api.transformers.models import SamHQModel, SamModel
from samhq.api.transformers.pipelines import MaskGenerationPipeline, pipeline
from samhq.api.transformers.processors import SamHQProcessor, SamProcessor
from samhq.api.transformers.vision import SamHQVisionModel, SamVisionModel

__all__ = [
    "MaskGenerationPipeline",
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
