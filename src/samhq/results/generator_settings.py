"""The arguments and attributes that the published automatic mask generators of segment-anything and SAM 2 share.

Knows `samhq.AutomaticConfig`; nothing of models and pictures.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from samhq.errors import ConfigError
from samhq.results.automatic_config import AutomaticConfig
from samhq.results.records import OutputMode, as_output_mode


class RefusedOptionError(ConfigError, AssertionError):
    """An argument that fails an assertion in the published generator."""


class PublishedSetting:
    """A published attribute that reads and writes a field of the configuration."""

    def __set_name__(self, _: type, name: str) -> None:
        self.name = name

    def __get__(self, generator: GeneratorSettings | None, _: type | None = None) -> Any:
        return self if generator is None else generator.published(self.name)

    def __set__(self, generator: GeneratorSettings, value: Any) -> None:
        generator.config = generator.config.replace(**generator.fields({self.name: value}))


class GeneratorSettings:
    """The settings of the published generators: a configuration whose fields are attributes, and an output mode.

    `renamed` has the published names that differ from those of `AutomaticConfig`, and its names.
    """

    renamed: ClassVar[Mapping[str, str]] = {}
    config: AutomaticConfig
    output_mode: OutputMode

    points_per_batch = PublishedSetting()
    pred_iou_thresh = PublishedSetting()
    stability_score_thresh = PublishedSetting()
    stability_score_offset = PublishedSetting()
    box_nms_thresh = PublishedSetting()
    crop_n_layers = PublishedSetting()
    crop_nms_thresh = PublishedSetting()
    crop_overlap_ratio = PublishedSetting()
    crop_n_points_downscale_factor = PublishedSetting()
    min_mask_region_area = PublishedSetting()

    def configure(self, output_mode: OutputMode, **arguments: Any) -> None:
        """Makes the configuration from published arguments.

        Raises:
            RefusedOptionError: both or neither of `points_per_side` and `point_grids`, another `output_mode`, or a
                value that cannot be used. The message has the published names.
        """
        try:
            self.config = AutomaticConfig(**self.fields(arguments))
            self.output_mode = as_output_mode(output_mode)
        except ConfigError as error:
            raise RefusedOptionError(self.in_published_names(str(error))) from error

    def fields(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Published arguments as fields of the configuration. `multimask_output` becomes `candidates`."""
        fields = {self.renamed.get(name, name): value for name, value in arguments.items()}
        for name in ("pred_iou_thresh", "stability_score_thresh"):
            if name in fields:
                fields[name] = _off_below_zero(fields[name])
        if "multimask_output" in arguments:
            fields["candidates"] = "all" if arguments["multimask_output"] else "single"
        return fields

    def published(self, name: str) -> Any:
        """The value of a published attribute."""
        value = getattr(self.config, self.renamed.get(name, name))
        return value == "all" if name == "multimask_output" else value

    def in_published_names(self, message: str) -> str:
        """A message about a field of the configuration, with the argument's published name."""
        for name, field in self.renamed.items():
            message = message.replace(f"Expected {field} ", f"Expected {name} ")
        return message


def _off_below_zero(threshold: float) -> float:
    """The threshold, with 0 for a negative one: in the published code both switch it off.

    >>> _off_below_zero(-1), _off_below_zero(0.5)
    (0.0, 0.5)
    """
    return 0.0 if isinstance(threshold, (int, float)) and threshold < 0 else threshold
