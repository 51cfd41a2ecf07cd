"""The interface of segment-anything and SAM-HQ. Scripts for either run after changing the import.

    from samhq import SamPredictor, sam_model_registry

`sam_model_registry` makes SAM-HQ's models, and `sam_model_registry_baseline` makes plain SAM's. A script for
segment-anything imports the second under the name of the first.
"""

from samhq.compat.segment_anything.automatic import SamAutomaticMaskGenerator
from samhq.compat.segment_anything.predictor import SamPredictor
from samhq.compat.segment_anything.refusals import (
    NoImageError,
    RefusedImageError,
    RefusedPromptError,
    UnknownModelError,
)
from samhq.compat.segment_anything.registry import (
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
from samhq.compat.segment_anything.sam import Sam
from samhq.compat.segment_anything.transforms import ResizeLongestSide

__all__ = [
    "NoImageError",
    "RefusedImageError",
    "RefusedPromptError",
    "ResizeLongestSide",
    "Sam",
    "SamAutomaticMaskGenerator",
    "SamPredictor",
    "UnknownModelError",
    "build_sam",
    "build_sam_hq",
    "build_sam_hq_vit_b",
    "build_sam_hq_vit_h",
    "build_sam_hq_vit_l",
    "build_sam_vit_b",
    "build_sam_vit_h",
    "build_sam_vit_l",
    "build_sam_vit_t",
    "build_sam_vit_tiny",
    "sam_hq_model_registry",
    "sam_model_registry",
    "sam_model_registry_baseline",
]
