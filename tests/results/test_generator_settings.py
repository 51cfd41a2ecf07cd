"""The attributes of both published generators are one configuration, under the published names."""

from __future__ import annotations

import pytest

from samhq.compat.sam2.automatic import SAM2AutomaticMaskGenerator
from samhq.compat.segment_anything.automatic import SamAutomaticMaskGenerator
from samhq.results.generator_settings import GeneratorSettings, PublishedSetting, RefusedOptionError


class Renamed(GeneratorSettings):
    """A generator with two names of its own."""

    renamed = {"use_m2m": "second_pass", "multimask_output": "candidates"}  # noqa: RUF012
    use_m2m = PublishedSetting()
    multimask_output = PublishedSetting()


def test_attributes_read_and_write_the_configuration() -> None:
    generator = Renamed()
    generator.configure("coco_rle", points_per_side=3, use_m2m=True, multimask_output=True, pred_iou_thresh=-1)
    assert generator.output_mode == "coco_rle"
    assert (generator.use_m2m, generator.config.second_pass) == (True, True)
    assert (generator.multimask_output, generator.config.candidates) == (True, "all")
    assert generator.pred_iou_thresh == 0.0
    generator.multimask_output, generator.stability_score_thresh = False, -0.5
    assert (generator.config.candidates, generator.config.stability_score_thresh) == ("single", 0.0)
    assert isinstance(Renamed.use_m2m, PublishedSetting)


def test_refusals_have_the_published_names() -> None:
    with pytest.raises(RefusedOptionError, match="Expected use_m2m as True or False"):
        Renamed().configure("binary_mask", points_per_side=3, use_m2m=2)
    with pytest.raises(AssertionError, match="output_mode"):
        Renamed().configure("rle", points_per_side=3)  # type: ignore[arg-type]


def test_both_generators_have_these_attributes() -> None:
    shared = {name for name, value in vars(GeneratorSettings).items() if isinstance(value, PublishedSetting)}
    assert len(shared) == 10
    for generator in (SamAutomaticMaskGenerator, SAM2AutomaticMaskGenerator):
        assert issubclass(generator, GeneratorSettings)
