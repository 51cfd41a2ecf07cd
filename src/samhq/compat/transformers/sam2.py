"""transformers' Sam2Model and Sam2Processor: pictures and prompts as tensors in, low-resolution logits out.

A thin interface to `model/sam2`. Padding points are masked out of attention; in transformers they take part.

Source: modeling_sam2.py and processing_sam2.py of transformers 5.23 (arguments and outputs).
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from jaxtyping import Float, Int64
from PIL import Image
from torch import Tensor, nn

from samhq.checkpoint.files import write_object
from samhq.checkpoint.hf_config import processor_to_transformers
from samhq.checkpoint.load import load_model, locate
from samhq.checkpoint.save import save_model
from samhq.compat.transformers import prompts as given
from samhq.compat.transformers.configs_sam2 import Sam2Config
from samhq.compat.transformers.features import BatchFeature
from samhq.compat.transformers.image_processor import label_values, saved_settings, tensors
from samhq.compat.transformers.model_methods import check_saving
from samhq.compat.transformers.nesting import nested_prompts, pad
from samhq.compat.transformers.outputs import Output
from samhq.compat.transformers.pretrained import SAM2_ATTENTION, Loading, refuse_keywords
from samhq.compat.transformers.processors import to_model
from samhq.compat.transformers.sam2_names import RenamedSam2
from samhq.compat.transformers.uploads import NoUpload
from samhq.config import MASK_THRESHOLD, SAM2_MODELS
from samhq.errors import ConfigError, ImageError, PromptError, naming
from samhq.image.frame import Frame
from samhq.image.read import read_image
from samhq.image.transform import SquareForm, to_square
from samhq.model.build import build
from samhq.model.prepared_pictures import PreparedPictures
from samhq.model.sam import at_once
from samhq.model.sam2.sam2 import Sam2
from samhq.types import IGNORED, NOT_A_POINT, ImageEmbedding, Prompts
from samhq.video.tracker import without_overlap

Model = TypeVar("Model", bound="Sam2Model")
Made = TypeVar("Made", bound="Sam2Processor")

#: Logits of a mask for a padding prompt: below any threshold everywhere.
_NOWHERE = -100.0
_ARGUMENTS = (
    "pixel_values", "input_points", "input_labels", "input_boxes", "input_masks", "image_embeddings",
    "multimask_output", "original_sizes", "return_dict",
)  # fmt: skip
#: Arguments of transformers that have no effect if they are None.
_WITHOUT_EFFECT = ("attention_similarity", "target_embedding", "output_attentions", "output_hidden_states")


@dataclass(eq=False)
class Sam2Output(Output):
    """`iou_scores` [I,P,K]; `pred_masks` [I,P,K,4g,4g], logits in the model's square; `object_score_logits` [I,P,1].

    `image_embeddings` are the maps that `forward` takes in place of pictures, finest first.
    """

    iou_scores: Float[Tensor, "I P K"] | None = None
    pred_masks: Float[Tensor, "I P K G G"] | None = None
    object_score_logits: Float[Tensor, "I P 1"] | None = None
    image_embeddings: tuple[Tensor, ...] | None = None


class Sam2Model(NoUpload, RenamedSam2):
    """SAM 2 for pictures with transformers' arguments and outputs. Its network is `self.sam`.

    Made from a `Sam2Config`, ours or transformers' own, it has random weights.
    """

    main_input_name = "pixel_values"

    def __init__(self, config: Any) -> None:
        super().__init__()
        self._config: Sam2Config | None = None
        if not isinstance(config, Sam2):
            self._config = as_sam2_config(config)
            config = untrained_sam2(self._config)
        if config.config.hq:
            raise ConfigError("Expected a SAM 2 without HQ heads, got HQ-SAM 2. Load it with samhq.load.")
        self.sam, self._pictures = config, PreparedPictures()
        self._name("sam.", "")
        self.eval()

    @property
    def config(self) -> Sam2Config:
        """transformers' configuration of this model.

        Raises:
            ConfigError: transformers has no such model.
        """
        if self._config is None:
            self._config = Sam2Config.from_model_config(self.sam.config)
        return self._config

    @classmethod
    def from_pretrained(cls: type[Model], source: str | os.PathLike[str], **options: Any) -> Model:
        """The model in a transformers folder, a repository of the hub, or an original `.pt` file, in eval mode.

        Takes `dtype`, `device_map` and `attn_implementation` as `SamModel.from_pretrained`.

        Raises:
            ConfigError: an option that means nothing, or another kind of model.
            CheckpointError: the source cannot be downloaded or read, or lacks tensors.
        """
        chosen = Loading.of(options, source, SAM2_ATTENTION)
        sam = load_model(source, hq=False, device=chosen.device, dtype=chosen.dtype)
        if not isinstance(sam, Sam2):
            raise ConfigError(f"Expected a SAM 2, got {sam.config.name} in {source}. Use SamModel for it.")
        return cls(sam)

    def save_pretrained(self, folder: str | os.PathLike[str], **options: Any) -> None:
        """Writes `config.json`, `preprocessor_config.json` and `model.safetensors`, for transformers too.

        Of transformers' options those count that ask for these files.

        Raises:
            CheckpointError: the folder cannot be written.
            ConfigError: an option that would save something else, or upload the model.
        """
        check_saving(options)
        if not options.get("is_main_process", True):
            return
        if options.get("state_dict") is not None or not options.get("safe_serialization", True):
            raise ConfigError(
                "Expected to save this SAM 2's own weights as safetensors, got a state_dict or "
                "safe_serialization=False. Leave it out, or save model.state_dict() with torch.save."
            )
        Path(folder).mkdir(parents=True, exist_ok=True)
        save_model(self.sam, folder)

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        return self.sam.device

    @property
    def dtype(self) -> torch.dtype:
        """The number type of the weights."""
        return self.sam.dtype

    @property
    def vision_encoder(self) -> nn.Module:
        """The image encoder; its own names are the original's."""
        return self.sam.image_encoder

    @property
    def prompt_encoder(self) -> nn.Module:
        """The prompt encoder; its own names are the original's."""
        return self.sam.sam_prompt_encoder

    @property
    def mask_decoder(self) -> nn.Module:
        """The mask decoder; its own names are the original's."""
        return self.sam.sam_mask_decoder

    def num_parameters(self, only_trainable: bool = False) -> int:
        """The number of weights; with `only_trainable` of those that have gradients."""
        return sum(
            parameter.numel() for parameter in self.parameters() if parameter.requires_grad or not only_trainable
        )

    def get_image_wide_positional_embeddings(self) -> Float[Tensor, "1 C g g"]:
        """The position features of the picture's cells."""
        features: Tensor = self.sam.sam_prompt_encoder.pe_layer.grid(self.sam.config.grid)
        return features

    @torch.no_grad()
    def get_image_embeddings(self, pixel_values: Float[Tensor, "I 3 S S"]) -> list[Tensor]:
        """The `image_embeddings` for `forward`: two finer maps, then the features; finest first.

        Raises:
            ConfigError: pixels of another shape.
        """
        embedding = self.sam.encode(pixel_values.to(self.device))
        return [*embedding.levels, embedding.features]

    def forward(
        self,
        pixel_values: Float[Tensor, "I 3 S S"] | None = None,
        input_points: Float[Tensor, "I P N 2"] | None = None,
        input_labels: Tensor | None = None,
        input_boxes: Float[Tensor, "I P 4"] | None = None,
        input_masks: Tensor | None = None,
        image_embeddings: Sequence[Tensor] | None = None,
        multimask_output: bool = True,
        return_dict: bool | None = None,
        **unknown: Any,
    ) -> Sam2Output | tuple[Any, ...]:
        """Logits [I,P,K,4g,4g], predicted IoU [I,P,K] and object scores of each prompt; K is 3, or 1.

        Give `pixel_values` or `image_embeddings`. Coordinates are model pixels, as the processor returns them. Without
        `multimask_output` the best of the other three masks replaces an unstable one. A prompt without points and box
        has two tokens that are "not a point", as in transformers.

        Raises:
            PromptError: wrong shapes or counts, both or neither input.
            ConfigError: pixels of another size, or an argument that does not exist.
        """
        unknown.pop("original_sizes", None)  # `model(**inputs)` passes it.
        for name in _WITHOUT_EFFECT:
            if unknown.get(name) is None:
                unknown.pop(name, None)
        refuse_keywords(unknown, None, _ARGUMENTS)
        embedding = self._embedding(pixel_values, image_embeddings)
        grid, images = self.sam.config.grid, len(embedding)
        batch = given.flatten_nested(images, grid, self.device, input_points, input_labels, input_boxes, input_masks)
        answers = self._answers(embedding, _never_empty(batch.prompts), multimask_output)
        iou, logits, score = (torch.cat(parts) for parts in zip(*answers, strict=True))
        output = Sam2Output(
            batch.fold(batch.blank(iou, 0.0)),
            batch.fold(batch.blank(logits, _NOWHERE)),
            batch.fold(score),
            (*embedding.levels, embedding.features),
        )
        return output.to_tuple() if return_dict is False else output

    def _embedding(self, pixels: Tensor | None, maps: Sequence[Tensor] | None) -> ImageEmbedding:
        if (pixels is None) == (maps is None):
            got = "neither" if pixels is None else "both"
            raise PromptError(f"Expected pixel_values or image_embeddings, got {got}. Pass exactly one of them.")
        if pixels is not None:
            return self.sam.prepared(self.sam.encode(pixels.to(self.device)))
        assert maps is not None
        if len(maps) != 3:
            raise PromptError(
                f"Expected the three maps that get_image_embeddings returns, got {len(maps)}. Pass all of them."
            )
        finest, finer, features = (level.to(self.device, self.dtype) for level in maps)
        embedding = self._pictures.prepare(self.sam, (maps[2],), lambda: ImageEmbedding(features))
        return replace(embedding, levels=(finest, finer))

    def _answers(
        self, embedding: ImageEmbedding, prompts: Prompts, multimask: bool
    ) -> list[tuple[Tensor, Tensor, Tensor]]:
        """IoU, logits and object score, some prompts at a time."""
        answers, step = [], at_once(self.device)
        for start in range(0, len(prompts), step):
            attended = self.sam.attend(embedding, prompts[start : start + step])
            attended, choice = self.sam.choose(attended, embedding, "all" if multimask else "single", "off")
            logits = self.sam.mask_decoder.paint(attended, embedding, choice)
            answers.append((choice.iou, logits, self.sam.mask_decoder.object_score(attended.tokens)))
        return answers


def as_sam2_config(config: Any) -> Sam2Config:
    """A configuration of SAM 2 in our class, from ours or transformers' own.

    Raises:
        ConfigError: another kind of configuration.
    """
    if isinstance(config, Sam2Config):
        return config
    if hasattr(config, "to_dict") and getattr(config, "model_type", "") == Sam2Config.model_type:
        return Sam2Config.from_dict(config.to_dict())
    raise ConfigError(f"Expected a Sam2Config, got a {type(config).__name__}. Or use Sam2Model.from_pretrained.")


def untrained_sam2(config: Sam2Config) -> Sam2:
    """A network with random weights, and the configuration's rule for single masks.

    Raises:
        ConfigError: as `Sam2Config.to_model_config`.
    """
    sam, decoder = build(config.to_model_config()), config.mask_decoder_config
    assert isinstance(sam, Sam2)
    sam.stable_delta = decoder.dynamic_multimask_stability_delta
    sam.stable_from = decoder.dynamic_multimask_stability_thresh if decoder.dynamic_multimask_via_stability else None
    return sam


def _never_empty(prompts: Prompts) -> Prompts:
    """The prompts; those without points and box get one "not a point", in addition to the usual one at the end."""
    count, device = len(prompts), prompts.image_index.device
    empty = torch.ones(count, dtype=torch.bool, device=device)
    if prompts.labels is not None:
        empty &= (prompts.labels == IGNORED).all(1)
    if prompts.boxes is not None:
        empty &= prompts.boxes.isnan().any(1)
    if not bool(empty.any()):
        return prompts
    none = torch.where(empty, NOT_A_POINT, IGNORED)[:, None]
    place = torch.zeros(count, 1, 2, device=device)
    if prompts.points is None or prompts.labels is None:
        return replace(prompts, points=place, labels=none)
    points = torch.cat([prompts.points, place.to(prompts.points.dtype)], 1)
    return replace(prompts, points=points, labels=torch.cat([prompts.labels, none], 1))


class Sam2Processor(NoUpload):
    """Prepares pictures together with their prompts, for a model that sees a square of `target_size` pixels."""

    def __init__(self, target_size: int = 1024) -> None:
        if not isinstance(target_size, int) or target_size < 1:
            raise ConfigError(f"Expected target_size in pixels, got {target_size!r}. Write 1024.")
        self.target_size = target_size
        self.point_pad_value = IGNORED

    @property
    def image_processor(self: Made) -> Made:
        """The same object, which prepares pictures and gives masks back; transformers has two."""
        return self

    @classmethod
    def from_pretrained(cls: type[Made], source: str | os.PathLike[str], **options: Any) -> Made:
        """The processor with the settings in a folder or a repository of the hub, or else those of the model there.

        `options` are those of `Sam2Model.from_pretrained`, without effect here.

        Raises:
            ConfigError, CheckpointError: nothing is there, or no SAM 2.
        """
        Loading.of(options, source, SAM2_ATTENTION)
        size = saved_settings(locate(source)).get("size")
        if not isinstance(size, Mapping) or "height" not in size:
            raise ConfigError(
                f"Expected the processor of a SAM 2 with a size of height and width, got {size!r:.60} in {source}. "
                "Use SamProcessor for a SAM."
            )
        return cls(size["height"])

    def save_pretrained(self, folder: str | os.PathLike[str], **options: Any) -> None:
        """Writes `preprocessor_config.json` into a folder, for transformers too.

        Raises:
            CheckpointError: the folder cannot be written.
            ConfigError: an option that means nothing, or one that would upload the processor.
        """
        check_saving(options)
        settings = processor_to_transformers(SAM2_MODELS["sam2.1_hiera_tiny"].replace(side=self.target_size))
        write_object(Path(folder) / "preprocessor_config.json", {**settings, "processor_class": type(self).__name__})

    def __call__(
        self,
        images: Any = None,
        segmentation_maps: Any = None,
        input_points: Any = None,
        input_labels: Any = None,
        input_boxes: Any = None,
        original_sizes: Any = None,
        return_tensors: str | None = None,
    ) -> BatchFeature:
        """`pixel_values` [I,3,S,S] float32, `original_sizes` [I,2] as (H, W), and the prompts in model pixels.

        Prompts and their padding are as in `SamHQProcessor`. With `original_sizes` in place of `images` only prompts
        are prepared, for pictures whose embeddings are known. `segmentation_maps` [H,W] of whole numbers, one for each
        picture, come back as `labels` [I,S/4,S/4] int64, scaled by nearest neighbours. Pictures are resized as floats,
        as the original does; transformers first rounds them to whole levels.

        Raises:
            PromptError: nesting, numbers of images, objects, points or labels that do not fit; neither pictures nor
                sizes.
            ImageError: what `read_image` refuses; maps that are none, or of another number.
        """
        values, frames = self._known(original_sizes) if images is None else self._prepared(images)
        if segmentation_maps is not None:
            values["labels"] = self._labels(segmentation_maps, len(frames))
        padded = pad(nested_prompts(input_points, input_labels, input_boxes, len(frames)), self.point_pad_value)
        values |= to_model(padded, frames, self.point_pad_value)
        return BatchFeature({name: tensors(list(value), return_tensors) for name, value in values.items()})

    def _prepared(self, images: Any) -> tuple[dict[str, Any], list[Frame]]:
        several = list(images) if isinstance(images, (list, tuple)) or getattr(images, "ndim", 0) == 4 else [images]
        if not several:
            raise ImageError("Expected at least one image, got an empty list.")
        prepared: list[tuple[Any, Frame]] = []
        for number, image in enumerate(several):
            with naming("image", number, len(several)):
                prepared.append(to_square(read_image(image), SquareForm(self.target_size, squashed=True)))
        frames = [frame for _, frame in prepared]
        pixels = [square[0] for square, _ in prepared]
        return {"pixel_values": pixels, "original_sizes": [frame.original_hw for frame in frames]}, frames

    def _known(self, original_sizes: Any) -> tuple[dict[str, Any], list[Frame]]:
        if original_sizes is None:
            raise PromptError("Expected images, or original_sizes for prompts alone, got neither. Give one of them.")
        frames = self._frames(original_sizes)
        return {"original_sizes": [frame.original_hw for frame in frames]}, frames

    def _frames(self, sizes: Any) -> list[Frame]:
        return [Frame.fit((int(height), int(width)), self.target_size, squash=True) for height, width in sizes]

    def _labels(self, maps: Any, count: int) -> list[Int64[np.ndarray, "G G"]]:
        several = list(maps) if isinstance(maps, (list, tuple)) or getattr(maps, "ndim", 0) == 3 else [maps]
        if len(several) != count:
            raise ImageError(f"Expected a segmentation map for each of {count} images, got {len(several)}.")
        labels = []
        for number, label_map in enumerate(several):
            with naming("image", number, count):
                values = Image.fromarray(label_values(label_map).astype(np.int32))
                small = values.resize((self.target_size // 4,) * 2, Image.Resampling.NEAREST)
                labels.append(np.asarray(small).astype(np.int64))
        return labels

    def post_process_masks(
        self,
        masks: Any,
        original_sizes: Any,
        mask_threshold: float = MASK_THRESHOLD,
        binarize: bool = True,
        max_hole_area: float = 0.0,
        max_sprinkle_area: float = 0.0,
        apply_non_overlapping_constraints: bool = False,
    ) -> list[Tensor]:
        """For each picture its masks at its own size: bool [P,K,H,W], or float logits where `binarize` is False.

        `masks` are `pred_masks` [I,P,K,4g,4g] or a list of [P,K,4g,4g]. With `apply_non_overlapping_constraints` a
        pixel belongs to at most one of a picture's objects, the one with the highest logit.

        Raises:
            PromptError: masks and sizes of different numbers.
            ConfigError: areas, which have no effect in transformers either.
        """
        if max_hole_area or max_sprinkle_area:
            raise ConfigError(
                f"Expected max_hole_area and max_sprinkle_area as 0, because transformers ignores them, got "
                f"{max_hole_area} and {max_sprinkle_area}. Use samhq.compat.sam2.SAM2ImagePredictor, which cleans."
            )
        frames = self._frames(original_sizes)
        if len(frames) != len(masks):
            raise PromptError(f"Expected masks and sizes of the same images, got {len(masks)} and {len(frames)}.")
        pairs = list(zip(frames, map(torch.as_tensor, masks), strict=True))
        if binarize and not apply_non_overlapping_constraints:
            return [frame.masks_to_image(logits, mask_threshold) for frame, logits in pairs]
        large = [frame.logits_to_image(logits) for frame, logits in pairs]
        if apply_non_overlapping_constraints:
            large = [_without_overlap(logits) for logits in large]
        return [logits > mask_threshold for logits in large] if binarize else large


def _without_overlap(logits: Float[Tensor, "P K H W"]) -> Float[Tensor, "P K H W"]:
    """Logits in which every pixel of a candidate belongs to at most one object."""
    if len(logits) < 2:
        return logits
    return torch.cat([without_overlap(logits[:, k : k + 1]) for k in range(logits.shape[1])], dim=1)
