"""The builders of SAM 2's and HQ-SAM 2's video predictors.

Source: build_sam.py of facebookresearch/sam2 and of sam-hq2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from samhq.checkpoint.load import load_model
from samhq.compat.sam2.build import build_sam2
from samhq.compat.sam2.video_predictor import SAM2HQVideoPredictor, SAM2VideoPredictor
from samhq.device import as_device
from samhq.errors import ConfigError
from samhq.model.sam import Sam


def build_sam2_video_predictor(
    config_file: str | None,
    ckpt_path: str | None = None,
    device: Any = "cuda",
    mode: str = "eval",
    hydra_overrides_extra: Sequence[str] = (),
    apply_postprocessing: bool = True,
    vos_optimized: bool = False,
    *,
    kind: type[SAM2VideoPredictor] = SAM2VideoPredictor,
    **kwargs: Any,
) -> SAM2VideoPredictor:
    """The predictor by the name of a published configuration, with the weights in `ckpt_path`.

    `config_file` may be None, because the weights identify their model. `apply_postprocessing` fills small holes and
    stores prompted masks as 0 and 1; without it unstable single masks stay, too. Of Hydra's overrides,
    `model.image_size` and the predictor's attributes are supported, such as "++model.non_overlap_masks=true"; they come
    last. `vos_optimized` is accepted and has no effect. `kind` is the predictor's class.

    Raises:
        ConfigError, CheckpointError: as `build_sam2`; a model without memory; neither a configuration nor weights.
    """
    del vos_optimized
    if config_file is not None:
        model: Sam = build_sam2(config_file, ckpt_path, device, mode)
    elif ckpt_path is None:
        raise ConfigError("Expected ckpt_path, the weights, or a configuration, got neither. Give a file or a name.")
    else:
        model = load_model(ckpt_path, device=as_device(device))
    return kind.around(
        model, hydra_overrides_extra=hydra_overrides_extra, apply_postprocessing=apply_postprocessing, **kwargs
    )


def build_sam2_video_predictor_hf(model_id: str, **kwargs: Any) -> SAM2VideoPredictor:
    """The predictor with the weights of a repository of the Hugging Face hub.

    Raises:
        ConfigError, CheckpointError: as `build_sam2_video_predictor`.
    """
    return build_sam2_video_predictor(None, model_id, **kwargs)


def build_sam2_hq_video_predictor(
    config_file: str | None, ckpt_path: str | None = None, device: Any = "cuda", *args: Any, **kwargs: Any
) -> SAM2HQVideoPredictor:
    """As `build_sam2_video_predictor`, with the rules of HQ-SAM 2's own predictor.

    Raises:
        ConfigError, CheckpointError: as that.
    """
    predictor = build_sam2_video_predictor(config_file, ckpt_path, device, *args, kind=SAM2HQVideoPredictor, **kwargs)
    assert isinstance(predictor, SAM2HQVideoPredictor)
    return predictor
