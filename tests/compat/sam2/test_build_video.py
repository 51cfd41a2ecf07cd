"""The builders of the video predictors: published configurations, settings, and weights."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests import tiny
from tests.video import small

from samhq.checkpoint.save import save_model
from samhq.compat.sam2.build_video import build_sam2_hq_video_predictor, build_sam2_video_predictor
from samhq.compat.sam2.video_predictor import SAM2HQVideoPredictor, SAM2VideoPredictor
from samhq.errors import ConfigError


def test_a_configuration_alone_gives_untrained_weights() -> None:
    override = ["++model.image_size=64"]
    plain = build_sam2_video_predictor("sam2.1_hiera_t.yaml", device="cpu", hydra_overrides_extra=override)
    assert (plain.image_size, plain.fill_hole_area, plain.model.stable_from) == (64, 8, 0.98)
    assert plain.binarize_mask_from_pts_for_mem_enc
    raw = build_sam2_hq_video_predictor(
        "sam2.1_hiera_t.yaml", device="cpu", hydra_overrides_extra=override, apply_postprocessing=False
    )
    assert isinstance(raw, SAM2HQVideoPredictor)
    assert (raw.fill_hole_area, raw.model.stable_from) == (0, None)
    assert not raw.binarize_mask_from_pts_for_mem_enc


def test_what_cannot_follow_objects_is_refused(tmp_path: Path) -> None:
    save_model(tiny.shared(tiny.HQ), tmp_path / "hq.safetensors")
    with pytest.raises(ConfigError, match="follows objects"):
        build_sam2_hq_video_predictor(None, str(tmp_path / "hq.safetensors"), "cpu")
    with pytest.raises(ConfigError, match="ckpt_path"):
        build_sam2_video_predictor(None)


def test_overrides_set_the_predictors_attributes(tmp_path: Path) -> None:
    """As tools/vos_inference.py of SAM 2 builds its predictor."""
    weights = tmp_path / "small.safetensors"
    save_model(small.shared(), weights)
    given = [
        "++model.non_overlap_masks=true",
        "++model.fill_hole_area=3",
        "++model.max_cond_frames_in_attn=-1",
        "++model.image_size=128",
    ]
    built = build_sam2_video_predictor(None, str(weights), "cpu", hydra_overrides_extra=given)
    loaded = SAM2VideoPredictor.from_pretrained(str(weights), device="cpu", hydra_overrides_extra=given, mode="eval")
    for predictor in (built, loaded):
        assert (predictor.non_overlap_masks, predictor.fill_hole_area, predictor.image_size) == (True, 3, 128)
        state = predictor.init_state(small.images(2))
        assert predictor.add_new_points_or_box(state, 0, 1, points=[[11, 18]], labels=[1])[2].shape == (1, 1, 40, 60)
    for wrong in ("++model.non_overlap_masks=2", "++model.unknown=true", "seed=1"):
        with pytest.raises(ConfigError, match=r"overrides of model\.image_size \(int\)"):
            build_sam2_video_predictor(None, str(weights), "cpu", hydra_overrides_extra=[wrong])
