"""Other packages as parties, with this library's weights: transformers, and the original packages where they load.

They are not part of the library: this file is in the repository only, and `samhq benchmark --peer` runs it there.

transformers up to 5.23 paints SAM-HQ's masks from features that never met the prompt. What is timed is its code as it
is; what is compared are its scores, and its masks with that one assignment corrected, which costs the same.
"""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

from samhq.checkpoint.hf_config import config_to_transformers
from samhq.checkpoint.naming import to_transformers
from samhq.config import MODELS, ModelConfig
from samhq.image.frame import Frame
from samhq.model.sam import Sam
from samhq.speed.ours import Refusal, Workload, random_inputs, random_pixels
from samhq.speed.work import Click, Decode, Encode

WRONG = "point_embedding, iou_token_out = self.transformer("
RIGHT = "point_embedding, image_embeddings = self.transformer("


class Transformers:
    """`SamModel` or `SamHQModel`, with one way of attention: "sdpa" or "eager"."""

    def __init__(self, model: Sam, dtype: str, device: torch.device, attention: str = "sdpa") -> None:
        self.name, self.config, self.device = f"transformers {attention}", model.config, device
        self.model = transformers_model(model, attention).to(device=device, dtype=getattr(torch, dtype))

    def encoding(self, work: Encode) -> Workload:
        """Pictures to image embeddings; without the HQ map, which it makes at every call of the decoder."""
        if not self.config.encoder.in_transformers:
            raise Refusal(f"has no {self.config.encoder.kind}")
        pixels = random_pixels(self.config, work.images).to(self.device, self.model.dtype)

        def answer() -> dict[str, Tensor]:
            seen = self.model.get_image_embeddings(pixels)
            return {"features": seen[0], "early": seen[1][0]} if self.config.hq else {"features": seen}

        return Workload(lambda: self.model.get_image_embeddings(pixels), answer)

    def decoding(self, work: Decode) -> Workload:
        """Prompts to low-resolution logits from image embeddings."""
        given = self.arguments(work)

        def answer() -> dict[str, Tensor]:
            with corrected():
                output = self.model(**given)
            return {"iou": output.iou_scores[0], "logits": output.pred_masks[0]}

        return Workload(lambda: self.model(**given), answer)

    def clicking(self, work: Click) -> Workload:
        """A prompt to a mask of the photograph's size."""
        processor = import_module("transformers.models.sam.image_processing_pil_sam").SamImageProcessorPil()
        given, pad = self.arguments(work), {"height": self.config.side, "width": self.config.side}
        sizes = [list(work.size_hw)], [list(Frame.fit(work.size_hw, self.config.side).resized_hw)]

        def run() -> Any:
            return processor.post_process_masks(self.model(**given).pred_masks, *sizes, pad_size=pad)

        return Workload(run, self.decoding(work).answer)

    def arguments(self, work: Decode) -> dict[str, Any]:
        """What its model is called with."""
        if self.config.hq and work.hq == "off":
            raise Refusal("cannot leave the HQ mask off")
        inputs = random_inputs(work).to(self.device, self.model.dtype)
        given: dict[str, Any] = {"image_embeddings": inputs.features, "multimask_output": False}
        if work.kind == "boxes":
            given["input_boxes"] = inputs.places[None]
        else:
            given["input_points"] = inputs.places[None, :, None]
            given["input_labels"] = torch.ones_like(inputs.places[None, :, :1], dtype=torch.int64)
        if self.config.hq:
            given |= {"intermediate_embeddings": [inputs.early], "hq_token_only": work.hq == "only"}
        return given


class Original:
    """`segment_anything_hq`, `segment_anything` or `mobile_sam`: the published packages, which read our names."""

    def __init__(self, model: Sam, dtype: str, device: torch.device) -> None:
        if model.config.second:
            raise Refusal("SAM 2's package is not measured")
        self.name, self.config, self.device = original_package(model.config), model.config, device
        self.dtype = getattr(torch, dtype)
        try:
            package = import_module(self.name)
        except ImportError as error:
            installed = find_spec(self.name) is not None
            raise Refusal(f"does not import: {error}" if installed else "not installed") from error
        if model.config != MODELS.get(model.config.name):
            raise Refusal("has the published sizes alone")
        self.model = package.sam_model_registry[original_name(model.config)]()
        self.model.load_state_dict(model.state_dict())
        self.model.to(device=device, dtype=self.dtype).eval()  # also renews TinyViT's cached biases

    def encoding(self, work: Encode) -> Workload:
        """Pictures to image embeddings."""
        pixels = random_pixels(self.config, work.images).to(self.device, self.dtype)

        def answer() -> dict[str, Tensor]:
            seen = self.model.image_encoder(pixels)
            return {"features": seen[0], "early": seen[1][0]} if self.config.hq else {"features": first(seen)}

        return Workload(lambda: self.model.image_encoder(pixels), answer)

    def decoding(self, work: Decode) -> Workload:
        """Prompts to low-resolution logits from image embeddings, in one call."""
        if self.dtype != torch.float32:
            raise Refusal("its prompt encoder fails in half precision")
        if self.config.hq and work.hq == "off":
            raise Refusal("cannot leave the HQ mask off")
        inputs = random_inputs(work).to(self.device, self.dtype)
        more = {"hq_token_only": work.hq == "only", "interm_embeddings": [inputs.early]} if self.config.hq else {}
        labels = torch.ones_like(inputs.places[:, :1], dtype=torch.int64)
        points = (inputs.places[:, None], labels) if work.kind == "points" else None
        boxes = inputs.places if work.kind == "boxes" else None

        def run() -> tuple[Tensor, Tensor]:
            sparse, dense = self.model.prompt_encoder(points=points, boxes=boxes, masks=None)
            place = self.model.prompt_encoder.get_dense_pe()
            return self.model.mask_decoder(
                image_embeddings=inputs.features,
                image_pe=place,
                sparse_prompt_embeddings=sparse,
                dense_prompt_embeddings=dense,
                multimask_output=False,
                **more,
            )

        def answer() -> dict[str, Tensor]:
            logits, iou = run()
            return {"iou": iou, "logits": logits}

        return Workload(run, answer)

    def clicking(self, work: Click) -> Workload:
        """A prompt to a mask of the photograph's size."""
        task, frame = self.decoding(work), Frame.fit(work.size_hw, self.config.side)

        def run() -> Tensor:
            logits = self.model.postprocess_masks(task.run()[0], frame.resized_hw, work.size_hw)
            return logits > self.model.mask_threshold

        return Workload(run, task.answer)


def original_package(config: ModelConfig) -> str:
    """The package that published a model.

    >>> from samhq.config import model_config
    >>> original_package(model_config("sam_hq_vit_tiny"))
    'segment_anything_hq'
    """
    if config.name == "mobile_sam":
        return "mobile_sam"
    return "segment_anything_hq" if config.hq else "segment_anything"


def original_name(config: ModelConfig) -> str:
    """What a model is called in the registry of the package that published it.

    >>> from samhq.config import model_config
    >>> original_name(model_config("sam_hq_vit_tiny")), original_name(model_config("mobile_sam"))
    ('vit_tiny', 'vit_t')
    """
    return "vit_t" if config.name == "mobile_sam" else config.name.removeprefix("sam_").removeprefix("hq_")


def first(seen: Any) -> Tensor:
    """The image embeddings: some of the packages return them alone, some with intermediate ones."""
    return seen[0] if isinstance(seen, tuple | list) else seen


def installed() -> Any:
    """transformers, where it is installed."""
    if find_spec("transformers") is None:
        raise Refusal("not installed")
    return import_module("transformers")


def transformers_model(model: Sam, attention: str) -> Any:
    """transformers' model of the same size with the same weights, its norms with the original models' eps.

    An encoder that it does not have is left out: a small one stands in its place, not to be used.
    """
    family, package = "SamHQ" if model.config.hq else "Sam", installed()
    config = transformers_config(package, family, model.config)
    config._attn_implementation = attention
    theirs = getattr(package, f"{family}Model")._from_config(config, attn_implementation=attention)
    state = model.state_dict()
    if not model.config.encoder.in_transformers:
        state = {name: value for name, value in state.items() if not name.startswith("image_encoder.")}
    load(theirs, to_transformers(state))
    return theirs.eval().requires_grad_(False)


def load(theirs: Any, state: Mapping[str, Tensor]) -> None:
    """Fills transformers' model; nothing but an unused encoder and its second copy of one tensor may be missing."""
    missing, unexpected = theirs.load_state_dict(state, strict=False)
    stray = [name for name in missing if not name.startswith(("vision_encoder.", "prompt_encoder.shared_embedding."))]
    assert not stray, stray
    assert not unexpected, unexpected


def transformers_config(package: Any, family: str, config: ModelConfig) -> Any:
    """The config of a model of the same size."""

    def part(name: str, **numbers: Any) -> Any:
        return getattr(package, f"{family}{name}Config")(**numbers)

    row, decoder = config.encoder, config.decoder
    vision: dict[str, Any] = {
        "num_hidden_layers": 1,
        "global_attn_indexes": [0],
        "output_channels": decoder.dim,
        "image_size": config.side,
        "num_pos_feats": decoder.dim // 2,
    }
    if row.in_transformers:
        stated: Any = config_to_transformers(config)["vision_config"]
        vision |= {name: value for name, value in stated.items() if name not in ("model_type", "scale")}
    return part(
        "",
        vision_config=part("Vision", **vision),
        prompt_encoder_config=part("PromptEncoder", hidden_size=decoder.dim, image_size=config.side),
        mask_decoder_config=part(
            "MaskDecoder",
            hidden_size=decoder.dim,
            mlp_dim=decoder.mlp_dim,
            num_attention_heads=decoder.heads,
            iou_head_hidden_dim=decoder.iou_dim,
            layer_norm_eps=decoder.norm_eps,
            **({"vit_dim": row.early_dim} if config.hq else {}),
        ),
    )


@contextmanager
def corrected() -> Iterator[None]:
    """transformers' SAM-HQ decoder with its one wrong assignment corrected; as it is, where that is not there."""
    module = import_module("transformers.models.sam_hq.modeling_sam_hq")
    published = module.SamHQMaskDecoder.forward
    source = textwrap.dedent(inspect.getsource(published))
    if WRONG in source:
        scope = dict(vars(module))
        exec(source.replace(WRONG, RIGHT), scope)
        module.SamHQMaskDecoder.forward = scope["forward"]
    try:
        yield
    finally:
        module.SamHQMaskDecoder.forward = published
