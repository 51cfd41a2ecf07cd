"""The public names. Nothing is defined here; each name is imported when it is first used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from samhq.compat.sam2 import (
        SAM2AutomaticMaskGenerator,
        SAM2ImagePredictor,
        SAM2VideoPredictor,
        build_sam2,
        build_sam2_hq,
        build_sam2_video_predictor,
    )
    from samhq.compat.segment_anything import (
        ResizeLongestSide,
        SamAutomaticMaskGenerator,
        SamPredictor,
        build_sam,
        build_sam_hq,
        build_sam_hq_vit_b,
        build_sam_hq_vit_h,
        build_sam_hq_vit_l,
        build_sam_vit_b,
        build_sam_vit_h,
        build_sam_vit_l,
        build_sam_vit_t,
        build_sam_vit_tiny,
        sam_hq_model_registry,
        sam_model_registry,
        sam_model_registry_baseline,
    )
    from samhq.compat.transformers import (
        AutoModelForMaskGeneration,
        AutoProcessor,
        Sam2Config,
        Sam2HieraDetConfig,
        Sam2MaskDecoderConfig,
        Sam2Model,
        Sam2Processor,
        Sam2PromptEncoderConfig,
        Sam2VideoConfig,
        Sam2VideoInferenceSession,
        Sam2VideoMaskDecoderConfig,
        Sam2VideoModel,
        Sam2VideoProcessor,
        Sam2VideoPromptEncoderConfig,
        Sam2VisionConfig,
        SamConfig,
        SamHQConfig,
        SamHQMaskDecoderConfig,
        SamHQModel,
        SamHQProcessor,
        SamHQPromptEncoderConfig,
        SamHQVisionConfig,
        SamHQVisionModel,
        SamImageProcessor,
        SamMaskDecoderConfig,
        SamModel,
        SamProcessor,
        SamPromptEncoderConfig,
        SamVisionConfig,
        SamVisionModel,
        pipeline,
    )
    from samhq.datasets.open import open_dataset
    from samhq.datasets.sample import Sample
    from samhq.errors import (
        CheckpointError,
        ConfigError,
        ImageError,
        MissingExtraError,
        PromptError,
        SamHQError,
        SamHQWarning,
    )
    from samhq.evaluation.result import Evaluation
    from samhq.evaluation.run import evaluate
    from samhq.evaluation.suites.davis import evaluate_davis
    from samhq.evaluation.suites.detections import evaluate_detections
    from samhq.evaluation.suites.seginw import detect_seginw, evaluate_seginw
    from samhq.evaluation.suites.youtube_vis import evaluate_youtube_vis
    from samhq.formats.geo_prompts import prompts_from_geojson
    from samhq.formats.supervision import from_detections, to_detections
    from samhq.image.bands import as_rgb
    from samhq.image.sample_picture import sample_picture
    from samhq.image.sources import open_picture
    from samhq.inference.by_text import segment_found
    from samhq.inference.cache import EmbeddingCache
    from samhq.inference.everything import segment_everything
    from samhq.inference.mosaic import segment_mosaic
    from samhq.inference.refine import refine, segment_native
    from samhq.inference.segment import EncodedImage, Segmenter, load
    from samhq.results.automatic_config import AutomaticConfig
    from samhq.results.detections import Detections, Selection
    from samhq.results.everything import Everything
    from samhq.results.prompt import Prompt
    from samhq.results.saved import load_everything
    from samhq.results.segmentation import Segmentation
    from samhq.text.detector import Example
    from samhq.text.load import load_detector
    from samhq.text.search import Search
    from samhq.training.config import TrainConfig
    from samhq.training.loop import Trained, train
    from samhq.video.prompts import VideoPrompt
    from samhq.video.result import FrameMasks
    from samhq.video.segmenter import VideoSegmenter, load_video_model
    from samhq.video.stream import VideoTracker

#: Every public name and the module that has it.
_WHERE = {
    "AutoModelForMaskGeneration": "samhq.compat.transformers",
    "AutoProcessor": "samhq.compat.transformers",
    "AutomaticConfig": "samhq.results.automatic_config",
    "CheckpointError": "samhq.errors",
    "ConfigError": "samhq.errors",
    "Detections": "samhq.results.detections",
    "EmbeddingCache": "samhq.inference.cache",
    "EncodedImage": "samhq.inference.segment",
    "Evaluation": "samhq.evaluation.result",
    "Everything": "samhq.results.everything",
    "Example": "samhq.text.detector",
    "FrameMasks": "samhq.video.result",
    "ImageError": "samhq.errors",
    "MissingExtraError": "samhq.errors",
    "Prompt": "samhq.results.prompt",
    "PromptError": "samhq.errors",
    "ResizeLongestSide": "samhq.compat.segment_anything",
    "SAM2AutomaticMaskGenerator": "samhq.compat.sam2",
    "SAM2ImagePredictor": "samhq.compat.sam2",
    "SAM2VideoPredictor": "samhq.compat.sam2",
    "Sam2Config": "samhq.compat.transformers",
    "Sam2HieraDetConfig": "samhq.compat.transformers",
    "Sam2MaskDecoderConfig": "samhq.compat.transformers",
    "Sam2Model": "samhq.compat.transformers",
    "Sam2Processor": "samhq.compat.transformers",
    "Sam2PromptEncoderConfig": "samhq.compat.transformers",
    "Sam2VideoConfig": "samhq.compat.transformers",
    "Sam2VideoInferenceSession": "samhq.compat.transformers",
    "Sam2VideoMaskDecoderConfig": "samhq.compat.transformers",
    "Sam2VideoModel": "samhq.compat.transformers",
    "Sam2VideoProcessor": "samhq.compat.transformers",
    "Sam2VideoPromptEncoderConfig": "samhq.compat.transformers",
    "Sam2VisionConfig": "samhq.compat.transformers",
    "SamAutomaticMaskGenerator": "samhq.compat.segment_anything",
    "SamConfig": "samhq.compat.transformers",
    "SamHQConfig": "samhq.compat.transformers",
    "SamHQError": "samhq.errors",
    "SamHQMaskDecoderConfig": "samhq.compat.transformers",
    "SamHQModel": "samhq.compat.transformers",
    "SamHQProcessor": "samhq.compat.transformers",
    "SamHQPromptEncoderConfig": "samhq.compat.transformers",
    "SamHQVisionConfig": "samhq.compat.transformers",
    "SamHQVisionModel": "samhq.compat.transformers",
    "SamHQWarning": "samhq.errors",
    "SamImageProcessor": "samhq.compat.transformers",
    "SamMaskDecoderConfig": "samhq.compat.transformers",
    "SamModel": "samhq.compat.transformers",
    "SamPredictor": "samhq.compat.segment_anything",
    "SamProcessor": "samhq.compat.transformers",
    "SamPromptEncoderConfig": "samhq.compat.transformers",
    "SamVisionConfig": "samhq.compat.transformers",
    "SamVisionModel": "samhq.compat.transformers",
    "Sample": "samhq.datasets.sample",
    "Search": "samhq.text.search",
    "Segmentation": "samhq.results.segmentation",
    "Segmenter": "samhq.inference.segment",
    "Selection": "samhq.results.detections",
    "TrainConfig": "samhq.training.config",
    "Trained": "samhq.training.loop",
    "VideoPrompt": "samhq.video.prompts",
    "VideoSegmenter": "samhq.video.segmenter",
    "VideoTracker": "samhq.video.stream",
    "as_rgb": "samhq.image.bands",
    "build_sam": "samhq.compat.segment_anything",
    "build_sam2": "samhq.compat.sam2",
    "build_sam2_hq": "samhq.compat.sam2",
    "build_sam2_video_predictor": "samhq.compat.sam2",
    "build_sam_hq": "samhq.compat.segment_anything",
    "build_sam_hq_vit_b": "samhq.compat.segment_anything",
    "build_sam_hq_vit_h": "samhq.compat.segment_anything",
    "build_sam_hq_vit_l": "samhq.compat.segment_anything",
    "build_sam_vit_b": "samhq.compat.segment_anything",
    "build_sam_vit_h": "samhq.compat.segment_anything",
    "build_sam_vit_l": "samhq.compat.segment_anything",
    "build_sam_vit_t": "samhq.compat.segment_anything",
    "build_sam_vit_tiny": "samhq.compat.segment_anything",
    "detect_seginw": "samhq.evaluation.suites.seginw",
    "evaluate": "samhq.evaluation.run",
    "evaluate_davis": "samhq.evaluation.suites.davis",
    "evaluate_detections": "samhq.evaluation.suites.detections",
    "evaluate_seginw": "samhq.evaluation.suites.seginw",
    "evaluate_youtube_vis": "samhq.evaluation.suites.youtube_vis",
    "from_detections": "samhq.formats.supervision",
    "load": "samhq.inference.segment",
    "load_detector": "samhq.text.load",
    "load_everything": "samhq.results.saved",
    "load_video_model": "samhq.video.segmenter",
    "open_dataset": "samhq.datasets.open",
    "open_picture": "samhq.image.sources",
    "pipeline": "samhq.compat.transformers",
    "prompts_from_geojson": "samhq.formats.geo_prompts",
    "refine": "samhq.inference.refine",
    "sam_hq_model_registry": "samhq.compat.segment_anything",
    "sam_model_registry": "samhq.compat.segment_anything",
    "sam_model_registry_baseline": "samhq.compat.segment_anything",
    "sample_picture": "samhq.image.sample_picture",
    "segment_everything": "samhq.inference.everything",
    "segment_found": "samhq.inference.by_text",
    "segment_mosaic": "samhq.inference.mosaic",
    "segment_native": "samhq.inference.refine",
    "to_detections": "samhq.formats.supervision",
    "train": "samhq.training.loop",
}

__all__ = [
    "AutoModelForMaskGeneration",
    "AutoProcessor",
    "AutomaticConfig",
    "CheckpointError",
    "ConfigError",
    "Detections",
    "EmbeddingCache",
    "EncodedImage",
    "Evaluation",
    "Everything",
    "Example",
    "FrameMasks",
    "ImageError",
    "MissingExtraError",
    "Prompt",
    "PromptError",
    "ResizeLongestSide",
    "SAM2AutomaticMaskGenerator",
    "SAM2ImagePredictor",
    "SAM2VideoPredictor",
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
    "SamAutomaticMaskGenerator",
    "SamConfig",
    "SamHQConfig",
    "SamHQError",
    "SamHQMaskDecoderConfig",
    "SamHQModel",
    "SamHQProcessor",
    "SamHQPromptEncoderConfig",
    "SamHQVisionConfig",
    "SamHQVisionModel",
    "SamHQWarning",
    "SamImageProcessor",
    "SamMaskDecoderConfig",
    "SamModel",
    "SamPredictor",
    "SamProcessor",
    "SamPromptEncoderConfig",
    "SamVisionConfig",
    "SamVisionModel",
    "Sample",
    "Search",
    "Segmentation",
    "Segmenter",
    "Selection",
    "TrainConfig",
    "Trained",
    "VideoPrompt",
    "VideoSegmenter",
    "VideoTracker",
    "as_rgb",
    "build_sam",
    "build_sam2",
    "build_sam2_hq",
    "build_sam2_video_predictor",
    "build_sam_hq",
    "build_sam_hq_vit_b",
    "build_sam_hq_vit_h",
    "build_sam_hq_vit_l",
    "build_sam_vit_b",
    "build_sam_vit_h",
    "build_sam_vit_l",
    "build_sam_vit_t",
    "build_sam_vit_tiny",
    "detect_seginw",
    "evaluate",
    "evaluate_davis",
    "evaluate_detections",
    "evaluate_seginw",
    "evaluate_youtube_vis",
    "from_detections",
    "load",
    "load_detector",
    "load_everything",
    "load_video_model",
    "open_dataset",
    "open_picture",
    "pipeline",
    "prompts_from_geojson",
    "refine",
    "sam_hq_model_registry",
    "sam_model_registry",
    "sam_model_registry_baseline",
    "sample_picture",
    "segment_everything",
    "segment_found",
    "segment_mosaic",
    "segment_native",
    "to_detections",
    "train",
]


def __getattr__(name: str) -> object:
    if name == "__version__":
        return import_module("importlib.metadata").version("samhq")
    if name not in _WHERE:
        raise import_module("samhq.other_names").error_for(name)
    value = getattr(import_module(_WHERE[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
